"""Which demo commands are there? `up` tells the story and leaves everything running; `down` ends what `up` started."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from hack.cluster import errors as cluster_errors
from hack.cluster import progress, settings
from hack.demo import parts, story
from hack.local import models
from hack.local.kubectl import CommandError
from hack.local.platform import PlatformError

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

_EXPECTED = (
    cluster_errors.ClusterError,
    models.ModelsError,
    CommandError,
    PlatformError,
    story.StoryError,
)
EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


@app.command()
def up(
    ask: Annotated[bool, typer.Option("--ask", help="You decide the two refunds.")] = False,
    own_models: Annotated[
        Path | None,
        typer.Option("--models", help="A folder with providers.yaml and prices.yaml of models of yours."),
    ] = None,
) -> None:
    """Start everything, run the five executions, leave it running. Example: make demo ASK=1

    With models of yours and a demo that runs, only its gateway is started again. Example: make demo MODELS=my-models
    """
    configured = settings.read()
    try:
        known = models.check(own_models) if own_models is not None else []
        if own_models is not None and parts.runs(configured):
            parts.know_models(configured, own_models)
        else:
            story.tell(parts.start(configured, progress.Progress(), own_models), ask=ask)
    except _EXPECTED as error:
        print(f"\nmake demo: {error}", file=sys.stderr)
        raise typer.Exit(EXIT_FAILED) from error
    except KeyboardInterrupt:
        print("\nInterrupted. `make demo` goes on from here, `make down` ends it.", file=sys.stderr)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if known:
        print(f"the demo's gateway now knows {', '.join(known)}")


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
