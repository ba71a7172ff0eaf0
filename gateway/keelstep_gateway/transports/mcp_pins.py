"""Does a server still say of a tool what was reviewed? Asked before a call of a contract that pins it.

    said within the last seconds in this session ─► compared
    else ─► tools/list ─► kept for the tools that contracts ask about, and compared

A session asks when it opens, after so many seconds, and once the server tells that its list changed. Nothing of the call
has left by then, so a call that is refused here has not happened. Which words differ stands in no message: they are the
server's own; `keelstep contract diff` shows them to a person.
"""

import asyncio

import mcp
import mcp_types

from keelstep.domain import drift
from keelstep.kinds.transport import Mcp as Described
from keelstep_gateway.transports.transport import CallError

FRESH_SECONDS = 10.0
"""What a server said of its tools is believed for so long."""
MOST_PAGES = 100
"""A longer list is not read: nobody knows then what the tool is."""


class Pins:
    """What one session's server says of the tools that contracts of it pin."""

    def __init__(self) -> None:
        self._said: dict[str, drift.Tool | None] = {}
        """By the tool's name; None where the server does not offer it."""
        self._since = float("-inf")
        self._told = 0
        """How often the server told that its list changed."""
        self._listing = asyncio.Lock()

    def forget(self) -> None:
        """The server told that its list changed."""
        self._told += 1
        self._since = float("-inf")

    async def check(self, client: mcp.Client, described: Described) -> None:
        """Return where the tool is what the contract pins, or it pins nothing.

        Raises:
            CallError: it is not (`Drifted`), or its list does not end.
            Exception: what the library raises where there is no answer.
        """
        if described.pinned is None:
            return
        async with self._listing:
            if not self._knows(described.tool):
                await self._list(client, described.tool)
            live = self._said[described.tool]
        if live is None:
            raise CallError("Drifted", "the MCP server does not offer the tool any more")
        changed = drift.parts(described.pinned, live)
        if changed:
            raise CallError(
                "Drifted", f"the MCP server says something else of the tool: {', '.join(changed)}"
            )

    def _knows(self, tool: str) -> bool:
        age = asyncio.get_running_loop().time() - self._since
        return tool in self._said and age < FRESH_SECONDS

    async def _list(self, client: mcp.Client, tool: str) -> None:
        """Read the list, and keep what it says of this tool and of those asked about before."""
        since, told = asyncio.get_running_loop().time(), self._told
        said: dict[str, drift.Tool | None] = dict.fromkeys([*self._said, tool])
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            params = mcp_types.PaginatedRequestParams(cursor=cursor)
            request = mcp_types.ListToolsRequest(params=params)
            page = await client.session.send_request(request, mcp_types.ListToolsResult)
            for found in page.tools:
                if said.get(found.name, found) is None:
                    # as it was when it was reviewed (keelstep.imports.mcp.listing)
                    said[found.name] = drift.read(
                        found.model_dump(mode="json", by_alias=True, exclude_none=True)
                    )
            cursor = page.next_cursor
            if not cursor:
                self._said = said
                self._since = since if told == self._told else float("-inf")
                return
        raise CallError("OutputInvalid", "the MCP server's list of tools does not end")
