"""Which demo commands are there? `up` tells the story and leaves everything running; `down` ends what `up` started."""

import sys
from typing import Annotated

import typer

from hack.cluster import errors as cluster_errors
from hack.cluster import progress, settings
from hack.demo import parts, story
from hack.local.platform import PlatformError

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


@app.command()
def up(ask: Annotated[bool, typer.Option("--ask", help="You decide the two refunds.")] = False) -> None:
    """Start everything, run the five executions, leave it running. Example: make demo ASK=1"""
    configured = settings.read()
    try:
        with parts.start(configured, progress.Progress()) as started:
            story.tell(started, ask=ask)
    except (cluster_errors.ClusterError, PlatformError, story.StoryError) as error:
        print(f"\nmake demo: {error}", file=sys.stderr)
        raise typer.Exit(EXIT_FAILED) from error
    except KeyboardInterrupt:
        print("\nInterrupted. `make demo` goes on from here, `make down` ends it.", file=sys.stderr)
        raise typer.Exit(EXIT_INTERRUPTED) from None


@app.command()
def down() -> None:
    """End what `make demo` started, and forget it."""
    if not parts.stop(settings.read(), progress.Progress()):
        print("Nothing runs: there is no demo here.")


@app.command()
def status() -> None:
    """Say what runs, and where its logs are."""
    try:
        for line in parts.describe(settings.read()):
            print(line)
    except cluster_errors.ClusterError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(EXIT_FAILED) from error
