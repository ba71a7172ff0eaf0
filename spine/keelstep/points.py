"""Where may a program be stopped by a test, exactly there?

Programs say `reached(name)` between the steps whose order matters. That does nothing, unless the process was started
with a point to crash or to freeze at: then it is killed, or stopped, when it gets there the n-th time. Every append
passes two points by construction (`log.spine`), and so does every Kubernetes write (`kube`) and every record of a limit
or of what is stopped (`log.limits`, `log.control`); what else there is stands in `EXTRA`. No decision may depend on any of
it, and nothing here reads the environment: `main` hands it over.

    KEELSTEP_CRASH_AT=gateway.after.tool.called     SIGKILL once the first claim is stored
    KEELSTEP_CRASH_AT=gateway.after.tool.called:3   … the third
    KEELSTEP_STOP_AT=gateway.before.send            SIGSTOP; whoever tests sends SIGCONT
"""

import os
import signal
from collections.abc import Iterator, Mapping

from keelstep import errors
from keelstep.events import registry, types

_PROGRAMS: Mapping[types.Writer, str] = {
    types.Writer.OPERATOR: "operator",
    types.Writer.GATEWAY: "gateway",
    types.Writer.RUNNER: "runner",
}

LIMITS: tuple[str, ...] = ("calls", "tool", "breaker", "money", "drift")
"""What gateways tell each other in the stream LIMITS: the second token of its subjects."""
EXTRA: tuple[str, ...] = (
    # the gateway: a tool's or a model's first byte is about to leave; it has answered and nothing is recorded yet;
    # everything is recorded and the runner is about to be told
    "gateway.before.send",
    "gateway.after.send",
    "gateway.before.model",
    "gateway.after.model",
    "gateway.before.reply",
    # the operator: around every Kubernetes write, and around what it tells the broker besides events
    "operator.before.kube.create",
    "operator.after.kube.create",
    "operator.before.kube.patch",
    "operator.after.kube.patch",
    "operator.before.kube.replace",
    "operator.after.kube.replace",
    "operator.before.kube.delete",
    "operator.after.kube.delete",
    "operator.before.revoke",
    "operator.after.revoke",
    "operator.before.control",
    "operator.after.control",
    "operator.before.name",
    "operator.after.name",
    # the projector: around the transaction that stores events together with its position
    "projector.before.commit",
    "projector.after.commit",
)
"""Points besides those of appends."""

_armed: dict[str, tuple[signal.Signals, int]] = {}


def every() -> Iterator[str]:
    """The name of every point there is."""
    for name, kind in registry.KINDS.items():
        for writer in sorted(kind.writers):
            yield f"{_PROGRAMS[writer]}.before.{name}"
            yield f"{_PROGRAMS[writer]}.after.{name}"
    for record in LIMITS:
        yield f"gateway.before.limits.{record}"
        yield f"gateway.after.limits.{record}"
    yield from EXTRA


def program(writer: str) -> str:
    """Which program writes under this writer token."""
    return _PROGRAMS.get(types.Writer(writer[:1] if writer[:1] == types.Writer.RUNNER else writer), writer)


def configure(*, crash_at: str = "", stop_at: str = "") -> None:
    """Arm this process's points; called once, by `main`.

    Raises:
        errors.SettingsError: a text is not `<point>` or `<point>:<n>`.
    """
    _armed.clear()
    for text, how in ((crash_at, signal.SIGKILL), (stop_at, signal.SIGSTOP)):
        if text:
            name, times = _parse(text)
            _armed[name] = (how, times)


def reached(name: str) -> None:
    """The program is at this point. Does not return where it is to crash here."""
    if not _armed or name not in _armed:
        return
    how, times = _armed[name]
    if times > 1:
        _armed[name] = (how, times - 1)
        return
    del _armed[name]
    os.kill(os.getpid(), how)


def _parse(text: str) -> tuple[str, int]:
    name, _, times = text.partition(":")
    if name not in set(every()) or not (times or "1").isdigit() or int(times or "1") < 1:
        raise errors.SettingsError(f"{text!r} is no point: expected <point>[:n], see keelstep.points")
    return name, int(times or "1")
