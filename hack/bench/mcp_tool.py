"""A tool of an MCP server that answers at once: the official SDK's own server, by streamable HTTP, as it comes.

`python -m hack.bench.mcp_tool` prints `listening on http://127.0.0.1:PORT/mcp`, then serves until it is ended.
"""

import asyncio
import contextlib
import socket

import uvicorn
import uvloop
from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations
from pydantic import BaseModel

HOST = "127.0.0.1"
TOOL = "answer"
server = MCPServer("bench", log_level="CRITICAL")


class Answer(BaseModel):
    """What it always says."""

    done: str


@server.tool(annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False))
def answer(number: int) -> Answer:
    """Answer at once."""
    return Answer(done="yes")


async def _serve() -> None:
    config = uvicorn.Config(server.streamable_http_app(), log_level="critical")
    with socket.create_server((HOST, 0)) as listening:
        print(f"listening on http://{HOST}:{listening.getsockname()[1]}/mcp", flush=True)
        await uvicorn.Server(config).serve(sockets=[listening])


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        uvloop.run(_serve())
