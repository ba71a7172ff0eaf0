"""`keelstep gate list|show|approve|reject`: which questions wait for a person, and what do I answer?

A decision is appended in the caller's own name; the API server proves the name, asks for the verb `approve` and keeps
every earlier decision. Nothing is decided here.
"""

import json
from typing import Annotated, Any, Literal

import typer

from keelstep import errors
from keelstep.cli import exits, options, reading
from keelstep.cli.session import Session, command
from keelstep.cli.show import Output
from keelstep.events import clock
from keelstep.kube import Object
from keelstep.views import ages

COLUMNS = ("NAME", "PHASE", "EXECUTION", "TOOL", "TIER", "BY", "DEADLINE", "AGE")
_SPARE = ("EXECUTION", "TIER", "AGE", "BY", "DEADLINE")
_TRIES = 5
"""Others may decide at the same moment; each time the question is looked at again."""

Gate = Annotated[str, typer.Argument(help="The ApprovalGate's name.", metavar="NAME", show_default=False)]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the record.", metavar="TEXT")]


def add(app: typer.Typer) -> None:
    """Put the commands into the application."""
    group = typer.Typer(
        help="Look at questions to people, and decide them.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    command(group, "list", example="keelstep gate list -n refunds")(_list)
    command(group, "show", example="keelstep gate show refund-approved-g10 -n refunds")(_show)
    command(
        group,
        "approve",
        example="keelstep gate approve another-refund-g10 --reason 'the photo shows the leak'",
    )(_approve)
    command(group, "reject", example="keelstep gate reject another-refund-g10 --reason 'no receipt'")(_reject)
    app.add_typer(group, name="gate")


async def _list(
    session: Session,
    pending: Annotated[bool, typer.Option("--pending", help="Only those that wait.")] = False,
    all_namespaces: options.AllNamespaces = False,
    output: options.Output = Output.TABLE,
) -> None:
    """List the gates."""
    namespace = "" if all_namespaces else session.namespace
    items = await reading.all_of(session, reading.GATES, namespace)
    if pending:
        items = [item for item in items if _phase(item) == "Pending"]
    if not session.show.is_table:
        session.show.data(items)
        return
    if not items:
        session.show.line(f"no{' pending' if pending else ''} gates in {namespace or 'any namespace'}")
        return
    now = clock.now()
    rows = [_row(item, now) for item in items]
    if all_namespaces:
        rows = [[item["metadata"]["namespace"], *cells] for item, cells in zip(items, rows, strict=True)]
    columns = ("NAMESPACE", *COLUMNS) if all_namespaces else COLUMNS
    session.show.table(columns, rows, fold="TOOL", spare=_SPARE)


async def _show(session: Session, name: Gate, output: options.Output = Output.TABLE) -> None:
    """Show one question with its evidence.

    The exact call, the goal, and what led to it.
    """
    gate = await reading.one(session, reading.GATES, name)
    if not session.show.is_table:
        session.show.data(gate)
        return
    spec, status = gate["spec"], gate.get("status", {})
    evidence, action, recovery = spec.get("evidence", {}), spec.get("action"), spec.get("recovery")
    show = session.show
    show.facts(
        (
            ("Gate", name),
            ("Phase", _phase(gate)),
            (
                "Question",
                f"may {action['tool']} be called with these arguments?" if action else _recovery(recovery),
            ),
            ("Arguments", json.dumps(action["args"], indent=2, ensure_ascii=False) if action else None),
            ("Tier", spec["tier"]),
            ("Execution", spec.get("executionRef", {}).get("name")),
            ("Asked for by", spec.get("requestedBy")),
            ("Goal", evidence.get("goal")),
            ("Cost so far", f"{evidence['costUSD']} USD" if evidence.get("costUSD") else None),
            ("Policy", "\n".join(evidence.get("policy", []))),
            ("Model's words", "\n".join(evidence.get("reasoning", []))),
            ("Trace", evidence.get("traceID")),
            ("Approvals needed", spec.get("required", 1)),
            ("Deadline", spec["deadline"]),
            ("Valid until", status.get("validUntil")),
        )
    )
    decisions = spec.get("decisions", [])
    if decisions:
        show.line()
        rows = [[each["verdict"], each["approver"], each.get("reason")] for each in decisions]
        show.table(("VERDICT", "APPROVER", "REASON"), rows, fold="REASON")
    elif _phase(gate) == "Pending":
        show.line()
        show.line(
            f"decide: keelstep gate approve {name} -n {session.namespace} --reason …  (or reject)",
            style="dim",
        )


async def _approve(
    session: Session, name: Gate, reason: Reason = "", output: options.Output = Output.TABLE
) -> None:
    """Approve one question, in your own name.

    Approval covers exactly this call, once.
    """
    await _decide(session, name, "Approved", reason)


async def _reject(
    session: Session, name: Gate, reason: Reason = "", output: options.Output = Output.TABLE
) -> None:
    """Reject one question, in your own name."""
    await _decide(session, name, "Rejected", reason)


async def _decide(session: Session, name: str, verdict: Literal["Approved", "Rejected"], reason: str) -> None:
    me = await session.person.user()
    decision = {"verdict": verdict, "approver": me, "reason": reason}
    for _ in range(_TRIES):
        gate = await reading.one(session, reading.GATES, name)
        _must_be_open(gate, me)
        try:
            with reading.explained(reading.GATES, session.namespace, name):
                changed = await session.person.change(
                    reading.GATES, session.namespace, name, build_patch(gate, decision)
                )
        except errors.InvalidObjectError as error:
            # the list is not the one that was looked at: look again
            latest = await reading.one(session, reading.GATES, name)
            if latest["spec"].get("decisions", []) == gate["spec"].get("decisions", []):
                raise exits.refused(error.message.partition(": ")[2]) from error
            continue
        if session.show.is_table:
            session.show.line(f"{name} {verdict.lower()} as {me}{_outstanding(changed)}")
        else:
            session.show.data(reading.plain(changed))
        return
    raise exits.refused(
        f"gate {name} keeps changing while you decide; look again with `keelstep gate show {name}`"
    )


def build_patch(gate: Object, decision: Object) -> list[Object]:
    """A JSON patch that appends a decision, if the list is still the one that was looked at."""
    there = gate["spec"].get("decisions")
    if there is None:
        return [{"op": "add", "path": "/spec/decisions", "value": [decision]}]
    return [
        {"op": "test", "path": "/spec/decisions", "value": there},
        {"op": "add", "path": "/spec/decisions/-", "value": decision},
    ]


def _must_be_open(gate: Object, me: str) -> None:
    name, phase = gate["metadata"]["name"], _phase(gate)
    for decision in gate["spec"].get("decisions", []):
        if decision["approver"] == me:
            raise exits.refused(
                f"gate {name}: you have decided already ({decision['verdict']}); a decision stays"
            )
    if phase != "Pending":
        raise exits.refused(f"gate {name} is {phase}; it takes no more decisions")


def _outstanding(gate: Object) -> str:
    spec = gate["spec"]
    approvals = sum(1 for each in spec["decisions"] if each["verdict"] == "Approved")
    missing = spec.get("required", 1) - approvals
    is_rejected = any(each["verdict"] == "Rejected" for each in spec["decisions"])
    return (
        "" if missing <= 0 or is_rejected else f"; {missing} more approval{'s' if missing > 1 else ''} needed"
    )


def _phase(gate: Object) -> str:
    return str(gate.get("status", {}).get("phase") or "Pending")


def _recovery(recovery: Object | None) -> str | None:
    if recovery is None:
        return None
    return f"may the kill of {recovery['scope'].lower()} {recovery['name']} (since {recovery['since']}) be lifted?"


def _row(gate: Object, now: int) -> list[Any]:
    spec, status = gate["spec"], gate.get("status", {})
    recovery = spec.get("recovery")
    return [
        gate["metadata"]["name"],
        _phase(gate),
        spec.get("executionRef", {}).get("name"),
        spec["action"]["tool"]
        if "action" in spec
        else f"lift {recovery['scope'].lower()} {recovery['name']}",
        spec["tier"],
        ", ".join(status.get("decidedBy", [])),
        spec["deadline"],
        ages.age(gate["metadata"].get("creationTimestamp"), now),
    ]
