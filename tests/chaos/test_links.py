"""A link carries, cuts one direction at a time, and loses or delivers what waited."""

import socket
import socketserver
import threading
from collections.abc import Iterator

import pytest

from keelstep.testing import eventually, ports
from tests.chaos import links
from tests.chaos.links import Link


class _Echo(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        """Say every line again, and remember it."""
        for line in self.rfile:
            self.server.heard.append(line)  # type: ignore[attr-defined]
            self.wfile.write(line)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Echo)
        self.heard: list[bytes] = []


@pytest.fixture
def echo() -> Iterator[_Server]:
    """A server that repeats what it hears."""
    with _Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def link(echo: _Server) -> Iterator[Link]:
    """A link to it."""
    with links.running() as every:
        yield every.open("echo", ports.one(), echo.server_address[1])


def _connected(link: Link) -> socket.socket:
    assert isinstance(link.listens, int)
    return socket.create_connection(("127.0.0.1", link.listens), timeout=5)


def test_what_is_said_arrives_and_so_does_the_answer(link: Link) -> None:
    """Nothing is cut at first."""
    with _connected(link) as client:
        client.sendall(b"hello\n")
        assert client.recv(100) == b"hello\n"


def test_a_cut_towards_the_server_keeps_what_is_said_from_it(link: Link, echo: _Server) -> None:
    """It waits, and is lost with the connection when the cut ends."""
    with _connected(link) as client:
        link.cut.add("to")
        client.sendall(b"lost\n")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(100)
        link.cut.clear()
        client.settimeout(5)
        assert _ends(client)
    assert echo.heard == []


async def test_a_cut_of_the_answer_lets_what_is_said_arrive(link: Link, echo: _Server) -> None:
    """The server did it, and nobody is told."""
    with _connected(link) as client:
        link.cut.add("from")
        client.sendall(b"done\n")
        await eventually.true(lambda: b"done\n" in echo.heard, "the server to hear it")
        link.cut.clear()
        assert _ends(client)


def test_a_late_link_delivers_what_waited(link: Link) -> None:
    """The same bytes, later."""
    with _connected(link) as client:
        link.is_late = True
        link.cut.add("to")
        client.sendall(b"late\n")
        link.cut.clear()
        assert client.recv(100) == b"late\n"


def _ends(client: socket.socket) -> bool:
    try:
        return client.recv(100) == b""
    except ConnectionError:
        return True
