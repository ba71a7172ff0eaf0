"""Which MCP sessions are open? One for each server, tenant and set of secrets, opened when first needed.

Each session has a task of its own that opens it, holds it and closes it, as the library wants it to be one task's. A
session that nobody has used for a while ends; one that broke, or did not answer in time, takes no further calls. The
number of commands is bounded, and of other sessions that of those nobody uses: a new one takes the place of such a one.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import mcp
import mcp_types

from keelstep_gateway.transports import transport, wire
from keelstep_gateway.transports.mcp_pins import Pins
from keelstep_gateway.transports.transport import Call, CallError
from keelstep_gateway.transports.wire import Wire

IDLE_SECONDS = 60.0
"""A session ends when nobody has used it for so long."""
MOST_IDLE = 64
"""Sessions by HTTP that are kept while nobody uses them."""
OPENING_SECONDS = 30.0
"""A handshake may take so long, whoever waits for it."""

Connect = Callable[[Wire], AbstractAsyncContextManager[Any]]
"""The streams of a new session."""


class Session:
    """One session with one server."""

    def __init__(self, key: str, *, is_command: bool) -> None:
        self.key = key
        self.is_command = is_command
        self.pins = Pins()
        self.wire: Wire | None = None
        self.users = 0
        self.is_broken = False
        self._opened: asyncio.Future[mcp.Client] = asyncio.get_running_loop().create_future()
        self._changed = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    @property
    def is_over(self) -> bool:
        """True once its command says nothing any more."""
        return self.wire is not None and self.wire.is_over

    @property
    def is_usable(self) -> bool:
        """True while it takes calls."""
        return not self.is_broken and not self.is_over

    async def client(self) -> mcp.Client:
        """The library's side of it, once it is open.

        Raises:
            CallError: it could not be opened.
        """
        return await asyncio.shield(self._opened)

    def leave(self) -> None:
        """Somebody does not use it any more."""
        self.users -= 1
        self._changed.set()
        if not self.users and self.is_broken and not self._opened.done() and self.task is not None:
            self.task.cancel()  # nobody waits for the handshake any more

    def end(self) -> None:
        """Take no further calls; end once nobody uses it."""
        self.is_broken = True
        self._changed.set()

    async def run(self, call: Call, connect: Connect, idle_seconds: float) -> None:
        """Open it, hold it, close it."""
        noted = self.wire = Wire(call, is_handshake=True)
        wire.CURRENT.set(noted)
        try:
            async with contextlib.AsyncExitStack() as stack:
                async with asyncio.timeout(OPENING_SECONDS):
                    client = mcp.Client(
                        connect(noted),
                        cache=None,
                        message_handler=self._heard,
                        client_info=mcp.Implementation(name="keelstep-gateway", version="1"),
                    )
                    await stack.enter_async_context(client)
                self._opened.set_result(client)
                await self._idle(idle_seconds)
        except Exception as error:  # noqa: BLE001 the outermost loop of a task: whatever the library raises, it is over
            self._fail(noted.problem or _opening(noted, error))
        finally:
            self.is_broken = True
            self._fail(noted.problem or transport.disconnected(None, was_sent=False))

    async def _heard(self, message: object) -> None:
        """Of what a server says unasked, one thing concerns us."""
        if isinstance(message, mcp_types.ToolListChangedNotification):
            self.pins.forget()

    def _fail(self, error: CallError) -> None:
        if not self._opened.done():
            self._opened.set_exception(error)
            self._opened.exception()  # there may be nobody left who waits for it

    async def _idle(self, idle_seconds: float) -> None:
        """Return once it may be closed."""
        while self.users or not self.is_broken:
            self._changed.clear()
            try:
                async with asyncio.timeout(None if self.users else idle_seconds):
                    await self._changed.wait()
            except TimeoutError:
                return


class Sessions:
    """Every session."""

    def __init__(self, most_commands: int, idle_seconds: float = IDLE_SECONDS) -> None:
        self._most_commands = most_commands
        self._idle_seconds = idle_seconds
        self._by_key: dict[str, Session] = {}
        self._running: dict[asyncio.Task[None], Session] = {}

    @contextlib.asynccontextmanager
    async def use(
        self, key: str, call: Call, connect: Connect, *, is_command: bool, is_shared: bool
    ) -> AsyncIterator[Session]:
        """A session for one call; a new one where it may not be shared with others.

        Raises:
            CallError: there are too many.
        """
        session = self._by_key.get(key) if is_shared else None
        if session is None or not session.is_usable:
            if is_command:
                await self._make_room()
            else:
                self._end_idle()
            session = self._by_key.get(key) if is_shared else None  # somebody else may have been faster
        if session is None or not session.is_usable:
            session = self._start(key, call, connect, is_command=is_command)
            if is_shared:
                self._by_key[key] = session
        session.users += 1
        try:
            yield session
        finally:
            if not is_shared:
                session.end()
            session.leave()

    async def close(self) -> None:
        """End every session, calls or not."""
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, key: str, call: Call, connect: Connect, *, is_command: bool) -> Session:
        session = Session(key, is_command=is_command)
        session.task = asyncio.create_task(session.run(call, connect, self._idle_seconds))
        self._running[session.task] = session
        session.task.add_done_callback(self._ended)
        return session

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            task.exception()  # whoever waited has been told; the library's groups of errors may say what a server said
        session = self._running.pop(task)
        if self._by_key.get(session.key) is session:
            del self._by_key[session.key]

    def _end_idle(self) -> None:
        """Leave room for one more session that is kept."""
        idle = [
            each for each in self._running.values() if not (each.is_command or each.users or each.is_broken)
        ]
        for each in idle[: max(0, len(idle) - MOST_IDLE + 1)]:
            each.end()

    async def _make_room(self) -> None:
        """Return once there is room for one more command."""
        while (
            len(commands := [task for task, each in self._running.items() if each.is_command])
            >= self._most_commands
        ):
            unused = [task for task in commands if not self._running[task].users]
            if not unused:
                raise CallError("Busy", "every MCP server that this gateway may run is in use")
            # the one that has been there the longest: a dict keeps its order
            self._running[unused[0]].end()
            await asyncio.wait(unused[:1])


def _opening(noted: Wire, error: Exception) -> CallError:
    """Why a session could not be opened, without what the server said."""
    if isinstance(error, TimeoutError):
        return transport.timed_out(OPENING_SECONDS)
    if noted.status:
        return transport.answered(noted.status, noted.retry_after)
    return transport.disconnected(None, was_sent=False)
