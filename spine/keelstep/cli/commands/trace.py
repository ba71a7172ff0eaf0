"""`keelstep trace NAME`: what did a run do, what did it cost, and where did the time go?"""

from typing import Annotated

import typer

from keelstep.cli import following, options, reading, timeline
from keelstep.cli.session import Session, command
from keelstep.cli.show import Output


def add(app: typer.Typer) -> None:
    """Put the command into the application."""
    command(app, "trace", example="keelstep trace refund-approved -n refunds")(_trace)


async def _trace(
    session: Session,
    name: options.Execution,
    follow: Annotated[
        bool,
        typer.Option("--follow", "-f", help="Go on until the run ends; Ctrl-C stops looking, not the run."),
    ] = False,
    output: options.Output = Output.TABLE,
) -> None:
    """Show what a run did, cost and took.

    A header splits the cost by model and tool and the time into thinking, working, waiting for people and machinery;
    then comes a line for each event.
    """
    if follow:
        await following.follow(session, name)
        return
    found = await reading.trace(session, name)
    if not session.show.is_table:
        session.show.data(found.wire())
        return
    timeline.header(session.show, found)
    session.show.line()
    timeline.table(session.show, found.lines)
