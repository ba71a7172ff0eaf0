"""Who asks, and where? What a command gets: the API server as the person, the namespace, and a place to print.

`command` makes a command of a coroutine: it adds the options that all share, opens the session and shows an example in
the help. What a command raises passes through to `cli.main`.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import typer

from keelstep.cli import options
from keelstep.cli.access import Person
from keelstep.cli.show import Output, Show

Command = Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One person's command."""

    person: Person
    namespace: str
    show: Show


_SHARED: dict[str, Any] = {
    "namespace": options.Namespace,
    "context": options.Context,
    "kubeconfig": options.Kubeconfig,
}


def command(app: typer.Typer, name: str, *, example: str) -> Callable[[Command], Command]:
    """Put a coroutine into the application; its parameter `session` is supplied, the others are its options."""

    def register(function: Command) -> Command:
        parameters = [
            each for each in inspect.signature(function).parameters.values() if each.name != "session"
        ]

        def invoke(**values: Any) -> None:
            who = {key: values.pop(key) for key in _SHARED}
            asyncio.run(_within(function, who, values))

        add(app, name, invoke, [*parameters, *shared()], doc=function.__doc__, example=example)
        return function

    return register


def shared() -> list[inspect.Parameter]:
    """The options by which every command finds its cluster."""
    return [
        inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for key, annotation in _SHARED.items()
    ]


def add(
    app: typer.Typer,
    name: str,
    invoke: Callable[..., None],
    parameters: list[inspect.Parameter],
    *,
    doc: str | None,
    example: str,
) -> None:
    """Put a function into the application as if it had been written with these parameters."""
    signature = inspect.Signature([each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters])
    invoke.__signature__ = signature  # type: ignore[attr-defined]
    invoke.__annotations__ = {each.name: each.annotation for each in parameters}
    invoke.__doc__ = doc
    app.command(name, epilog=f"Example: {example}")(invoke)


async def _within(function: Command, who: dict[str, Any], values: dict[str, Any]) -> None:
    asked = str(values.get("output", Output.TABLE))
    output = Output(asked) if asked in list(Output) else Output.TABLE  # a command may have forms of its own
    person = await Person.open(who["kubeconfig"], who["context"])
    async with person:
        namespace = who["namespace"] or person.namespace
        await function(Session(person=person, namespace=namespace, show=Show(output)), **values)
