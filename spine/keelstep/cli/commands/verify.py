"""`keelstep verify NAME`: can a run's log be trusted, and does the Execution's status tell the same?"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import typer

from keelstep.cli import exits, options, reading
from keelstep.cli.session import Session, command
from keelstep.cli.show import Output
from keelstep.kinds.execution import TERMINAL_PHASES
from keelstep.kube import Object
from keelstep.views import resources


def add(app: typer.Typer) -> None:
    """Put the command into the application."""
    command(app, "verify", example="keelstep verify refund-approved -n refunds")(_verify)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What a status says, held against the log."""

    agrees: bool | None
    """None where there is nothing to compare."""
    findings: tuple[str, ...]


async def _verify(session: Session, name: options.Execution, output: options.Output = Output.TABLE) -> None:
    """Check that a run's log can be trusted.

    Its chain, signatures and gaps are checked anew, and the Execution's status is held against it; exit 1 unless all holds.
    """
    # the status first: the log may only have grown since
    execution = await reading.find(session, reading.EXECUTIONS, name)
    verified = await reading.view(session, resources.ExecutionVerification, name)
    status = (execution or {}).get("status") or {}
    agreement = compare(status, verified, await _digest_at(session, name, status, verified))
    if not session.show.is_table:
        session.show.data(
            {**verified.wire(), "agreesWithStatus": agreement.agrees, "statusFindings": agreement.findings}
        )
    else:
        _print(session, verified, agreement)
    if verified.verdict != "Verified" or agreement.agrees is False:
        raise exits.failed()


def compare(status: Object, verified: resources.ExecutionVerification, digest_at: str) -> Agreement:
    """Hold a status against the log; `digest_at` is the digest of the event that the status says it shows."""
    seen, seen_hash = int(status.get("observedSeq", 0)), str(status.get("observedHash", ""))
    xid = str(status.get("executionID", ""))
    findings: list[str] = []
    if xid and xid != verified.metadata.uid:
        findings.append(f"the status belongs to log {xid}, the name to log {verified.metadata.uid}")
    elif not seen:
        return Agreement(agrees=None, findings=("there is no status to compare with",))
    elif seen > verified.head.seq:
        findings.append(
            f"the status has seen event {seen}, the log ends with event {verified.head.seq}: its end is missing"
        )
    elif seen_hash and seen_hash != digest_at:
        findings.append(f"event {seen} is not the one that the status has seen: the log was replaced")
    if not findings and status.get("phase") in TERMINAL_PHASES and seen == verified.head.seq:
        findings += _totals(status, verified.totals)
    return Agreement(agrees=not findings, findings=tuple(findings))


def _totals(status: Object, totals: resources.Totals) -> list[str]:
    """While a run goes on the status may be some seconds behind; once it is over, it may not."""
    pairs = (
        ("costUSD", _amount(status.get("costUSD")), _amount(totals.cost_usd)),
        ("tokens", status.get("tokens", 0), totals.tokens),
        ("step", status.get("step", 0), totals.steps),
    )
    return [
        f"status.{field} is {told}, the log says {found}" for field, told, found in pairs if told != found
    ]


def _amount(text: str | None) -> Decimal | str:
    try:
        return Decimal(text or "0")
    except InvalidOperation:
        return str(text)


async def _digest_at(
    session: Session, name: str, status: Object, verified: resources.ExecutionVerification
) -> str:
    """The digest of the event that a status has seen, empty where there is none."""
    seen = int(status.get("observedSeq", 0))
    if seen == verified.head.seq:
        return verified.head.digest
    if not 0 < seen < verified.head.seq:
        return ""
    async for page in reading.pages(session, resources.ExecutionTrace, name):
        for line in page.lines:
            if line.seq == seen:
                return line.digest
    return ""


def _print(session: Session, verified: resources.ExecutionVerification, agreement: Agreement) -> None:
    agrees = {True: "agrees with the log", False: "differs from the log", None: "not compared"}[
        agreement.agrees
    ]
    verdict = "Broken" if agreement.agrees is False else verified.verdict
    chain = "each event names the hash of the one before it"
    bad = verified.signatures.bad
    session.show.facts(
        (
            ("Execution", f"{verified.metadata.namespace}/{verified.metadata.name}"),
            ("Verdict", verdict),
            (
                "Events",
                f"{verified.events}, the last is {verified.head.digest[:16]}…" if verified.events else 0,
            ),
            ("Chain", chain if verified.chain.ok else f"broken at message {verified.chain.broken_at}"),
            (
                "Signatures",
                f"missing or wrong on messages {_some(bad)}" if bad else "all there",
            ),
            ("Gaps", len(verified.gaps) or "none"),
            ("Voids", verified.summary.voids or "none"),
            ("Status", agrees),
            (
                "Cost",
                f"{verified.totals.cost_usd} USD, {verified.totals.tokens} tokens, {verified.totals.steps} steps",
            ),
        )
    )
    for finding in (*verified.findings, *agreement.findings):
        session.show.line(f"- {finding}")


def _some(positions: Sequence[int], most: int = 10) -> str:
    more = f" and {len(positions) - most} more" if len(positions) > most else ""
    return ", ".join(map(str, positions[:most])) + more
