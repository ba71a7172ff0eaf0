"""How is the connection between two programs cut, in one direction or both? By a proxy on loopback between them.

    program ──► link ──► server         `to` cut: what the program says is not heard, what it hears goes on
            ◄──      ◄──                `from` cut: what it says arrives, and no answer comes back

While a direction is cut, bytes wait in the link. When the cut ends, a connection whose bytes waited is reset: they are
lost, as with a partition that outlives the connection. A `late` link delivers them instead. New connections are accepted
and cut as well. One asyncio loop in a thread of its own runs all links; flags are set from any thread, at once.
"""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Direction = Literal["to", "from"]
DIRECTIONS: tuple[Direction, ...] = ("to", "from")
Address = int | Path
"""A port on loopback, or a Unix socket."""
_CHUNK = 64 * 1024
_POLL_SECONDS = 0.02


@dataclass(slots=True)
class Link:
    """One connection's place between a program and a server."""

    name: str
    listens: Address
    target: Address
    cut: set[Direction] = field(default_factory=set)
    is_late: bool = False
    """True delivers what waited, instead of resetting."""
    is_refusing: bool = False
    """True closes every connection as soon as it is made or used."""

    async def serve(self) -> asyncio.Server:
        """Take connections from now on."""
        if isinstance(self.listens, Path):
            return await asyncio.start_unix_server(self._accept, self.listens)
        return await asyncio.start_server(self._accept, "127.0.0.1", self.listens)

    async def _accept(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        if self.is_refusing:
            back.transport.abort()
            return
        try:
            if isinstance(self.target, Path):
                far, forth = await asyncio.open_unix_connection(self.target)
            else:
                far, forth = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            back.transport.abort()
            return
        pumps = [
            asyncio.create_task(self._pump(near, forth, "to")),
            asyncio.create_task(self._pump(far, back, "from")),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            return  # the stage ends; its callback would report the cancellation as a fault
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for writer in (forth, back):
                writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Direction) -> None:
        """Carry bytes one way until either end goes."""
        with contextlib.suppress(OSError):
            while (chunk := await reader.read(_CHUNK)) and not self.is_refusing:
                if way in self.cut:
                    while way in self.cut:  # noqa: ASYNC110 set from other threads
                        await asyncio.sleep(_POLL_SECONDS)
                    if not self.is_late:
                        return
                writer.write(chunk)
                await writer.drain()
            # a half-closed end is an end: what is on its way the other way is given a moment
            await asyncio.sleep(_POLL_SECONDS)


class Links:
    """Every link, by name."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._links: dict[str, Link] = {}
        self._servers: list[asyncio.Server] = []

    def __getitem__(self, name: str) -> Link:
        return self._links[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._links)

    def open(self, name: str, listens: Address, target: Address) -> Link:
        """Put a link between."""
        link = self._links[name] = Link(name, listens, target)
        self._servers.append(asyncio.run_coroutine_threadsafe(link.serve(), self._loop).result(10))
        return link

    def heal(self) -> None:
        """Nothing is cut any more."""
        for link in self._links.values():
            link.cut.clear()
            link.is_late = link.is_refusing = False

    def start(self) -> None:
        """Run the loop."""
        self._thread.start()

    def stop(self) -> None:
        """End every connection and the loop."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.contextmanager
def running() -> Iterator[Links]:
    """Links, gone with the block."""
    links = Links()
    links.start()
    try:
        yield links
    finally:
        links.stop()
