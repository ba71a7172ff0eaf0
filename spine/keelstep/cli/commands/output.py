"""`keelstep output NAME`: what did a run answer?"""

from enum import StrEnum
from typing import Annotated

import typer

from keelstep.cli import answer, exits, options
from keelstep.cli.session import Session, command
from keelstep.cli.show import note
from keelstep.kinds.execution import TERMINAL_PHASES


class Form(StrEnum):
    """In which form."""

    JSON = "json"
    YAML = "yaml"


def add(app: typer.Typer) -> None:
    """Put the command into the application."""
    command(app, "output", example="keelstep output small-claim -n refunds")(_output)


async def _output(
    session: Session,
    name: options.Execution,
    output: Annotated[Form, typer.Option("--output", "-o", help="json or yaml.", metavar="FORM")] = Form.JSON,
) -> None:
    """Print what a run answered, as JSON.

    Its final output as its strategy's outputSchema wants it; {"text": …} where it has none. Exit 3 while there is none.
    """
    found = await answer.of(session, name)
    phase, reason = found.summary.phase, found.summary.reason
    if found.output is None:
        if phase not in TERMINAL_PHASES:
            raise exits.not_found(
                f"{name} has no output yet, it is {phase}; `keelstep trace {name} -f` shows how it goes on"
            )
        why = f"{phase} ({reason})" if reason else phase
        raise exits.not_found(
            f"{name} ended without an output: {why}; `keelstep trace {name}` shows what happened"
        )
    if found.output.missing:
        raise exits.failed(f"the output of {name} cannot be shown: {found.output.missing}")
    if phase != "Succeeded":
        note(f"the run is {phase} ({reason})")
    text = found.output.text
    session.show.data(found.output.value if text is None else text)
