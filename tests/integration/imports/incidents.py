"""An MCP server whose words change with its environment, for tests of what is pinned.

`WORDS` is the description of its first tool, `LIMIT` an upper bound of its argument, `GONE` hides it, `HANG` never answers,
`NOISE` says something and ends, `WIDE` lists so many tools.
"""

import asyncio
import os
import sys

import mcp_types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server


def tools() -> list[mcp_types.Tool]:
    """What it offers."""
    if "WIDE" in os.environ:
        return [
            mcp_types.Tool(name=f"tool_{number}", input_schema={"type": "object"})
            for number in range(int(os.environ["WIDE"]))
        ]
    limit = int(os.environ.get("LIMIT", "100"))
    found = [
        mcp_types.Tool(
            name="list_incidents",
            description=os.environ.get("WORDS", "List open incidents."),
            input_schema={
                "type": "object",
                "properties": {"limit": {"$ref": "#/$defs/Limit"}},
                "$defs": {"Limit": {"type": "integer", "minimum": 1, "maximum": limit}},
            },
            output_schema={"type": "object", "required": ["incidents"]},
            annotations=mcp_types.ToolAnnotations(read_only_hint=True),
        ),
        mcp_types.Tool(
            name="page_someone",
            description="Page whoever is on call.",
            input_schema={
                "type": "object",
                "required": ["who", "idempotency_key"],
                "properties": {"who": {"type": "string"}, "idempotency_key": {"type": "string"}},
            },
        ),
    ]
    return found[1:] if "GONE" in os.environ else found


async def main() -> None:
    """Serve by standard input."""
    if "NOISE" in os.environ:
        sys.exit(os.environ["NOISE"])
    if "HANG" in os.environ:
        await asyncio.Event().wait()

    async def listed(*_: object) -> mcp_types.ListToolsResult:
        return mcp_types.ListToolsResult(tools=tools())

    server: Server[object] = Server("incidents", on_list_tools=listed)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


if __name__ == "__main__":
    asyncio.run(main())
