"""What does `kubectl get` print of an answer? The same content as Table objects of `meta.k8s.io/v1`.

Pure. Columns of priority 1 show with `-o wide`.
"""

from collections.abc import Sequence
from typing import Any

from keelstep.views import ages, resources

Table = dict[str, Any]
Cell = str | int
Item = resources.ExecutionTrace | resources.ExecutionLog | resources.ExecutionVerification

_DIGEST_DIGITS = 12


def of_one(item: Item) -> Table:
    """One execution's page as a table: a row per event, message, or verdict."""
    match item:
        case resources.ExecutionTrace():
            return _table(
                _TRACE, [_trace_row(line) for line in item.lines], [item.metadata] * len(item.lines)
            )
        case resources.ExecutionLog():
            rows = [_log_row(record) for record in item.records]
            return _table(_LOG, rows, [item.metadata] * len(rows))
        case resources.ExecutionVerification():
            return _table(_VERIFICATION, [_verification_row(item)], [item.metadata])


def of_list(items: Sequence[Item], kind: resources.Kind, now: int) -> Table:
    """A list of executions as a table: a row per execution; ages are counted to `now` (nanoseconds since 1970)."""
    metadata = [item.metadata for item in items]
    if kind is resources.ExecutionVerification:
        verified = [item for item in items if isinstance(item, resources.ExecutionVerification)]
        return _table(_VERIFICATION, [_verification_row(item) for item in verified], metadata)
    return _table(_SUMMARY, [_summary_row(item, now) for item in items], metadata)


Column = tuple[str, str, str, int]
"""Name, type, description, priority."""

_TRACE: tuple[Column, ...] = (
    ("Seq", "integer", "The event's place in the log.", 0),
    ("Step", "integer", "The step it belongs to.", 0),
    ("After", "string", "When, counted from the first event.", 0),
    ("Event", "string", "The event's type.", 0),
    ("Target", "string", "The tool or model it concerns.", 0),
    ("Summary", "string", "What happened.", 0),
    ("Cost", "string", "What it settled, US dollars.", 0),
    ("Latency", "string", "How long it took.", 0),
    ("Tokens", "integer", "Tokens it settled.", 1),
    ("Writer", "string", "Who wrote it.", 1),
    ("Attempt", "integer", "The attempt it belongs to.", 1),
    ("At", "string", "When the broker stored it.", 1),
)
_LOG: tuple[Column, ...] = (
    ("Position", "integer", "The message's sequence in the stream.", 0),
    ("Seq", "string", "Its place in the log.", 0),
    ("Writer", "string", "The subject it lies on.", 0),
    ("Type", "string", "The event's type.", 0),
    ("Outcome", "string", "Whether it counts, or why not.", 0),
    ("Signed", "string", "The key that signed it.", 0),
    ("Digest", "string", "The beginning of its bytes' SHA-256.", 0),
    ("At", "string", "When the broker stored it.", 1),
)
_VERIFICATION: tuple[Column, ...] = (
    ("Name", "string", "The Execution's name.", 0),
    ("Verdict", "string", "Verified, Incomplete or Broken.", 0),
    ("Events", "integer", "Events in the log.", 0),
    ("Chain", "string", "Whether each event names the hash of the one before it.", 0),
    ("Signatures", "string", "Whether operator and gateway signed what is theirs.", 0),
    ("Gaps", "integer", "Stretches of missing events.", 0),
    ("Voids", "integer", "Messages that are no events.", 0),
    ("Cost", "string", "Recomputed, US dollars.", 0),
    ("Head", "string", "The beginning of the last event's SHA-256.", 0),
    ("Finding", "string", "The first thing a person must know.", 1),
)
_SUMMARY: tuple[Column, ...] = (
    ("Name", "string", "The Execution's name.", 0),
    ("Phase", "string", "Where it stands, by its log.", 0),
    ("Strategy", "string", "The AgentStrategy and its version.", 0),
    ("Steps", "integer", "Model turns and tool calls begun.", 0),
    ("Events", "integer", "Events in the log.", 0),
    ("Voids", "integer", "Messages that are no events.", 0),
    ("Cost", "string", "What it cost, US dollars.", 0),
    ("Age", "date", "Since the log began.", 0),
    ("Requester", "string", "Who asked for the run.", 1),
    ("Trace", "string", "The run's trace id.", 1),
)


def _trace_row(line: resources.Line) -> list[Cell]:
    latency = "" if line.latency_seconds is None else _seconds(line.latency_seconds)
    cost = "" if line.cost_usd == "0" else line.cost_usd
    shown: list[Cell] = [line.seq, line.step, f"+{_seconds(line.after_seconds)}", line.event, line.target]
    return [*shown, line.summary, cost, latency, line.tokens, line.writer, line.attempt, line.at]


def _log_row(record: resources.Record) -> list[Cell]:
    key_id = record.signature.partition(":")[0]
    seq = "" if record.seq is None else str(record.seq)
    outcome = record.reason or record.outcome
    shown: list[Cell] = [record.position, seq, record.writer, record.type, outcome, key_id]
    return [*shown, record.digest[:_DIGEST_DIGITS], record.at]


def _verification_row(item: resources.ExecutionVerification) -> list[Cell]:
    chain = "ok" if item.chain.ok else f"broken at {item.chain.broken_at}"
    signatures = "ok" if item.signatures.ok else f"{len(item.signatures.bad)} bad"
    shown: list[Cell] = [item.metadata.name, item.verdict, item.events, chain, signatures]
    shown += [len(item.gaps), len(item.voids), item.totals.cost_usd, item.head.digest[:_DIGEST_DIGITS]]
    return [*shown, item.findings[0] if item.findings else ""]


def _summary_row(item: Item, now: int) -> list[Cell]:
    found = item.summary
    strategy = f"{found.strategy} {found.strategy_version}".strip()
    shown: list[Cell] = [item.metadata.name, found.phase, strategy, found.steps, found.events, found.voids]
    return [*shown, found.cost_usd, ages.age(found.started_at, now), found.requester, found.trace_id]


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f} s" if seconds < 1 else f"{seconds:.1f} s"


def _table(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], metadata: Sequence[resources.Metadata]
) -> Table:
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {},
        "columnDefinitions": [
            {"name": name, "type": kind, "format": "", "description": description, "priority": priority}
            for name, kind, description, priority in columns
        ],
        "rows": [
            {"cells": list(row), "object": _partial(about)} for row, about in zip(rows, metadata, strict=True)
        ],
    }


def _partial(about: resources.Metadata) -> dict[str, Any]:
    """What kubectl sorts and prefixes rows by."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": about.wire()}
