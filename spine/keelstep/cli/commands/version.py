"""`keelstep version`: which version am I, and what do I talk to?"""

import asyncio
import inspect
from typing import Annotated

import typer

from keelstep import errors
from keelstep.cli import exits, options, session
from keelstep.cli import version as versions
from keelstep.cli.access import Person
from keelstep.cli.show import Output, Show
from keelstep.kinds import API_VERSION
from keelstep.views import resources


def add(app: typer.Typer) -> None:
    """Put the command into the application."""

    @app.callback(invoke_without_command=True)
    def root(
        version: Annotated[
            bool, typer.Option("--version", help="Print the version of this program and exit.")
        ] = False,
    ) -> None:
        if version:
            typer.echo(f"keelstep {versions.own()}")
            raise typer.Exit(0)

    root.__doc__ = None
    parameters = [
        inspect.Parameter(
            "output", inspect.Parameter.KEYWORD_ONLY, default=Output.TABLE, annotation=options.Output
        ),
        *session.shared(),
    ]
    session.add(app, "version", _version, parameters, doc=_DOC, example="keelstep version")


_DOC = """Print versions: of this program, its kinds, the cluster."""


def _version(output: Output, kubeconfig: str | None, context: str | None, namespace: str | None) -> None:
    found = {"keelstep": versions.own(), "kinds": API_VERSION, "views": resources.API_VERSION}
    found["kubernetes"] = asyncio.run(_cluster(kubeconfig, context))
    if output is Output.TABLE:
        Show(output).facts(found.items())
    else:
        Show(output).data(found)


async def _cluster(kubeconfig: str | None, context: str | None) -> str:
    """The cluster's version; a person without a cluster still learns their own."""
    try:
        person = await Person.open(kubeconfig, context)
        async with person:
            return str((await person.read("/version"))["gitVersion"]).lstrip("v")
    except errors.KeelstepError as error:
        return f"not reached: {exits.of(error).message}"
