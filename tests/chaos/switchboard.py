"""What did the programs reach, and what is to happen to them there? One socket that every launched program asks.

A case arms one trigger: the n-th time that a point is reached, for this case's tenant, the trigger's effect happens
before the program is answered; so the world is exactly at that point when a server dies or a connection is cut. Besides
it is written down who reached what, which bytes each program believes stored, and whose tokens were given out.
"""

import contextlib
import json
import socket
import socketserver
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hack.local.platform import SYSTEM_NAMESPACE


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A program at one of its points."""

    point: str
    program: str
    name: str
    """The instance: `gateway-2`; every runner is `runner`."""
    pid: int
    tenant: str
    """Empty where the program did not know, or did not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An identity that a runner really held."""

    public: str
    xid: str
    attempt: int
    tenant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Bytes that a program believes to be stored."""

    digest: str
    """SHA-256, hex."""
    xid: str
    program: str


Effect = Callable[[Visit], str]
"""What happens; the answer is what the program does: `go`, `kill`, `stop`, `clock SECONDS FOR`."""


@dataclass(slots=True)
class Trigger:
    """One effect at one moment."""

    point: str
    times: int
    effect: Effect
    spent_at: float = 0.0
    """Monotonic seconds; 0 where it did not happen yet."""

    @property
    def is_spent(self) -> bool:
        """It happened."""
        return bool(self.spent_at)


@dataclass(slots=True)
class Record:
    """What was seen since a case began."""

    tenant: str
    visits: list[Visit] = field(default_factory=list)
    stored: list[Stored] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)

    def is_ours(self, tenant: str) -> bool:
        """Tells whether a visit may belong to the case; what is nobody's is taken to."""
        return tenant in ("", SYSTEM_NAMESPACE, self.tenant)


class Switchboard:
    """Answers every launched program; thread-safe."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._record = Record("")
        self._triggers: list[Trigger] = []
        self._pids: dict[str, int] = {}

    def begin(self, tenant: str) -> Record:
        """Forget what was, and watch this tenant."""
        with self._lock:
            self._triggers.clear()
            self._record = Record(tenant)
            return self._record

    @property
    def record(self) -> Record:
        """What was seen since the case began."""
        return self._record

    def arm(self, point: str, times: int, effect: Effect) -> Trigger:
        """Have an effect happen once, at the n-th visit from now on."""
        trigger = Trigger(point, times, effect)
        with self._lock:
            self._triggers.append(trigger)
        return trigger

    def disarm(self) -> None:
        """Nothing more happens."""
        with self._lock:
            self._triggers.clear()

    def pid(self, name: str) -> int:
        """The process that last said hello under this name."""
        return self._pids.get(name, 0)

    def answer(self, caller: dict[str, Any], said: dict[str, Any]) -> str:
        """One question's answer."""
        with self._lock:
            record = self._record
            if "hello" in said:
                caller.update(program=said["hello"], name=said["name"], pid=said["pid"])
                self._pids[said["name"]] = said["pid"]
                if "public" in said:
                    caller["tenant"] = said["tenant"]
                    record.tokens.append(
                        Token(
                            public=said["public"],
                            xid=said["xid"],
                            attempt=said["attempt"],
                            tenant=said["tenant"],
                        )
                    )
                return "go"
            tenant = said["tenant"] or caller.get("tenant", "")
            if not record.is_ours(tenant):
                return "go"
            if "stored" in said:
                record.stored.append(
                    Stored(digest=said["stored"], xid=said["xid"], program=caller["program"])
                )
                return "go"
            visit = Visit(
                point=said["at"],
                program=caller["program"],
                name=caller["name"],
                pid=caller["pid"],
                tenant=tenant,
            )
            record.visits.append(visit)
            return self._happen(visit)

    def _happen(self, visit: Visit) -> str:
        for trigger in self._triggers:
            if trigger.is_spent or trigger.point != visit.point:
                continue
            trigger.times -= 1
            if trigger.times == 0:
                trigger.spent_at = time.monotonic()
                return trigger.effect(visit)
        return "go"


class _Caller(socketserver.StreamRequestHandler):
    """One program's line."""

    def handle(self) -> None:
        """Answer until it hangs up."""
        board: Switchboard = self.server.board  # type: ignore[attr-defined]
        caller: dict[str, Any] = {}
        with contextlib.suppress(OSError):
            for line in self.rfile:
                self.wfile.write(board.answer(caller, json.loads(line)).encode() + b"\n")


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, path: str, board: Switchboard) -> None:
        super().__init__(path, _Caller)
        self.board = board


@contextlib.contextmanager
def running() -> Iterator[Switchboard]:
    """A switchboard on a socket of its own."""
    # not in the case's folder: the path of a socket has 107 characters at most
    with tempfile.TemporaryDirectory(prefix="keelstep-chaos-") as folder:
        path = Path(folder) / "board"
        board = Switchboard(path)
        with _Server(str(path), board) as server:
            thread = threading.Thread(
                target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
            )
            thread.start()
            try:
                yield board
            finally:
                server.shutdown()
                thread.join()


def is_listening(path: Path, within_seconds: float = 5.0) -> bool:
    """Tell whether a socket takes connections."""
    until = time.monotonic() + within_seconds
    while time.monotonic() < until:
        with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
            client.connect(str(path))
            return True
        time.sleep(0.02)
    return False
