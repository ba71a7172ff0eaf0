"""Which TCP ports are free on this machine? Found by binding them, never assumed.

Ports lie below the range the kernel hands to outgoing connections (from 32768), so that no
connection takes one between the moment it is picked and the moment a server binds it.
"""

import contextlib
import random
import socket

LOWEST, HIGHEST = 20_000, 32_000


def pick(count: int) -> list[int]:
    """Pick that many different free ports on 127.0.0.1."""
    candidates = random.SystemRandom().sample(range(LOWEST, HIGHEST), HIGHEST - LOWEST)
    with contextlib.ExitStack() as held:
        picked: list[int] = []
        for port in candidates:
            if len(picked) == count:
                break
            listener = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                listener.bind(("127.0.0.1", port))
                picked.append(port)
    return picked


def is_free(port: int) -> bool:
    """Tell whether a server could bind this port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
