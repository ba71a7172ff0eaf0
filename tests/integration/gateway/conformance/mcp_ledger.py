"""An MCP server that books notes, once for each key: by standard input, or with a port by HTTP."""

import sys

from mcp.server.mcpserver import MCPServer

server = MCPServer("ledger")
booked: dict[str, str] = {}


@server.tool()
def book(note: str, idempotency_key: str) -> dict[str, str]:
    """Book a note."""
    return {"id": booked.setdefault(idempotency_key, f"{len(booked) + 1}: {note}")}


@server.tool()
def bookings() -> dict[str, list[str]]:
    """List what was booked."""
    return {"bookings": list(booked.values())}


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", port=int(sys.argv[1]))
    else:
        server.run()
