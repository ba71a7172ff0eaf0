"""`keelstep dlq list|show|retry|discard`: what ended badly and waits for a person, and what do I do about it?

A view of the runs' logs, no store: a letter is gone once the log says that somebody dealt with it. To have a run done again
is a new run, in the caller's own name, through every tier and gate anew; to be done with it is recorded in its log.
"""

from typing import Annotated, Any

import typer

from keelstep import kube
from keelstep.cli import access, exits, options, reading
from keelstep.cli.commands import run
from keelstep.cli.session import Session, command
from keelstep.cli.show import Output
from keelstep.kinds import names
from keelstep.kinds.execution import TERMINAL_PHASES
from keelstep.kube import Object
from keelstep.views import resources

COLUMNS = ("EXECUTION", "KIND", "TOOL", "REASON", "MESSAGE", "AT")
_SPARE = ("MESSAGE", "AT", "TOOL")
_WHAT = {
    "Unknown": "find out at the tool whether it happened",
    "Exhausted": "see whether the tool works again",
    "Run": "see `keelstep trace`",
    "Undecidable": "upgrade whoever reads it",
}
_ASKED = ("strategyRef", "goal", "inputs", "budget", "deadlineSeconds")
"""What a run that is done again has from the first one."""


def add(app: typer.Typer) -> None:
    """Put the commands into the application."""
    group = typer.Typer(
        help="Look at what ended badly and waits for a person, and settle it.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    command(group, "list", example="keelstep dlq list -n refunds")(_list)
    command(group, "show", example="keelstep dlq show another-refund -n refunds")(_show)
    command(group, "retry", example="keelstep dlq retry another-refund -n refunds")(_retry)
    command(
        group,
        "discard",
        example="keelstep dlq discard another-refund --reason 'refunded by hand, ticket 812'",
    )(_discard)
    app.add_typer(group, name="dlq")


async def _list(
    session: Session, all_namespaces: options.AllNamespaces = False, output: options.Output = Output.TABLE
) -> None:
    """List what ended badly and waits for a person."""
    namespace = "" if all_namespaces else session.namespace
    kind = access.view(resources.ExecutionTrace)
    listed = await reading.all_of(session, kind, namespace)
    found = [resources.ExecutionTrace.model_validate(each) for each in listed]
    waiting = [each for each in found if each.summary.dead_letters]
    whole = [await _trace(session, each.metadata.namespace, each.metadata.name) for each in waiting]
    if not session.show.is_table:
        session.show.data([_data(each) for each in whole])
        return
    rows = [
        [*([each.metadata.namespace] if all_namespaces else []), each.metadata.name, *_cells(letter)]
        for each in whole
        for letter in each.dead_letters
    ]
    if not rows:
        session.show.line(f"no dead letters in {namespace or 'any namespace'}")
        return
    session.show.table(
        (*(["NAMESPACE"] if all_namespaces else []), *COLUMNS), rows, fold="MESSAGE", spare=_SPARE
    )


async def _show(session: Session, name: options.Execution, output: options.Output = Output.TABLE) -> None:
    """Show what of one run waits, and what can be done about it."""
    found = await _trace(session, session.namespace, name)
    if not session.show.is_table:
        session.show.data(_data(found))
        return
    if not found.dead_letters:
        session.show.line(f"nothing of {name} waits for a person")
        return
    show = session.show
    show.facts(
        (("Execution", name), ("Phase", found.summary.phase), ("Requested by", found.summary.requester))
    )
    show.line()
    rows = [[letter.seq, *_cells(letter), _WHAT[letter.kind]] for letter in found.dead_letters]
    show.table(("EVENT", *COLUMNS[1:], "WHAT TO DO"), rows, fold="MESSAGE", spare=_SPARE)
    where = f"{name} -n {session.namespace}"
    show.line()
    show.line(f"then: keelstep dlq retry {where} · keelstep dlq discard {where} --reason …", style="dim")


async def _retry(
    session: Session,
    name: options.Execution,
    new_name: Annotated[
        str | None, typer.Option("--name", help="The new Execution's name. Default: made up.", metavar="NAME")
    ] = None,
    despite_unknown: Annotated[
        bool,
        typer.Option(
            "--despite-unknown", help="Also where a call may have happened, and may then happen twice."
        ),
    ] = False,
    output: options.Output = Output.TABLE,
) -> None:
    """Have a run done again, in your name.

    A new run of the strategy as it is now, with the same goal and inputs; every call passes its tier and its gate anew.
    """
    found = await _ended(session, name)
    unknown = [each.tool for each in found.dead_letters if each.kind == "Unknown"]
    if unknown and not despite_unknown:
        raise exits.refused(
            f"whether {', '.join(sorted(set(unknown)))} happened is not known, and a new run may do it twice: "
            "find out at the tool, then say --despite-unknown"
        )
    first = await reading.one(session, kube.EXECUTIONS, name)
    spec: Object = {field: first["spec"][field] for field in _ASKED if field in first["spec"]}
    spec["requestedBy"] = await session.person.user()
    kind = kube.EXECUTIONS
    manifest = {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": {
            "name": new_name or run.made_up(name),
            "namespace": session.namespace,
            "annotations": {names.ANNOTATION_RETRY_OF: name},
        },
        "spec": spec,
    }
    with reading.explained(kind, session.namespace, name):
        created = reading.plain(await session.person.submit(kind, session.namespace, manifest))
    again = created["metadata"]["name"]
    changed = await _settle(session, first, f"done again as {again}")
    if not session.show.is_table:
        session.show.data(created)
        return
    session.show.line(f"Execution {again} created, as a retry of {name}")
    if not changed:
        session.show.line(f"{name} had been discarded before", style="dim")


async def _discard(
    session: Session,
    name: options.Execution,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record.", metavar="TEXT")],
    output: options.Output = Output.TABLE,
) -> None:
    """Say that what ended badly in a run is done with.

    Recorded in its log; it cannot be taken back.
    """
    if not reason.strip():
        raise exits.usage("--reason: must say something, such as 'refunded by hand, ticket 812'")
    await _ended(session, name)
    first = await reading.one(session, kube.EXECUTIONS, name)
    if not await _settle(session, first, reason):
        raise exits.refused(f"{name} was discarded already: {first['spec']['discard']}")
    if session.show.is_table:
        session.show.line(f"Execution {name}: nothing of it waits any more")
    else:
        session.show.data(await reading.one(session, kube.EXECUTIONS, name))


async def _ended(session: Session, name: str) -> resources.ExecutionTrace:
    """A run that is over and of which something waits."""
    found = await _trace(session, session.namespace, name)
    if found.summary.phase not in TERMINAL_PHASES:
        raise exits.refused(
            f"Execution {name} goes on ({found.summary.phase}): it is settled once it is over"
        )
    if not found.dead_letters:
        raise exits.failed(f"nothing of {name} waits for a person")
    return found


async def _settle(session: Session, execution: Object, reason: str) -> bool:
    """Ask for what ended badly to be recorded as done with; false where it was before."""
    if execution["spec"].get("discard"):
        return False
    kind, name = kube.EXECUTIONS, execution["metadata"]["name"]
    with reading.explained(kind, session.namespace, name):
        await session.person.change(kind, session.namespace, name, {"spec": {"discard": reason[:256]}})
    return True


async def _trace(session: Session, namespace: str, name: str) -> resources.ExecutionTrace:
    where = access.view(resources.ExecutionTrace)
    with reading.explained(where, namespace, name):
        found = await session.person.read(where.path(namespace, name), limit=1)
    return resources.ExecutionTrace.model_validate(found)


def _cells(letter: resources.DeadLetter) -> list[Any]:
    return [letter.kind, letter.tool, letter.reason, letter.message, letter.at]


def _data(found: resources.ExecutionTrace) -> Object:
    return {
        "namespace": found.metadata.namespace,
        "name": found.metadata.name,
        "phase": found.summary.phase,
        "deadLetters": [letter.wire() for letter in found.dead_letters],
    }
