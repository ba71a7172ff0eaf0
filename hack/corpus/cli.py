"""How is a log added to the corpus? `python -m hack.corpus record`: real runs, and a file for each. Never over a file."""

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from hack.cluster import errors as cluster_errors
from hack.cluster import settings
from hack.corpus import kept, record
from hack.local.kubectl import CommandError
from hack.local.platform import PlatformError
from keelstep import logs
from keelstep.events import envelope

CORPUS = settings.REPOSITORY / "tests" / "corpus"
EXIT_FAILED = 1

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def one_of_several() -> None:
    """Logs of real runs, kept for ever."""


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
