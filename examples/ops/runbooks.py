"""What should be done about an alert? An MCP server that looks up runbooks, run as a command: it speaks by standard input.

`python examples/ops/runbooks.py`

It keeps nothing and changes nothing, and needs no other file of ours: a gateway runs it where it likes.
"""

from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations
from pydantic import BaseModel

RUNBOOKS = {
    "CheckoutLatencyHigh": ["Silence the alert for 30 minutes.", "Scale checkout to 6 replicas."],
    "SearchErrorsHigh": [
        "Silence the alert for 30 minutes.",
        "Scale search to 8 replicas.",
        "If errors go on, fail search over to the other region; somebody in charge decides that.",
    ],
}

server = MCPServer("runbooks")


class Runbook(BaseModel):
    """What to do, in this order; no steps where nobody wrote any."""

    alert: str
    steps: list[str]


@server.tool(annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False))
def find_runbook(alert: str) -> Runbook:
    """Look up what should be done about an alert, step by step."""
    return Runbook(alert=alert, steps=RUNBOOKS.get(alert, []))


if __name__ == "__main__":
    server.run()
