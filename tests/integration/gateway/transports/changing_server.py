"""A program, run by tests: an MCP server of the official SDK that says of its tool what stands in a file, whenever asked.

Arguments: the file (JSON; absent: there is no tool), and a port for HTTP; without one it speaks by standard input.
"""

import asyncio
import json
import sys
from pathlib import Path

import mcp_types
import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

SAID = Path(sys.argv[1])


def tools() -> list[mcp_types.Tool]:
    """What the file says."""
    return [mcp_types.Tool.model_validate(json.loads(SAID.read_text()))] if SAID.exists() else []


async def listed(*_: object) -> mcp_types.ListToolsResult:
    """`tools/list`."""
    return mcp_types.ListToolsResult(tools=tools())


async def called(*_: object) -> mcp_types.CallToolResult:
    """It answers whatever it is."""
    return mcp_types.CallToolResult(content=[mcp_types.TextContent(text="done")])


async def main() -> None:
    """Serve."""
    server: Server[object] = Server("changing", on_list_tools=listed, on_call_tool=called)
    if len(sys.argv) > 2:
        app = server.streamable_http_app()
        await uvicorn.Server(uvicorn.Config(app, port=int(sys.argv[2]), log_level="critical")).serve()
        return
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


if __name__ == "__main__":
    asyncio.run(main())
