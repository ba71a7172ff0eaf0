"""`keelstep archive`: move the logs of finished runs out of the stream into files, prove such files, read them.

For whoever runs the installation: `run` needs the broker, `restore` the database, `verify` and `show` nothing at all.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from keelstep.archive import file, proof
from keelstep.archive.retention import Archivist, Report
from keelstep.cli import exits, options, show, timeline
from keelstep.cli.show import Output, Show
from keelstep.domain import money
from keelstep.events import signing
from keelstep.log import connection, identities
from keelstep.log.identities import Role
from keelstep.views import presentation, resources

_SPAN = re.compile(r"^(\d{1,6})([smhd])$")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

Folder = Annotated[Path, typer.Argument(help="Where archives lie.", metavar="FOLDER", show_default=False)]
Files = Annotated[
    list[Path], typer.Argument(help="Archives, or folders of them.", metavar="FILE…", show_default=False)
]
File = Annotated[Path, typer.Argument(help="An archive.", metavar="FILE", show_default=False)]
OlderThan = Annotated[
    str,
    typer.Option(
        "--older-than",
        help="Only logs in which nothing was stored for so long: 90d, 12h, 30m or 90s.",
        metavar="SPAN",
        show_default=False,
    ),
]
KeepLogs = Annotated[bool, typer.Option("--keep-logs", help="Archive only; nothing leaves the stream.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
WithoutProjector = Annotated[
    bool,
    typer.Option(
        "--without-projector", help="The installation has no Postgres: nobody must have projected a log."
    ),
]
Form = Annotated[Output, typer.Option("--output", "-o", help="table, json or yaml.", metavar="FORM")]
Trusted = Annotated[
    Path | None,
    typer.Option(
        "--keyring",
        envvar="KEELSTEP_KEYRING",
        help="Public keys of operator and gateway: an archive's own must be among them.",
        metavar="FILE",
    ),
]


def add(app: typer.Typer) -> None:
    """Put the commands into the application."""
    group = typer.Typer(
        help="Move the logs of finished runs into files, prove and read such files.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    examples: dict[Callable[..., None], tuple[str, str]] = {
        _run: ("run", "keelstep archive run /archive --older-than 90d --nats-url nats://… --nats-creds FILE"),
        _verify: ("verify", "keelstep archive verify /archive --keyring keyring.json"),
        _show: ("show", "keelstep archive show /archive/refunds/2f6c….tar.gz"),
        _restore: (
            "restore",
            "keelstep archive restore /archive --dsn postgresql://… --keyring keyring.json",
        ),
    }
    for function, (name, example) in examples.items():
        group.command(name, epilog=f"Example: {example}")(function)
    app.add_typer(group, name="archive")


def _run(
    folder: Folder,
    older_than: OlderThan,
    nats_url: options.NatsUrl,
    nats_creds: Annotated[Path, options.nats_creds("archivist")],
    keyring: options.KeyringFile,
    nats_ca: options.NatsCa = None,
    shard: options.Shard = 0,
    keep_logs: KeepLogs = False,
    dry_run: DryRun = False,
    without_projector: WithoutProjector = False,
    output: Form = Output.TABLE,
) -> None:
    """Archive the logs of runs that are over and whose Execution is gone, prove the files, then purge the logs.

    May be run again at any time, and killed anywhere; exit 1 where an archive cannot be trusted.
    """
    seconds, keys = _span(older_than), _keys(keyring)
    if not nats_creds.is_file():
        raise exits.usage(f"--nats-creds: {nats_creds} is no file")

    async def archive() -> list[Report]:
        nc = await connection.connect(
            nats_url,
            nats_creds,
            "archive",
            inbox_prefix=identities.inbox(Role.ARCHIVIST),
            tls_ca=nats_ca,
            within_seconds=5,
        )
        try:
            archivist = Archivist(
                nc=nc,
                keys=keys,
                folder=folder,
                shard=shard,
                purges=not keep_logs,
                awaits_projector=not without_projector,
            )
            return await archivist.run(seconds, only_show=dry_run)
        finally:
            await nc.close()

    try:
        reports = asyncio.run(archive())
    except OSError as error:
        raise exits.failed(f"{folder} cannot be written: {error}") from error
    _tell(reports, output)
    if any(each.outcome == "Failed" for each in reports):
        raise exits.failed()


def _tell(reports: list[Report], output: Output) -> None:
    out = Show(output)
    if not out.is_table:
        out.data([_wire(each) for each in reports])
        return
    told = [each for each in reports if each.outcome != "Kept"]
    if told:
        out.table(
            ("NAMESPACE", "NAME", "OUTCOME", "MESSAGES", "FINDING"),
            [(each.tenant, each.name, each.outcome, each.messages, each.why or each.file) for each in told],
            fold="FINDING",
        )
    for why, times in Counter(each.why for each in reports if each.outcome == "Kept").most_common():
        show.note(f"{times} kept: {why}")
    if not reports:
        show.note("no log is that old")


def _verify(files: Files, keyring: Trusted = None, output: Form = Output.TABLE) -> None:
    """Prove archives from their own content: nothing is missing, nothing altered, and the log comes to what they say.

    Exit 1 where one is broken. Without --keyring an archive proves itself by keys that it brings along.
    """
    keys = _keys(keyring) if keyring is not None else None
    rows: list[tuple[Path, file.Manifest | None, str]] = []
    for path in _paths(files):
        try:
            rows.append((path, proof.check(path, keys).manifest, ""))
        except file.ArchiveError as error:
            rows.append((path, None, error.message))
    out = Show(output)
    if out.is_table:
        out.table(
            ("FILE", "RESULT", "RUN", "PHASE", "EVENTS", "VERDICT", "FINDING"),
            [_row(*each) for each in rows],
            fold="FINDING",
            spare=("EVENTS", "PHASE"),
        )
    else:
        out.data([_judged(*each) for each in rows])
    if any(found is None for _, found, _ in rows):
        raise exits.failed()


def _show(path: File, output: Form = Output.TABLE) -> None:
    """Show what an archived run did, as `keelstep trace` does."""
    if not path.is_file():
        raise exits.not_found(f"there is no file {path}")
    found = proof.check(path)
    name, lines = found.manifest.name, found.history.entries
    paging = resources.Paging(next="", remaining=0)
    trace = presentation.trace(name, found.history, lines, paging, found.history.state.over_at)
    out = Show(output)
    if not out.is_table:
        out.data(trace.wire())
        return
    timeline.header(out, trace)
    out.line()
    timeline.table(out, trace.lines)


def _restore(
    files: Files, dsn: options.Dsn, keyring: options.KeyringFile, output: Form = Output.TABLE
) -> None:
    """Put the rows of archived runs back into tables that were made again from the log.

    The log itself stays as it is.
    """
    try:
        from keelstep.archive import rows  # the driver of Postgres is no part of the extra `cli`
    except ModuleNotFoundError as error:
        raise exits.usage(f"{error.name} is missing: install keelstep[views]") from error
    done = asyncio.run(rows.put_all_back(dsn, _paths(files), _keys(keyring)))
    out = Show(output)
    if out.is_table:
        out.line(f"{done} archived runs are in the tables")
    else:
        out.data({"runs": done})


def _paths(given: list[Path]) -> list[Path]:
    """Every archive that is named, or lies in a folder that is."""
    found: list[Path] = []
    for each in given:
        if each.is_dir():
            found += sorted(path for path in each.rglob(f"*{file.SUFFIX}") if not path.name.startswith("."))
        elif each.is_file():
            found.append(each)
        else:
            raise exits.not_found(f"there is no file {each}")
    return found


def _span(text: str) -> int:
    found = _SPAN.match(text)
    if found is None:
        raise exits.usage(f"--older-than: {text!r} is no span; write 90d, 12h, 30m or 90s")
    return int(found[1]) * _SECONDS[found[2]]


def _keys(path: Path) -> dict[str, signing.KeyEntry]:
    try:
        payload = path.read_bytes()
        signing.Keyring.parse(payload)
        return msgspec.json.decode(payload, type=dict[str, signing.KeyEntry])
    except (OSError, ValueError) as error:
        raise exits.usage(f"--keyring: {path} cannot be used: {error}") from error


def _wire(report: Report) -> dict[str, str | int]:
    return {
        "namespace": report.tenant,
        "name": report.name,
        "execution": report.xid,
        "outcome": report.outcome,
        "why": report.why,
        "file": report.file,
        "messages": report.messages,
    }


def _row(path: Path, found: file.Manifest | None, why: str) -> tuple[str | int, ...]:
    if found is None:
        return (str(path), "fail", "", "", "", "", why)
    lacks = f"payloads that were missing before: {len(found.missing)}" if found.missing else ""
    cost = f"{money.usd(found.micro_usd)} USD; {lacks}".rstrip("; ")
    run = f"{found.tenant}/{found.name}"
    return (str(path), "ok", run, found.phase, found.events, found.verdict, cost)


def _judged(path: Path, found: file.Manifest | None, why: str) -> dict[str, object]:
    if found is None:
        return {"file": str(path), "result": "fail", "finding": why}
    return {"file": str(path), "result": "ok", "manifest": msgspec.to_builtins(found)}
