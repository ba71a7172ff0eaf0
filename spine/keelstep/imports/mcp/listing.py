"""Which tools does an MCP server offer, in its own words? Asked once, through the official SDK, which is an extra.

A server is somebody else's program: it gets a time and a bound, and the command of one gets only the variables named.
"""

import asyncio
import contextlib
import importlib.util
import io
import os
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

from keelstep.imports.draft import DocumentError, UnreachableError

TIMEOUT_SECONDS = 30.0
MOST_TOOLS = 10_000
_MOST_PAGES = 1_000
_MOST_SAID = 4096
_EXTRA = "MCP servers are asked through their SDK, which is not installed: pip install 'keelstep[mcp]'"

Described = dict[str, Any]
"""A tool as `tools/list` writes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """An MCP server."""

    url: str = ""
    """Of streamable HTTP; else a command."""
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """What people call it."""
        return self.url or " ".join(self.command)


async def tools(server: Server, timeout_seconds: float = TIMEOUT_SECONDS) -> list[Described]:
    """What a server offers.

    Raises:
        UnreachableError: it does not say so in time.
        DocumentError: the extra is not installed.
    """
    if importlib.util.find_spec("mcp") is None:
        raise DocumentError(_EXTRA)
    with io.TextIOWrapper(tempfile.TemporaryFile(), errors="replace") as errors:
        try:
            async with asyncio.timeout(timeout_seconds), _connected(server, errors) as client:
                return await _all(client)
        except TimeoutError as error:
            raise UnreachableError(
                f"{server.name} did not list its tools within {timeout_seconds:g} s{_said(errors)}"
            ) from error
        except DocumentError:
            raise
        except Exception as error:  # groups of the SDK's own errors, its HTTP client's and the system's
            raise UnreachableError(
                f"{server.name} cannot be asked: {_first(error)}{_said(errors)}"
            ) from error


@contextlib.asynccontextmanager
async def _connected(server: Server, errors: TextIO) -> AsyncIterator[Any]:
    import httpx2
    import mcp
    from mcp.client import stdio, streamable_http

    async with contextlib.AsyncExitStack() as stack:
        if server.url:
            web = await stack.enter_async_context(
                httpx2.AsyncClient(headers=dict(server.headers), timeout=TIMEOUT_SECONDS)
            )
            transport = streamable_http.streamable_http_client(server.url, http_client=web)
        else:
            program = mcp.StdioServerParameters(
                command=server.command[0], args=list(server.command[1:]), env=dict(server.environment)
            )
            transport = stdio.stdio_client(program, errlog=errors)
        yield await stack.enter_async_context(mcp.Client(transport))


async def _all(client: Any) -> list[Described]:
    found: list[Described] = []
    cursor = None
    for _ in range(_MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        found += [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in page.tools]
        if len(found) > MOST_TOOLS:
            raise DocumentError(f"the server lists more than {MOST_TOOLS} tools")
        cursor = page.next_cursor
        if not cursor:
            return found
    raise DocumentError(f"the server's list of tools has more than {_MOST_PAGES} pages")


def _first(error: BaseException) -> str:
    """The first error of a group, in one line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _said(errors: TextIO) -> str:
    """The last line that a command wrote to its standard error, however much that was."""
    file = errors.buffer
    file.seek(max(0, file.seek(0, os.SEEK_END) - _MOST_SAID))
    said = file.read().decode(errors="replace")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return f"; it said: {lines[-1][:200]}" if lines else ""
