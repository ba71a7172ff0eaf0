"""A tool that answers at once: an HTTP server that does nothing else. `python -m hack.bench.tool`

Prints `listening on http://127.0.0.1:PORT`, then answers every request with the same small JSON. `GET /calls` says how
many POSTs it answered and when the last of them came, which is the tool's own book of effects. To `POST /answers/N` it
answers 429 once it has answered N.
"""

import asyncio
import contextlib
import json
import signal
import time
from typing import cast

HOST = "127.0.0.1"
_ANSWER = b'{"done":"yes"}'


class Books:
    """What was asked of the tool."""

    posts: int = 0
    last_at: int = 0
    """When the last POST came, nanoseconds since 1970."""
    times: list[int]

    def __init__(self) -> None:
        self.times = []

    def book(self) -> None:
        """A POST came."""
        self.last_at = time.time_ns()
        self.posts += 1
        self.times.append(self.last_at)

    def shown(self, since: int) -> bytes:
        """As JSON, with the moments after one."""
        later = [at for at in self.times if at > since]
        return json.dumps({"posts": self.posts, "last_at": self.last_at, "since": later}).encode()


class _Connection(asyncio.Protocol):
    """One client; requests come one after the other, as HTTP/1.1 without pipelining has it."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self._transport = cast(asyncio.Transport, transport)  # TCP: it can be written to

    def data_received(self, data: bytes) -> None:
        """Answer once head and body are whole."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or len(body) < _length(head):
            return
        self._received = b""
        answer, status = _ANSWER, b"200 OK"
        if head.startswith(b"POST"):
            status = _status(head, self._books.posts)
            self._books.book()
        elif head.startswith(b"GET /calls"):
            answer = self._books.shown(int(head.split()[1].rpartition(b"=")[2] or 0))
        assert self._transport is not None
        self._transport.write(
            b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (status, len(answer), answer)
        )


def _status(head: bytes, posts: int) -> bytes:
    """The status of a POST, and what goes with it."""
    path = head.split()[1]
    if not path.startswith(b"/answers/") or posts < int(path.rpartition(b"/")[2]):
        return b"200 OK"
    return b"429 Too Many Requests\r\nRetry-After: 600"


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def _serve() -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for which in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(which, stop.set)
    books = Books()
    server = await loop.create_server(lambda: _Connection(books), HOST, 0)
    print(f"listening on http://{HOST}:{server.sockets[0].getsockname()[1]}", flush=True)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        import uvloop

        uvloop.run(_serve())
