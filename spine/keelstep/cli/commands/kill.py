"""`keelstep kill strategy|tool|tenant|execution`: stop something at once, wait until it is stopped, say what was.

It engages the same switch that a person would in a manifest; the operator latches it, and only a person's approval of
the recovery gate lifts it (an execution's kill is final). No question is asked first: it is for emergencies.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from keelstep import kube
from keelstep.cli import exits, options, reading
from keelstep.cli.commands import status
from keelstep.cli.session import Session, command
from keelstep.cli.show import Output
from keelstep.events import clock
from keelstep.kinds import names
from keelstep.kinds.execution import TERMINAL_PHASES
from keelstep.kube import Kind, Object

INTERVAL_SECONDS = 0.25

Reason = Annotated[
    str, typer.Option("--reason", help="Why, for the record.", metavar="TEXT", show_default=False)
]
Wait = Annotated[
    int, typer.Option("--wait", help="Seconds to wait for it to be stopped.", min=1, metavar="SECONDS")
]
Name = Annotated[str, typer.Argument(help="Its name.", metavar="NAME", show_default=False)]
Tenant = Annotated[
    str | None,
    typer.Argument(help="The namespace. Default: the one of -n.", metavar="NAMESPACE", show_default=False),
]


def add(app: typer.Typer) -> None:
    """Put the commands into the application."""
    group = typer.Typer(
        help="Stop a strategy, tool, tenant or run at once.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    command(
        group,
        "strategy",
        example="keelstep kill strategy support-agent --reason 'refunds doubled since 14:00'",
    )(_strategy)
    command(group, "tool", example="keelstep kill tool refund.issue --reason 'the shop migrates tonight'")(
        _tool
    )
    command(group, "tenant", example="keelstep kill tenant refunds --reason 'account compromised'")(_tenant)
    command(group, "execution", example="keelstep kill execution another-refund --reason 'wrong customer'")(
        _execution
    )
    app.add_typer(group, name="kill")


async def _strategy(
    session: Session, name: Name, reason: Reason, wait: Wait = 30, output: options.Output = Output.TABLE
) -> None:
    """End every run of a strategy, and start no new one."""

    def is_affected(execution: Object) -> bool:
        return bool(execution["spec"]["strategyRef"]["name"] == name)

    await _switch(session, kube.STRATEGIES, name, reason, wait, is_affected)


async def _tool(
    session: Session, name: Name, reason: Reason, wait: Wait = 30, output: options.Output = Output.TABLE
) -> None:
    """Refuse a tool to everyone; ends no run."""
    await _switch(session, kube.CONTRACTS, name, reason, wait, lambda _: False)


async def _execution(
    session: Session, name: Name, reason: Reason, wait: Wait = 30, output: options.Output = Output.TABLE
) -> None:
    """End one run at once; nothing is undone, and it cannot be taken back."""
    execution = await reading.one(session, kube.EXECUTIONS, name)
    if phase(execution) in TERMINAL_PHASES:
        raise exits.failed(
            f"Execution {name} has ended already ({phase(execution)}): there is nothing to kill"
        )
    await _switch(
        session, kube.EXECUTIONS, name, reason, wait, lambda each: bool(each["metadata"]["name"] == name)
    )


async def _tenant(
    session: Session,
    name: Tenant = None,
    reason: Reason = "",
    wait: Wait = 30,
    output: options.Output = Output.TABLE,
) -> None:
    """End every run of a namespace, and start no new one."""
    namespace = name or session.namespace
    _must_say_why(reason)
    running = await _running(session, namespace, lambda _: True)
    patch = {
        "metadata": {
            "labels": {names.LABEL_KILL_SWITCH: "engaged"},
            "annotations": {names.ANNOTATION_KILL_REASON: reason},
        }
    }
    with reading.explained(kube.NAMESPACES, "", namespace):
        await session.person.change(kube.NAMESPACES, "", namespace, patch)

    async def is_latched() -> bool:
        # a Namespace has no status of ours: the question how to lift the kill is the proof that it is in force
        gates = await reading.all_of(session, kube.GATES, namespace)
        recoveries = [gate["spec"].get("recovery") or {} for gate in gates if gate_is_open(gate)]
        return any(each.get("scope") == "Tenant" and each.get("name") == namespace for each in recoveries)

    await _await(session, f"tenant {namespace}", is_latched, running, namespace, wait)


async def _switch(
    session: Session, kind: Kind, name: str, reason: str, wait: int, is_affected: Callable[[Object], bool]
) -> None:
    _must_say_why(reason)
    running = await _running(session, session.namespace, is_affected)
    patch = {"spec": {"killSwitch": {"engaged": True, "reason": reason}}}
    with reading.explained(kind, session.namespace, name):
        await session.person.change(kind, session.namespace, name, patch)

    async def is_latched() -> bool:
        found = await reading.one(session, kind, name)
        return bool((found.get("status", {}).get("killSwitch") or {}).get("engaged"))

    await _await(session, f"{kind.name} {name}", is_latched, running, session.namespace, wait)


async def _await(
    session: Session,
    what: str,
    is_latched: Callable[[], Awaitable[bool]],
    running: list[str],
    namespace: str,
    wait: int,
) -> None:
    """Wait until the kill is in force and the runs it ends have ended, and print them."""
    deadline = time.monotonic() + wait
    latched, stopped = False, list[Object]()
    while True:
        latched = latched or await is_latched()
        executions = await reading.all_of(session, kube.EXECUTIONS, namespace) if running else []
        stopped = [each for each in executions if each["metadata"]["name"] in running]
        left = [each["metadata"]["name"] for each in stopped if phase(each) not in TERMINAL_PHASES]
        if latched and not left:
            break
        if time.monotonic() > deadline:
            missing = (
                f"still going: {', '.join(left)}" if latched else "it is not latched: does the operator run?"
            )
            raise exits.unavailable(f"{what}: the switch is engaged, but after {wait} s {missing}")
        await asyncio.sleep(INTERVAL_SECONDS)
    if not session.show.is_table:
        session.show.data({"killed": what, "stopped": [each["metadata"]["name"] for each in stopped]})
        return
    count = f"{len(stopped)} run{'' if len(stopped) == 1 else 's'} stopped"
    session.show.line(f"{what} killed; {count}")
    if stopped:
        now = clock.now()
        session.show.table(status.COLUMNS, [status.row(each, now) for each in stopped])


async def _running(session: Session, namespace: str, is_affected: Callable[[Object], bool]) -> list[str]:
    """The names of runs that the kill will end."""
    executions = await reading.all_of(session, kube.EXECUTIONS, namespace)
    affected = (each for each in executions if is_affected(each))
    return [each["metadata"]["name"] for each in affected if phase(each) not in TERMINAL_PHASES]


def _must_say_why(reason: str) -> None:
    if not reason.strip():
        raise exits.usage("--reason: say why, it is recorded; such as --reason 'refunds doubled since 14:00'")


def phase(execution: Object) -> str:
    """Where an Execution stands by its status."""
    return str(execution.get("status", {}).get("phase") or "Pending")


def gate_is_open(gate: Object) -> bool:
    """True while a gate waits for decisions."""
    return str(gate.get("status", {}).get("phase") or "Pending") == "Pending"
