"""`keelstep contract test FILE`: does the tool keep its contract?

It is put into the command line by the entry point `keelstep.cli`. The libraries for it are loaded when it is run, so that
every other command starts as fast as before.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keelstep import kube
from keelstep.cli import exits, options, reading, show
from keelstep.cli.access import Person
from keelstep.cli.commands import files
from keelstep.cli.show import Output, Show
from keelstep.domain import egress, revision
from keelstep.events import clock
from keelstep.kinds import names
from keelstep.kinds.contract import Attested

if TYPE_CHECKING:
    from keelstep_gateway.conformance.caller import Observed
    from keelstep_gateway.conformance.cases import Contract
    from keelstep_gateway.conformance.recorded import Line
    from keelstep_gateway.conformance.report import Report
    from keelstep_gateway.conformance.suite import Plan

File = Annotated[
    Path,
    typer.Argument(help="YAML with ToolContracts, or a folder of it.", metavar="FILE", show_default=False),
]
Only = Annotated[str, typer.Option("--only", help="Contracts to test; the others help.", metavar="GLOB")]
Live = Annotated[
    bool, typer.Option("--live", help="Ask the tool; runs the commands that the file's contracts name.")
]
Effects = Annotated[bool, typer.Option("--allow-effects", help="Make calls that act, on the tool itself.")]
Recorded = Annotated[
    Path | None, typer.Option("--recorded", help="Judge these recorded answers instead.", metavar="FILE")
]
Record = Annotated[Path | None, typer.Option("--record", help="Write down the answers.", metavar="FILE")]
Cases = Annotated[
    Path | None,
    typer.Option("--cases", help="Arguments, how to count effects, what undoes them.", metavar="FILE"),
]
Credentials = Annotated[
    Path | None, typer.Option("--credentials", help="A folder with a file for each key.", metavar="DIR")
]
Edges = Annotated[
    int,
    typer.Option(
        "--edges",
        help="Arguments to try; with --allow-effects each of them acts.",
        min=0,
        max=1000,
        metavar="N",
    ),
]
Allowed = Annotated[
    str,
    typer.Option(
        "--egress-allowed",
        envvar="KEELSTEP_EGRESS_ALLOWED",
        help="Private networks and names that calls may reach, by commas.",
        metavar="LIST",
    ),
]
Attest = Annotated[
    bool,
    typer.Option(
        "--attest", help="State each pass on the contract of that name in the cluster, in your own name."
    ),
]
JUnit = Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML, too.", metavar="FILE")]


def add(group: typer.Typer) -> None:
    """Put the command into the group `contract`."""
    group.command(
        "test", epilog="Example: keelstep contract test refund.yaml --live --cases refund.cases.yaml"
    )(_test)


def _test(
    file: File,
    only: Only = "*",
    live: Live = False,
    allow_effects: Effects = False,
    recorded: Recorded = None,
    record: Record = None,
    cases: Cases = None,
    credentials: Credentials = None,
    edges: Edges = 25,
    egress_allowed: Allowed = "",
    junit: JUnit = None,
    attest: Attest = False,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
    output: options.Output = Output.TABLE,
) -> None:
    """Prove a contract on its tool: valid examples, edge arguments, timeouts, retries, idempotency, undoing.

    Without --live or --recorded only the contract itself is looked at. What was not shown is NotProven, never a pass.

    Exit 1: something failed, or was asked and is not proven.
    """
    try:
        from keelstep_gateway.conformance import cases as known
        from keelstep_gateway.conformance import junit as xml
        from keelstep_gateway.conformance import recorded as recordings
        from keelstep_gateway.conformance import suite
    except ModuleNotFoundError as error:
        raise exits.usage(f"{error.name} is not installed: pip install 'keelstep[conformance]'") from error
    if live and recorded is not None:
        raise exits.usage("--live and --recorded: ask the tool, or judge what was recorded")
    if (allow_effects or record is not None) and not live:
        raise exits.usage("--allow-effects and --record: only with --live")
    if attest and not live and recorded is None:
        raise exits.usage("--attest: only with --live or --recorded; without them nothing is proven")
    contracts = {name: _contract(each) for name, each in files.by_name(file).items()}
    chosen = [each for name, each in contracts.items() if fnmatchcase(name, only)]
    if not chosen:
        raise exits.usage(f"--only: {file} holds no contract {only!r}")
    try:
        plan = suite.Plan(
            contracts=contracts,
            cases=known.load(cases) if cases is not None else {},
            may_act=allow_effects,
            edges=edges,
            rules=_rules(egress_allowed),
            secrets=_secrets(credentials, contracts) if live else {},
        )
        lines = recordings.load(recorded) if recorded is not None else []
        shown = Show(output)
        reports, observed = asyncio.run(
            _asked(chosen, plan, shown, live=live, lines=lines if recorded is not None else None)
        )
        if record is not None:
            recordings.save(record, observed)
        if junit is not None:
            _write(xml.write, junit, reports)
    except known.CaseError as error:
        raise exits.usage(str(error)) from error
    if not shown.is_table:
        shown.data([report.wire() for report in reports])
    if attest:
        asyncio.run(_attest(reports, namespace, kubeconfig, context))
    is_asked = live or recorded is not None
    bad = ("Failed", "NotProven") if is_asked else ("Failed",)
    if any(report.verdict in bad for report in reports):
        raise exits.failed()


async def _asked(
    chosen: "Sequence[Contract]", plan: "Plan", shown: Show, *, live: bool, lines: "Sequence[Line] | None"
) -> "tuple[list[Report], list[Observed]]":
    """A report for each contract, which a person is shown as soon as it is there, and every call that was made."""
    from keelstep_gateway.conformance import cases, suite

    reports: list[Report] = []
    calls: list[Observed] = []
    for contract in chosen:
        case = cases.completed(contract, plan.cases.get(contract.name))
        if contract.spec.transport.builtin is not None or not (live or lines is not None):
            reports.append(suite.statically(contract, case))
        elif lines is not None:
            reports.append(suite.by_recording(contract, case, lines))
        else:
            report, observed = await suite.live(contract, case, plan)
            reports.append(report)
            calls += observed
        if shown.is_table:
            _print(shown, reports[-1])
    return reports, calls


async def _attest(
    reports: "Sequence[Report]", namespace: str | None, kubeconfig: str | None, context: str | None
) -> None:
    """State each pass on the live contract of its name: the operator shows it while the content is the one tested."""
    person = await Person.open(kubeconfig, context)
    async with person:
        where = namespace or person.namespace
        for report in reports:
            if not report.digest:
                continue
            patch: kube.Object = {
                "metadata": {"annotations": {names.ANNOTATION_CONFORMANCE: _statement(report)}}
            }
            with reading.explained(kube.CONTRACTS, where, report.contract):
                changed = await person.change(kube.CONTRACTS, where, report.contract, patch)
            if changed.get("status", {}).get("revision") not in ("", None, report.revision):
                show.note(
                    f"ToolContract {report.contract} in {where} has another content than the one that passed"
                )


def _statement(report: "Report") -> str:
    """The annotation's value."""
    passed = {"digest": report.digest, "kind": report.kind, "at": clock.whole(clock.now())}
    stated = Attested.model_validate({"revision": report.revision, "passed": passed})
    return stated.model_dump_json(by_alias=True)


def _contract(read: files.Read) -> "Contract":
    from keelstep_gateway.conformance.cases import Contract

    built = revision.build("ToolContract", read.name, read.spec)
    return Contract(name=read.name, spec=read.spec, revision=built.digest)


def _rules(allowed: str) -> egress.Rules:
    try:
        networks, names = egress.networks(each.strip() for each in allowed.split(",") if each.strip())
    except egress.AddressError as error:
        raise exits.usage(f"--egress-allowed: {error}") from error
    return egress.Rules(allowed_networks=networks, allowed_names=names)


def _secrets(folder: Path | None, contracts: "Mapping[str, Contract]") -> dict[str, str]:
    """What the contracts' keys stand for, from a folder with a file for each."""
    from keelstep_gateway.transports import authorization

    found: dict[str, str] = {}
    for contract in contracts.values():
        for key in authorization.keys(contract.spec):
            if folder is None:
                raise exits.usage(
                    f"ToolContract {contract.name} needs the credential {key}: give --credentials DIR"
                )
            try:
                found[key] = (folder / key).read_text().strip()
            except (OSError, ValueError) as error:
                raise exits.usage(f"--credentials: {folder / key} cannot be read") from error
    return found


def _print(shown: Show, report: "Report") -> None:
    shown.line(f"{report.contract}: {report.verdict} ({report.kind}, revision {report.revision[:16]})")
    shown.table(
        ("QUESTION", "RESULT", "ANSWER"),
        [(check.name, str(check.verdict), check.message) for check in report.checks],
        fold="ANSWER",
    )
    for check in report.checks:
        for detail in check.details:
            shown.line(f"  {check.name}: {detail}")
    if report.latency is not None:
        shown.line(
            f"{report.latency.calls} answers: p50 {_milliseconds(report.latency.p50_seconds)}, p99"
            f" {_milliseconds(report.latency.p99_seconds)}; timeoutSeconds"
            f" {report.latency.suggested_timeout_seconds} and"
            f" {report.latency.suggested_rate_per_minute} calls a minute would do"
        )
    if report.digest:
        shown.line(f"digest of this pass: {report.digest}")
    shown.line()


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _write(
    write: "Callable[[Path, Sequence[Report]], None]", path: Path, reports: "Sequence[Report]"
) -> None:
    try:
        write(path, reports)
    except OSError as error:
        raise exits.usage(f"--junit: {path}: {error.strerror}") from error
