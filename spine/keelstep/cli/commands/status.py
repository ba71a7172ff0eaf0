"""`keelstep status [NAME]`: which runs are there, and how does one stand?"""

from typing import Annotated, Any

import typer

from keelstep.cli import answer, options, reading
from keelstep.cli.session import Session, command
from keelstep.cli.show import Output
from keelstep.events import clock
from keelstep.kube import Object
from keelstep.views import ages

COLUMNS = ("NAME", "PHASE", "REASON", "STRATEGY", "STEP", "COST", "GATE", "AGE")
_SPARE = ("STRATEGY", "STEP", "COST", "AGE")
_ANSWERING = ("Succeeded", "Failed")
"""Phases in which a run can have an output."""


def add(app: typer.Typer) -> None:
    """Put the command into the application."""
    command(app, "status", example="keelstep status refund-approved -n refunds")(_status)


async def _status(
    session: Session,
    name: Annotated[str | None, typer.Argument(help="One Execution. Default: all.", metavar="NAME")] = None,
    all_namespaces: options.AllNamespaces = False,
    output: options.Output = Output.TABLE,
) -> None:
    """List the Executions, or show how one stands."""
    if name is not None:
        found = await reading.one(session, reading.EXECUTIONS, name)
        if not session.show.is_table:
            return session.show.data(found)
        return details(session, found, await _answered(session, found))
    namespace = "" if all_namespaces else session.namespace
    items = await reading.all_of(session, reading.EXECUTIONS, namespace)
    if not session.show.is_table:
        return session.show.data(items)
    if not items:
        return session.show.line(f"no Executions in {namespace or 'any namespace'}")
    now = clock.now()
    rows = [row(item, now) for item in items]
    if all_namespaces:
        rows = [[item["metadata"]["namespace"], *cells] for item, cells in zip(items, rows, strict=True)]
        return session.show.table(("NAMESPACE", *COLUMNS), rows, fold="REASON", spare=_SPARE)
    return session.show.table(COLUMNS, rows, fold="REASON", spare=_SPARE)


def row(execution: Object, now: int) -> list[Any]:
    """An Execution on one line."""
    status, spec = execution.get("status", {}), execution["spec"]
    return [
        execution["metadata"]["name"],
        status.get("phase", "Pending"),
        status.get("reason"),
        spec["strategyRef"]["name"],
        status.get("step", 0),
        status.get("costUSD"),
        status.get("gate"),
        ages.age(execution["metadata"].get("creationTimestamp"), now),
    ]


async def _answered(session: Session, execution: Object) -> str:
    """Its output on one line, where it has ended with one."""
    if execution.get("status", {}).get("phase") not in _ANSWERING:
        return ""
    return await answer.beside(session, execution["metadata"]["name"])


def details(session: Session, execution: Object, answered: str) -> None:
    """An Execution on one screen."""
    status, spec = execution.get("status", {}), execution["spec"]
    version = status.get("strategyVersion", "")
    show = session.show
    show.facts(
        (
            ("Name", execution["metadata"]["name"]),
            ("Phase", status.get("phase", "Pending")),
            ("Reason", status.get("reason")),
            ("Outcome", None if status.get("outcome") == status.get("reason") else status.get("outcome")),
            ("Output", answered),
            ("Gate", status.get("gate")),
            ("Strategy", f"{spec['strategyRef']['name']} {version}".strip()),
            ("Goal", spec["goal"]),
            ("Requested by", spec["requestedBy"]),
            ("Step", status.get("step", 0)),
            ("Tokens", status.get("tokens")),
            ("Cost", _dollars(status.get("costUSD"))),
            ("Budget", _dollars(spec.get("budget", {}).get("costUSD"))),
            ("Attempt", status.get("attempt")),
            ("Pod", status.get("pod")),
            ("Started", status.get("startedAt")),
            ("Finished", status.get("finishedAt")),
            ("Log", status.get("executionID")),
            ("Trace", status.get("traceID")),
        )
    )
    conditions = status.get("conditions", [])
    if conditions:
        show.line()
        cells = [[each["type"], each["status"], each["reason"], each.get("message")] for each in conditions]
        show.table(("CONDITION", "STATUS", "REASON", "MESSAGE"), cells, fold="MESSAGE")


def _dollars(amount: str | None) -> str | None:
    return None if amount is None else f"{amount} USD"
