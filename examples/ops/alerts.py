"""What is wrong now, and which alerts wake nobody? An MCP server over HTTP that lists alerts and silences them.

`python -m examples.ops.alerts --port 8811`

A silence is made once per key and can be ended again. Everything is in memory; `GET /silences` shows people the truth.
"""

import argparse
import itertools
from typing import Annotated

from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class Alert(BaseModel):
    """Something that is wrong."""

    name: str
    service: str
    summary: str


class Alerts(BaseModel):
    """Everything that is wrong."""

    alerts: list[Alert]


class Silence(BaseModel):
    """Nobody is woken by this alert for a while."""

    silence_id: str
    alert: str
    minutes: int
    active: bool = True


FIRING = [
    Alert(name="CheckoutLatencyHigh", service="checkout", summary="p99 is 4.1 s, over 1 s for 10 minutes"),
    Alert(name="SearchErrorsHigh", service="search", summary="7 % of queries fail, over 1 % for 5 minutes"),
]

server = MCPServer("alerts", log_level="WARNING")
silences: dict[str, Silence] = {}
"""By the key that each was asked for with."""
_numbers = itertools.count(1)


@server.tool(annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False))
def list_alerts() -> Alerts:
    """List the alerts that fire now."""
    return Alerts(alerts=FIRING)


@server.tool(annotations=ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False))
def silence_alert(alert: str, minutes: Annotated[int, Field(ge=1, le=240)], idempotency_key: str) -> Silence:
    """Let an alert wake nobody for some minutes. It can be ended early by its silence_id."""
    if alert not in {each.name for each in FIRING}:
        raise ValueError(f"there is no alert {alert!r}")
    if idempotency_key not in silences:
        silences[idempotency_key] = Silence(silence_id=f"S-{next(_numbers)}", alert=alert, minutes=minutes)
    return silences[idempotency_key]


@server.tool(annotations=ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False))
def end_silence(silence_id: str, idempotency_key: str) -> Silence:
    """End a silence early: its alert wakes somebody again. Ending it twice is ending it."""
    del idempotency_key  # whoever ends it twice has ended it
    for silence in silences.values():
        if silence.silence_id == silence_id:
            silence.active = False
            return silence
    raise ValueError(f"there is no silence {silence_id!r}")


async def get_silences(_: Request) -> Response:
    """GET /silences: every silence that was made, for people."""
    return JSONResponse({"silences": [each.model_dump() for each in silences.values()]})


server.custom_route("/silences", ["GET"])(get_silences)


def main() -> None:
    """Read the arguments and serve, to this machine alone."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.ops.alerts", description="The example's alerts."
    )
    parser.add_argument("--port", type=int, default=8811)
    server.run("streamable-http", port=parser.parse_args().port)


if __name__ == "__main__":
    main()
