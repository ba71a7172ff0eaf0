"""How is a bench run? `make bench`: a table on standard output, JSON under `build/bench/`, progress on standard error."""

import enum
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from hack.bench import calm, catalogue, machine, report, result
from hack.bench.catalogue import Bench
from hack.bench.place import Place
from hack.cluster import errors as cluster_errors
from hack.cluster import progress, settings
from hack.local.kubectl import CommandError
from hack.local.platform import PlatformError
from keelstep import logs
from keelstep.events import clock

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

RESULTS = settings.REPOSITORY / "build" / "bench"
WIDTH = 150
"""Of the table where standard output is no terminal."""
EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


class Output(enum.StrEnum):
    """What standard output gets."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"
    """The tables of docs/performance.md."""


@app.command()
def bench(
    only: Annotated[list[str] | None, typer.Option(help="Run only this bench; may be given again.")] = None,
    smoke: Annotated[bool, typer.Option("--smoke", help="Tiny sizes: shows that every bench works.")] = False,
    peers: Annotated[bool, typer.Option("--peers", help="Beside Restate, DBOS and LangGraph.")] = False,
    output: Annotated[Output, typer.Option(help="What standard output gets.")] = Output.TABLE,
    patience: Annotated[float, typer.Option(help="Seconds to wait for calm before a repetition.")] = 20.0,
    page: Annotated[
        Path | None,
        typer.Option(
            help="Renew the tables of this Markdown page.", exists=True, dir_okay=False, writable=True
        ),
    ] = None,
    results: Annotated[Path, typer.Option(help="Folder of the JSON files.")] = RESULTS,
) -> None:
    """Measure and show. Example: python -m hack.bench --only append --only fold"""
    chosen = _chosen(only or [])
    logs.configure("bench", "WARNING")
    try:
        # absolute: a Pod's process works in a folder of its own
        documents = _run(
            chosen,
            results.absolute(),
            is_smoke=smoke,
            has_peers=peers,
            patience_seconds=0.0 if smoke else patience,
        )
    except (cluster_errors.ClusterError, PlatformError, CommandError, AssertionError) as error:
        print(f"\nmake bench: {error}", file=sys.stderr)
        raise typer.Exit(EXIT_FAILED) from error
    except KeyboardInterrupt:
        print("\nInterrupted; what was started has been ended.", file=sys.stderr)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if output is Output.JSON:
        print(json.dumps(documents, indent=2, ensure_ascii=False))
    elif output is Output.MARKDOWN:
        print(report.markdown(documents))
    else:
        out = Console(highlight=False)
        report.show(documents, out if out.is_terminal else Console(highlight=False, width=WIDTH))
    if page is not None:
        _renew(page, documents)
    lacking = [f"{each['name']}: {line}" for each in documents for line in result.problems(each)]
    if lacking:
        print("make bench: results are not whole:\n  " + "\n  ".join(lacking), file=sys.stderr)
        raise typer.Exit(EXIT_FAILED)


def _renew(page: Path, documents: Sequence[Mapping[str, Any]]) -> None:
    for each in documents:
        renewed = report.renew(page.read_text(), each)
        if renewed is None:
            print(f"make bench: {page} has no table of {each['name']}", file=sys.stderr)
        else:
            page.write_text(renewed)


def _chosen(names: Sequence[str]) -> list[Bench]:
    known = {each.name: each for each in catalogue.BENCHES}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise typer.BadParameter(f"no bench {', '.join(unknown)}; there are {', '.join(known)}")
    return [each for each in catalogue.BENCHES if each.name in names or not (names or each.is_on_request)]


def _run(
    chosen: Sequence[Bench], results: Path, *, is_smoke: bool, has_peers: bool, patience_seconds: float
) -> list[Mapping[str, Any]]:
    results.mkdir(parents=True, exist_ok=True)
    # beside the results and not under /tmp, which may be memory: the disk is half of what is measured
    folder = Path(tempfile.mkdtemp(prefix=".state-", dir=results))
    shown = progress.Progress()
    documents: list[Mapping[str, Any]] = []
    observed = calm.Calm(patience_seconds=patience_seconds)
    place: Place | None = None
    try:
        for each in chosen:
            with shown.step(f"Measuring {each.name}: {each.question}") as step:
                if place is None:
                    place = Place(
                        is_smoke=is_smoke,
                        has_peers=has_peers,
                        shown=shown,
                        step=step,
                        folder=folder,
                        calm=observed,
                    )
                place.step = step
                facts = machine.facts(folder)
                found = each.run(place)
            written = result.document(
                each.name,
                each.question,
                found,
                command=_command(each, is_smoke=is_smoke, has_peers=has_peers),
                taken_at=clock.whole(clock.now()),
                is_smoke=is_smoke,
                machine=facts,
                noise=observed.take(),
            )
            shown.note(f"written: {result.write(results, written)}")
            documents.append(written)
    except BaseException:
        _keep_logs(folder, results / "failed", shown)
        raise
    finally:
        if place is not None:
            with shown.step("Ending what was started"):
                place.close()
        shutil.rmtree(folder, ignore_errors=True)
    return documents


def _keep_logs(folder: Path, kept: Path, shown: progress.Progress) -> None:
    """The state goes; the logs of what failed stay until the next failure."""
    shutil.rmtree(kept, ignore_errors=True)
    for log in folder.rglob("*.log"):
        kept.mkdir(parents=True, exist_ok=True)
        shutil.copy(log, kept / log.name)
    if kept.exists():
        shown.note(f"logs of what was started: {kept}")


def _command(each: Bench, *, is_smoke: bool, has_peers: bool) -> str:
    options = (" --smoke" if is_smoke else "") + (" --peers" if has_peers and each.has_peers else "")
    return f"python -m hack.bench --only {each.name}{options}"
