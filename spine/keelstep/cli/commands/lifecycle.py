"""`keelstep suspend|resume|cancel NAME`: hold a run, let it go on, or end it in good order."""

import typer

from keelstep import kube
from keelstep.cli import exits, options, reading
from keelstep.cli.session import Session, command
from keelstep.cli.show import Output
from keelstep.domain import flood, restored
from keelstep.kinds.execution import TERMINAL_PHASES
from keelstep.kube import Object

_HELD = {
    restored.REASON: "the log came from a backup: look into the books of its tools",
    flood.REASON: "its runner filled the log with what is no event: find out why, see `keelstep verify`",
}
"""Runs that go on only once a person has taken them over, by the reason of their status."""


def add(app: typer.Typer) -> None:
    """Put the commands into the application."""
    command(app, "suspend", example="keelstep suspend another-refund -n refunds")(_suspend)
    command(app, "resume", example="keelstep resume another-refund -n refunds")(_resume)
    command(app, "cancel", example="keelstep cancel another-refund -n refunds")(_cancel)


async def _suspend(session: Session, name: options.Execution, output: options.Output = Output.TABLE) -> None:
    """Hold a run at its next step."""
    await _change(session, name, {"suspend": True}, "suspend", "suspended")


async def _resume(session: Session, name: options.Execution, output: options.Output = Output.TABLE) -> None:
    """Let a suspended run go on."""
    await _change(session, name, {"suspend": False}, "resume", "resumed")


async def _cancel(session: Session, name: options.Execution, output: options.Output = Output.TABLE) -> None:
    """End a run in good order; it cannot be taken back."""
    await _change(session, name, {"cancel": True}, "cancel", "cancelled")


async def _change(session: Session, name: str, spec: Object, verb: str, done: str) -> None:
    kind = kube.EXECUTIONS
    execution = await reading.one(session, kind, name)
    phase = execution.get("status", {}).get("phase")
    if phase in TERMINAL_PHASES:
        raise exits.failed(f"Execution {name} has ended already ({phase}): there is nothing to {verb}")
    ((field, wanted),) = spec.items()
    held = _HELD.get(execution.get("status", {}).get("reason", ""))
    if verb == "resume" and held is not None and not execution["spec"].get("suspend", False):
        raise exits.refused(
            f"Execution {name} waits because {held}, then hold it yourself with `keelstep suspend {name}`, and let it go on"
        )
    if bool(execution["spec"].get(field, False)) is wanted:
        changed, told = execution, f"Execution {name} is {done} already"
    else:
        with reading.explained(kind, session.namespace, name):
            changed = await session.person.change(kind, session.namespace, name, {"spec": spec})
        told = f"Execution {name} {done}"
    if session.show.is_table:
        session.show.line(told)
    else:
        session.show.data(reading.plain(changed))
