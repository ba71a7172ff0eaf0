"""What does an expression yield over foreign data? Answered by a process of its own, which may be killed for it.

    socket (standard input) ◄─ length 0: it is there
                            ─► length, pickle of (source, names of variables, functions, values)
                            ◄─ length, MessagePack of (true, what it yields) | (false, why it fails)

An expression that takes too long ends this process, by the kernel, in the middle of whatever it does: no other code of ours
could. It is a program, started by `evaluator`, and holds nothing that would be missed.
"""

import contextlib
import os
import pickle
import resource
import signal
import socket
import sys
import types
from pathlib import Path
from typing import Any

import msgspec

CPU_SECONDS = 0.5
"""Of processor time, for one expression."""
MEMORY_BYTES = 192 * 1024 * 1024
"""Of this whole process, its code included, which takes 25 MiB; a gateway's container has room for its workers."""
READY = b""
"""What it says first, once."""
MOST_BYTES = 4 * 1024 * 1024
"""What an expression yields may be as long as this."""


def main() -> None:
    """Answer until nobody asks any more."""
    _bound()
    # the library brings a command line of its own, with all that one needs
    sys.modules.setdefault("cel.cli", types.ModuleType("cel.cli"))
    from keelstep.domain import cel, functions

    asking = socket.socket(fileno=0)
    send(asking, READY)
    while (asked := receive(asking)) is not None:
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
        try:
            answer = _encoded(True, _evaluated(cel, functions.CALLABLE, asked))
        except (cel.CompileError, cel.EvaluationError, TypeError, ValueError, OverflowError) as error:
            if isinstance(error.__cause__, MemoryError):
                return  # as the library itself would, in most places
            answer = _encoded(False, str(error)[:1000])
        signal.setitimer(signal.ITIMER_PROF, 0)
        if len(answer) > MOST_BYTES:
            answer = _encoded(False, "it yields too much")
        send(asking, answer)


def send(to: socket.socket, payload: bytes) -> None:
    """Send one message."""
    to.sendall(len(payload).to_bytes(4, "big") + payload)


def receive(of: socket.socket) -> bytes | None:
    """The next message; None where the other side is gone."""
    head = _exactly(of, 4)
    return _exactly(of, int.from_bytes(head, "big")) if head is not None else None


def _exactly(of: socket.socket, size: int) -> bytes | None:
    found = bytearray()
    while len(found) < size:
        part = of.recv(min(1 << 20, size - len(found)))
        if not part:
            return None
        found += part
    return bytes(found)


def _evaluated(cel: Any, functions: Any, asked: bytes) -> Any:
    source, names, may_call, values = pickle.loads(asked)  # noqa: S301 the gateway wrote it
    expression = cel.compile_expression(source, names)
    return cel.here(expression, values, functions if may_call else {})


def _encoded(is_fine: bool, said: Any) -> bytes:
    return msgspec.msgpack.encode((is_fine, said))


def _bound() -> None:
    """No more memory than this, no file, no trace of a death; and the first to go where the machine has none left."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(limit, (0, 0))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    signal.signal(signal.SIGPROF, signal.SIG_DFL)


if __name__ == "__main__":
    main()
    os._exit(0)
