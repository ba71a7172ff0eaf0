"""How does a program run so that a test can stop it anywhere? The program's own `main`, with four taps and no switches.

`python -m tests.chaos.launch PROGRAM` replaces, in this process alone and before `main`:

    points.reached     asks the test's switchboard what happens here: go on, die, stand still, or a wrong clock
    clock.now          may be off by what the switchboard said, for as long as it said
    spine.Log._publish says which bytes this program believes to be stored
    whatever a seeded defect replaces (`tests.chaos.defects`), where a test asks for one

Nothing of this exists in the programs themselves. Where the switchboard is gone, the program runs on as it is.
"""

import base64
import contextlib
import contextvars
import hashlib
import importlib
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SOCKET, NAME, DEFECTS = "CHAOS_SOCKET", "CHAOS_NAME", "CHAOS_DEFECTS"
"""The environment: the switchboard's socket, this instance's name, names of defects joined by `;`."""
MAINS = {
    "gateway": "keelstep_gateway.main",
    "operator": "keelstep_operator.main",
    "projector": "keelstep.store.main",
    "runner": "keelstep_runner.process",
}
_IDENTITY = Path("/var/run/keelstep/identity")

_tenant: contextvars.ContextVar[str] = contextvars.ContextVar("chaos_tenant", default="")


class Wire:
    """The line to the switchboard: one question, one answer, in whatever thread asks."""

    def __init__(self, path: str) -> None:
        self._lock = threading.Lock()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._answers = self._socket.makefile("rb")

    def ask(self, **said: Any) -> list[str]:
        """The switchboard's answer in words; `go` where it is gone."""
        with self._lock:
            try:
                self._socket.sendall(json.dumps(said).encode() + b"\n")
                return self._answers.readline().decode().split() or ["go"]
            except OSError:
                return ["go"]


class Clock:
    """The wall clock, off by what was said last."""

    def __init__(self) -> None:
        self._off_seconds = 0
        self._until = 0.0

    def shift(self, seconds: int, for_seconds: float) -> None:
        """Be off by so much, for so long."""
        self._off_seconds, self._until = seconds, time.monotonic() + for_seconds

    def now(self) -> int:
        """Nanoseconds since 1970, as this process is to believe."""
        off = self._off_seconds if time.monotonic() < self._until else 0
        return time.time_ns() + off * 1_000_000_000


def main() -> None:
    """Put the taps in, then be the program."""
    program = sys.argv[1]
    sys.argv = [f"keelstep-{program}"]
    wire = Wire(os.environ[SOCKET])
    said = wire.ask(hello=program, name=os.environ.get(NAME, program), pid=os.getpid(), **_identity())
    assert said == ["go"], said
    with _importing(program):
        module = importlib.import_module(MAINS[program])
        _tap(wire, Clock())
        seeded = os.environ.get(DEFECTS, "")
        if seeded:
            from tests.chaos import defects

            defects.seed(program, seeded.split(";"))
    module.run() if program == "runner" else module.main()


def _importing(program: str) -> contextlib.AbstractContextManager[None]:
    """A runner imports as its own `main` does."""
    if program != "runner":
        return contextlib.nullcontext()
    from keelstep_runner import lean

    return lean.importing()


def _tap(wire: Wire, wrong: Clock) -> None:
    from keelstep import points
    from keelstep.events import clock
    from keelstep.log import spine

    def reached(name: str) -> None:
        match wire.ask(at=name, tenant=_tenant.get() or _bound("tenant")):
            case ["kill"]:
                os.kill(os.getpid(), signal.SIGKILL)
            case ["stop"]:
                os.kill(os.getpid(), signal.SIGSTOP)
            case ["clock", seconds, for_seconds]:
                wrong.shift(int(seconds), float(for_seconds))

    points.reached = reached
    clock.now = wrong.now
    publish, append = spine.Log._publish, spine.Log.append

    async def tapped_publish(self: Any, *given: Any, **more: Any) -> Any:
        stored = await publish(self, *given, **more)
        if stored is not None:
            payload = next(each for each in given if isinstance(each, bytes))
            wire.ask(stored=hashlib.sha256(payload).hexdigest(), tenant=self.tenant, xid=self.xid)
        return stored

    async def tapped_append(self: Any, *given: Any, **more: Any) -> Any:
        token = _tenant.set(self.tenant)
        try:
            return await append(self, *given, **more)
        finally:
            _tenant.reset(token)

    spine.Log._publish = tapped_publish  # type: ignore[method-assign]
    spine.Log.append = tapped_append  # type: ignore[method-assign]
    _tap_kube()
    _tap_limits()
    _tap_control()


def _tap_kube() -> None:
    """Points around Kubernetes writes say whose namespace they are about, where the program writes there at all."""
    if "keelstep.kube" not in sys.modules:
        return
    from keelstep import kube

    def naming(write: Callable[..., Any]) -> Callable[..., Any]:
        async def named(self: Any, kind: Any, namespace: str, *rest: Any, **more: Any) -> Any:
            token = _tenant.set(namespace)
            try:
                return await write(self, kind, namespace, *rest, **more)
            finally:
                _tenant.reset(token)

        return named

    for name in ("create", "delete", "replace", "replace_status"):
        setattr(kube.Kube, name, naming(getattr(kube.Kube, name)))


def _tap_limits() -> None:
    """Points around what gateways tell each other say whose limit it is; a tool's is everybody's."""
    if "keelstep.log.limits" not in sys.modules:
        return
    from keelstep.log import limits

    put = limits.put

    async def named(nc: Any, subject: str, *rest: Any, **more: Any) -> Any:
        _, record, tenant, *_ = subject.split(".")
        token = _tenant.set(_tenant.get() or _bound("tenant") if record == "tool" else tenant)
        try:
            return await put(nc, subject, *rest, **more)
        finally:
            _tenant.reset(token)

    limits.put = named


def _tap_control() -> None:
    """Points around what is said to be stopped, or allowed, say in whose namespace."""
    if "keelstep.log.control" not in sys.modules:
        return
    from keelstep.log import control

    append = control.Control._append

    async def named(self: Any, subject: str, *rest: Any) -> int:
        token = _tenant.set(subject.split(".")[2])
        try:
            return await append(self, subject, *rest)
        finally:
            _tenant.reset(token)

    control.Control._append = named  # type: ignore[method-assign, assignment]


def _bound(name: str) -> str:
    """What the program bound to its log lines."""
    import structlog

    return str(structlog.contextvars.get_contextvars().get(name, ""))


def _identity() -> dict[str, Any]:
    """Whose token a runner holds: its public name, read from the token itself."""
    if "KEELSTEP_EXECUTION_ID" not in os.environ:
        return {}
    folder = Path(os.environ.get("KEELSTEP_IDENTITY_DIR", _IDENTITY))
    token = (folder / "identity.creds").read_text().split("-----")[2].strip()
    claims = token.split(".")[1]
    public = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"]
    return {
        "public": public,
        "xid": os.environ["KEELSTEP_EXECUTION_ID"],
        "attempt": int(os.environ["KEELSTEP_ATTEMPT"]),
        "tenant": os.environ["KEELSTEP_TENANT"],
    }


if __name__ == "__main__":
    main()
