"""Where is the client library's own way not ours? Its client, mended where it stops half way, and with a shorter way to an
answer.

To the library an answer is a message like any other: what is published wakes a task that writes, and what arrives waits in
a queue for a task that hands it over. Here a publish is written at once where nothing waits before it, and an answer goes
from the connection's reader straight to who asked. All questions of a connection share one inbox.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from keelstep.log import jetstream

Tell = Callable[[Msg | None], None]
"""What is done with an answer, there and then, by the connection's reader: nothing that waits, and nothing that raises.
None says that the connection is closed for good, so that none will come."""
_NO_STATUS = b"NATS/1.0\r\n"
_NOBODY_LISTENS = "503"
_AHEAD_BYTES = 64 * 1024
"""So much may lie with the event loop, unsent: beyond it the library's task waits until the network has taken it."""


class Connection(Client):
    """One connection of ours."""

    def __init__(self) -> None:
        super().__init__()
        self._answers = b""
        """Where answers arrive, but for the question's number; empty before the first question."""
        self._numbers: Iterator[int] = itertools.count(1)
        self._awaited: dict[bytes, Tell] = {}
        """Who waits, by the number of the question."""

    @contextlib.contextmanager
    def expecting(self, tell: Tell) -> Iterator[str]:
        """A subject for the answers to one question, told of as long as the context lasts. After `listen`."""
        number = b"%d" % next(self._numbers)
        self._awaited[number] = tell
        try:
            yield (self._answers + number).decode()
        finally:
            del self._awaited[number]

    async def listen(self) -> None:
        """Have answers sent to this connection, from the first call on for as long as it lives."""
        if not self._answers:
            inbox = self.new_inbox()
            self._answers = f"{inbox}.".encode()  # who asks meanwhile is written after the subscription
            await self.subscribe(f"{inbox}.*", cb=_never)

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        timeout: float = 0.5,
        old_style: bool = False,
        headers: dict[str, Any] | None = None,
    ) -> Msg:
        """One question, one answer. There is one style.

        Raises:
            nats.errors.TimeoutError: no answer in time.
            nats.errors.NoRespondersError: nobody is there to answer.
            nats.errors.ConnectionClosedError: the connection is closed for good.
            nats.errors.Error: it was not sent.
        """
        await self.listen()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Msg] = loop.create_future()
        with self.expecting(lambda message: _settle(answer, message)) as inbox:
            await self.publish(subject, payload, inbox, headers)
            alarm = loop.call_later(timeout, _give_up, answer)
            try:
                message = await answer
            finally:
                alarm.cancel()
        if message.headers and message.headers.get("Status") == _NOBODY_LISTENS:
            raise nats.errors.NoRespondersError
        return message

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        """The library's reader has read a message."""
        if not self._answers or not subject.startswith(self._answers):
            await super()._process_msg(sid, subject, reply, data, headers)
            return
        tell = self._awaited.get(subject[len(self._answers) :])
        if tell is not None:
            tell(self._build_message(sid, subject, reply, data, await self._process_headers(headers)))

    async def _flush_pending(self, force_flush: bool = False) -> Any:
        """Write what waits to be written: at once, or by the library's task where the network does not keep up."""
        if force_flush or not self.is_connected or self._is_behind():
            return await super()._flush_pending(force_flush)
        assert self._transport is not None
        try:
            self._transport.writelines(self._pending)
        except (OSError, RuntimeError):  # the connection has broken: what waits is for the next
            return await super()._flush_pending()
        self._pending = []
        self._pending_data_size = 0
        return None

    def _is_behind(self) -> bool:
        """Does the system not take our bytes as fast as we have them?"""
        transport: Any = self._transport
        unsent: int = transport._io_writer.transport.get_write_buffer_size()
        return unsent > _AHEAD_BYTES

    async def _close(self, status: int, do_cbs: bool = True) -> None:
        try:
            await super()._close(status, do_cbs)
        except OSError:
            # broken under its last bytes: the library takes it for closed, does nothing, and tells nobody
            self._status = Client.DISCONNECTED
            await super()._close(status, do_cbs)
        finally:
            for tell in list(self._awaited.values()):
                tell(None)

    # At a message whose headers or subject it cannot read the library's reader would end, and hear nothing more: whoever
    # may publish chooses those bytes, and a stored message comes back after every new connection.

    async def _process_headers(self, headers: bytes) -> dict[str, str] | None:
        # nor is the library's own way quick: it looks at each character of each name
        return _readable(headers) if headers else None

    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> Msg:
        found: Msg = super()._build_message(sid, _text(subject), _text(reply), data, headers)
        return found


def _settle(answer: "asyncio.Future[Msg]", message: Msg | None) -> None:
    """The first answer counts."""
    if answer.done():
        return
    if message is None:
        answer.set_exception(nats.errors.ConnectionClosedError())
    else:
        answer.set_result(message)


def _give_up(answer: "asyncio.Future[Msg]") -> None:
    """No answer in time."""
    if not answer.done():
        answer.set_exception(nats.errors.TimeoutError())


async def _never(message: Msg) -> None:
    """What the library hands a message to; answers do not come this way."""


def _text(name: bytes) -> bytes:
    """A subject as text in UTF-8, whatever it is."""
    return name if name.isascii() else name.decode(errors="replace").encode()


def _readable(headers: bytes) -> dict[str, str]:
    """What can be read of a message's headers, and its status where the broker says one on their first line.

    Of several of one name the last counts: the broker's own come last and stand on lines of their own.
    """
    found = jetstream.parse_headers(headers)
    if not headers.startswith(_NO_STATUS):
        first = headers.partition(b"\r\n")[0].decode("utf-8", "replace")
        status, _, description = first.partition(" ")[2].partition(" ")
        if status.isdigit():
            found["Status"] = status
        if description:
            found["Description"] = description
    return found
