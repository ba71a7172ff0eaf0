"""`keelstep dlq list|show|retry|discard`: what ended badly and waits for a person, and what do I do about it?

A view of the runs' logs, no store: a letter is gone once the log says that somebody dealt with it. To have a run done again
is a new run, in the caller's own name, through every tier and gate anew; to be done with it is recorded in its log.

    the first is done with already? ─► refused
    create NAME-retry ─ there already, as its retry? ─► somebody was faster, or was interrupted here
    the first is done with: "done again as NAME-retry"
"""

import hashlib
from typing import Annotated, Any

import typer

from keelstep import errors, kube
from keelstep.cli import access, exits, options, reading
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
_RETRY = "-retry"
_MOST_NAME = 63
_MOST_REASON = 256


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
        str | None,
        typer.Option(
            "--name", help="The new Execution's name. Default: the first one's and -retry.", metavar="NAME"
        ),
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
    _refuse_settled(first)
    spec: Object = {field: first["spec"][field] for field in _ASKED if field in first["spec"]}
    spec["requestedBy"] = await session.person.user()
    created, is_new = await _created(session, new_name or _retry_name(name), name, spec)
    again = created["metadata"]["name"]
    await _settle(session, first, f"done again as {again}")
    if not session.show.is_table:
        session.show.data(created)
        return
    session.show.line(
        f"Execution {again} {'created' if is_new else 'is there already'}, as a retry of {name}"
    )


async def _created(session: Session, name: str, retried: str, spec: Object) -> tuple[Object, bool]:
    """The run that does another one again, and whether it was made just now.

    Raises:
        exits.Ended: something else has its name.
    """
    kind = kube.EXECUTIONS
    metadata = {
        "name": name,
        "namespace": session.namespace,
        "annotations": {names.ANNOTATION_RETRY_OF: retried},
    }
    manifest = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, "spec": spec}
    try:
        with reading.explained(kind, session.namespace, retried):
            return reading.plain(await session.person.submit(kind, session.namespace, manifest)), True
    except errors.AlreadyExistsError as error:
        found = await reading.one(session, kind, name)
        if found["metadata"].get("annotations", {}).get(names.ANNOTATION_RETRY_OF) != retried:
            message = f"there is an Execution {name} that is no retry of {retried}: give another --name"
            raise exits.refused(message) from error
        return found, False


def _retry_name(name: str) -> str:
    """The same each time: whoever asks twice, or was interrupted, finds the run that was made."""
    if len(name) + len(_RETRY) <= _MOST_NAME:
        return f"{name}{_RETRY}"
    tail = f"-{hashlib.sha256(name.encode()).hexdigest()[:8]}{_RETRY}"
    return f"{name[: _MOST_NAME - len(tail)].rstrip('-.')}{tail}"


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
    if len(reason) > _MOST_REASON:
        raise exits.usage(f"--reason: at most {_MOST_REASON} characters, and these are {len(reason)}")
    await _ended(session, name)
    first = await reading.one(session, kube.EXECUTIONS, name)
    _refuse_settled(first)
    await _settle(session, first, reason)
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


def _refuse_settled(execution: Object) -> None:
    """Its log may not say so yet, but somebody has dealt with it."""
    said = execution["spec"].get("discard")
    if said:
        raise exits.refused(f"{execution['metadata']['name']} is done with already: {said}")


async def _settle(session: Session, execution: Object, reason: str) -> None:
    """Ask for what ended badly to be recorded as done with."""
    kind, name = kube.EXECUTIONS, execution["metadata"]["name"]
    with reading.explained(kind, session.namespace, name):
        await session.person.change(kind, session.namespace, name, {"spec": {"discard": reason}})


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
