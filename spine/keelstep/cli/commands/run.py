"""`keelstep run STRATEGY --goal …`: start a run in one's own name."""

import json
import re
import secrets
from typing import Annotated, Any

import typer

from keelstep import errors, kube
from keelstep.cli import exits, following, options, reading
from keelstep.cli.session import Session, command
from keelstep.cli.show import Output
from keelstep.kube import Object

_MONEY = re.compile(r"^[0-9]{1,9}(\.[0-9]{1,6})?$")
_NAME = re.compile(r"^[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?$")
_MOST_NAME = 52
"""Pods are named after an Execution."""


def add(app: typer.Typer) -> None:
    """Put the command into the application."""
    example = (
        "keelstep run support-agent --goal 'Order 1042 arrived chipped.' --input customer_name=Ada --watch"
    )
    command(app, "run", example=example)(_run)


async def _run(
    session: Session,
    strategy: Annotated[
        str, typer.Argument(help="The AgentStrategy.", metavar="STRATEGY", show_default=False)
    ],
    goal: Annotated[
        str, typer.Option("--goal", help="What the run is to achieve.", metavar="TEXT", show_default=False)
    ],
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", help="A value for a slot of the prompt; may be repeated.", metavar="K=V"),
    ] = None,
    budget: Annotated[
        str | None, typer.Option("--budget", help="The most it may cost, US dollars.", metavar="USD")
    ] = None,
    deadline: Annotated[
        int | None, typer.Option("--deadline", help="Seconds from start to end.", min=1, metavar="SECONDS")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="The Execution's name. Default: made up.", metavar="NAME")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show what happens until it ends.")] = False,
    output: options.Output = Output.TABLE,
) -> None:
    """Start a run of a strategy, in your name.

    With --watch the exit code says whether it succeeded.
    """
    if budget is not None and not _MONEY.match(budget):
        raise exits.usage(f"--budget: expected US dollars such as 0.50, got {budget!r}")
    if watch and output is not Output.TABLE:
        raise exits.usage(
            "--watch: shows a timeline, so leave out --output; `keelstep trace` gives it as data later"
        )
    if name is not None and not _NAME.fullmatch(name):
        raise exits.usage(
            f"--name: expected lower-case letters, digits and '-', at most {_MOST_NAME} characters, got {name!r}"
        )
    if not goal.strip():
        raise exits.usage("--goal: must say something, such as 'Order 1042 arrived broken.'")
    pairs = split_inputs(inputs or [])
    found = await _strategy(session, strategy)
    spec: Object = {
        "strategyRef": {"name": strategy},
        "goal": goal,
        "requestedBy": await session.person.user(),
    }
    values = parse_inputs(pairs, found)
    if found is not None:
        check_whole(values, found)
    if values:
        spec["inputs"] = values
    if budget is not None:
        spec["budget"] = {"costUSD": budget}
    if deadline is not None:
        spec["deadlineSeconds"] = deadline
    kind = kube.EXECUTIONS
    manifest = {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": {"name": name or made_up(strategy), "namespace": session.namespace},
        "spec": spec,
    }
    with reading.explained(kind, session.namespace, strategy):
        created = reading.plain(await session.person.submit(kind, session.namespace, manifest))
    await _tell(session, created["metadata"]["name"], created, watch=watch)


async def _tell(session: Session, name: str, created: Object, *, watch: bool) -> None:
    if not session.show.is_table:
        session.show.data(created)
        return
    session.show.line(f"Execution {name} created")
    if watch:
        await following.follow(session, name)
    else:
        where = f"{name} -n {session.namespace}"
        session.show.line(f"look: keelstep status {where} · keelstep trace {where}", style="dim")


async def _strategy(session: Session, name: str) -> Object | None:
    """The strategy, or None where I may start runs but not read strategies."""
    try:
        return await reading.one(session, kube.STRATEGIES, name)
    except errors.ForbiddenError:
        return None
    except exits.Ended as ended:
        if ended.code is not exits.Exit.NOT_FOUND:
            raise
        there = [
            item["metadata"]["name"]
            for item in await reading.all_of(session, kube.STRATEGIES, session.namespace)
        ]
        known = f"; there is {', '.join(sorted(there))}" if there else "; none is applied there"
        raise exits.not_found(f"{ended.message}{known}") from ended


def split_inputs(pairs: list[str]) -> list[tuple[str, str]]:
    """`k=v` pairs as names and texts.

    Raises:
        exits.Ended: one is no pair, or a name comes twice.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise exits.usage(f"--input: expected name=value such as customer_name=Ada, got {pair!r}")
        if name in found:
            raise exits.usage(f"--input: {name} is given twice")
        found[name] = text
    return list(found.items())


def parse_inputs(pairs: list[tuple[str, str]], strategy: Object | None) -> Object:
    """Values of the strategy's slots: text for a string slot, JSON for any other.

    Raises:
        exits.Ended: a name or a value does not fit the slots.
    """
    slots: dict[str, str] | None = None
    if strategy is not None:
        declared = strategy["spec"]["prompt"].get("slots", [])
        slots = {slot["name"]: slot.get("type", "string") for slot in declared}
    found: Object = {}
    for name, text in pairs:
        if slots is not None and name not in slots:
            raise exits.usage(
                f"--input: the strategy has no slot {name!r}; it has {', '.join(slots) or 'none'}"
            )
        found[name] = _value(name, text, (slots or {}).get(name, ""))
    return found


def check_whole(values: Object, strategy: Object) -> None:
    """Every slot that is not optional has a value.

    Raises:
        exits.Ended: one has none; the run could not start.
    """
    for slot in strategy["spec"]["prompt"].get("slots", []):
        if slot["name"] not in values and not slot.get("optional"):
            raise exits.usage(
                f"--input: {slot['name']} is missing ({slot.get('type', 'string')}); the strategy's prompt needs it"
            )


_JSON_TYPES: dict[str, type | tuple[type, ...]] = {
    "integer": int,
    "boolean": bool,
    "array": list,
    "object": dict,
}


def _value(name: str, text: str, slot_type: str) -> Any:
    if slot_type == "string":
        return text
    try:
        value = json.loads(text)
    except ValueError:
        if not slot_type:
            return text
        value = None
    wanted = _JSON_TYPES.get(slot_type)
    fits = wanted is None or (
        isinstance(value, wanted) and not (slot_type == "integer" and isinstance(value, bool))
    )
    if not fits:
        raise exits.usage(
            f"--input {name}: the slot is of type {slot_type}, {text!r} is not (write it as JSON)"
        )
    return value


def made_up(after: str) -> str:
    """A name that nobody has: six hex digits behind this one."""
    tail = secrets.token_hex(3)
    head = after.replace(".", "-")[: _MOST_NAME - len(tail) - 1].rstrip("-")
    return f"{head}-{tail}"
