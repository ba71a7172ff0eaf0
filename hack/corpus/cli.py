"""How does the corpus grow? `python -m hack.corpus record`: real runs, and a file for each; `defaults`: new fields.

Never over a file, never over a line.
"""

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from hack.cluster import errors as cluster_errors
from hack.cluster import settings
from hack.corpus import defaults, kept, record
from hack.local.kubectl import CommandError
from hack.local.platform import PlatformError
from keelstep import logs
from keelstep.events import envelope

CORPUS = settings.REPOSITORY / "tests" / "corpus"
EXIT_FAILED = 1

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def one_of_several() -> None:
    """What every later version must read as this one does."""


@app.command("record")
def record_command(
    names: Annotated[list[str] | None, typer.Argument(help="Which runs; all of them by default.")] = None,
    into: Annotated[Path, typer.Option(help="The folder of this version.")] = CORPUS / f"v{envelope.VERSION}",
) -> None:
    """Play runs and keep their logs. Example: python -m hack.corpus record refund-approved --into /tmp/corpus/v1"""
    logs.configure("corpus", "WARNING")
    chosen = names or list(record.RUNS)
    unknown = sorted(set(chosen) - set(record.RUNS))
    if unknown:
        raise typer.BadParameter(f"no run {', '.join(unknown)}; there are {', '.join(record.RUNS)}")
    there = [name for name in chosen if (into / f"{name}.json").exists()]
    if there:
        raise typer.BadParameter(
            f"{', '.join(there)} stands in {into} already, and what is kept is never edited"
        )
    try:
        with tempfile.TemporaryDirectory(prefix="keelstep-corpus-") as folder:
            for name, log in record.record(Path(folder), chosen):
                kept.write(into / f"{name}.json", log)
                print(
                    f"{into / name}.json: {len(log.messages)} messages, {log.expected['verdict']['verdict']}"
                )
    except (
        cluster_errors.ClusterError,
        PlatformError,
        CommandError,
        AssertionError,
        kept.KeptError,
    ) as error:
        print(f"hack.corpus: {error}", file=sys.stderr)
        raise typer.Exit(EXIT_FAILED) from error


@app.command("defaults")
def defaults_command() -> None:
    """Add fields that are new to the list of defaults, which then never change. Example: python -m hack.corpus defaults"""
    for line in defaults.add(CORPUS):
        print(line)
