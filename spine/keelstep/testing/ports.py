"""Which TCP ports are free on this machine? Found by binding them, never assumed.

Ports lie below the range the kernel hands to outgoing connections (from 32768), so that no connection takes one between
the moment it is picked and the moment a server binds it, nor while a server that is to come back to it is down. A
process never picks one twice, and each process of a test run that has several picks from a share of its own.
"""

import contextlib
import os
import random
import socket
from collections.abc import Sequence

LOWEST, HIGHEST = 20_000, 32_000
SHARES = 4
WORKER = "PYTEST_XDIST_WORKER"
"""The environment's name for this process of a test run, `gw0` and up; whatever it starts inherits it."""


_picked: set[int] = set()


def pick(count: int) -> list[int]:
    """Pick that many different free ports on 127.0.0.1."""
    fresh = [port for port in mine(os.environ.get(WORKER, "")) if port not in _picked]
    random.SystemRandom().shuffle(fresh)
    with contextlib.ExitStack() as held:
        found: list[int] = []
        for port in fresh:
            if len(found) == count:
                break
            listener = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                listener.bind(("127.0.0.1", port))
                found.append(port)
    _picked.update(found)
    return found


def one() -> int:
    """Pick one."""
    [port] = pick(1)
    return port


def mine(worker: str) -> Sequence[int]:
    """What a process of a test run picks from; all there is where it is alone."""
    number = worker.removeprefix("gw")
    return range(LOWEST + int(number) % SHARES, HIGHEST, SHARES) if number else range(LOWEST, HIGHEST)


def is_free(port: int) -> bool:
    """Tell whether a server could bind this port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
