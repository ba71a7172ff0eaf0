"""How does a history become an answer? As one of our kinds, as JSON.

Pure: histories and verdicts in, `resources` out. What `kubectl get` prints is made in `tables`.
"""

import base64
from collections.abc import Sequence
from typing import Literal

import msgspec
import orjson

from keelstep.domain import deadletters, money
from keelstep.domain.trace import Line
from keelstep.events import clock, envelope
from keelstep.events.frame import Stored
from keelstep.views import economics, history, resources, verification
from keelstep.views.history import Entry, History
from keelstep.views.source import Answer


def metadata(name: str, found: History) -> resources.Metadata:
    """Which execution an answer is about."""
    state = found.state
    return resources.Metadata(
        name=name,
        namespace=state.tenant,
        uid=state.xid,
        creation_timestamp=clock.whole(state.started_at) if state.started_at else None,
    )


def summary(found: History) -> resources.Summary:
    """The execution on one line."""
    state = found.state
    phase = history.phase(state)
    started = state.started
    if started is None:
        return resources.Summary(phase=phase, events=len(found.entries), voids=len(found.foreign))
    return resources.Summary(
        phase=phase,
        strategy=started.strategy,
        strategy_version=started.strategy_version,
        requester=started.requester,
        trace_id=state.trace_id,
        started_at=clock.whole(state.started_at),
        finished_at=clock.whole(state.over_at) if state.over_at else None,
        reason=history.reason(state),
        events=len(found.entries),
        steps=state.step,
        attempt=state.attempt,
        tokens=state.tokens,
        cost_usd=money.usd(state.spent_micro_usd),
        budget_usd=money.usd(started.budget_micro_usd),
        voids=len(found.foreign),
        dead_letters=len(deadletters.of(state)),
    )


def dead_letters(found: History) -> list[resources.DeadLetter]:
    """What waits for a person."""
    times = {entry.line.seq: entry.line.stored_at for entry in found.entries}
    return [
        resources.DeadLetter(
            kind=letter.kind,
            seq=letter.seq,
            tool=letter.tool,
            reason=letter.reason,
            message=letter.message,
            at=clock.whole(times.get(letter.seq, found.state.stored_at)),
        )
        for letter in deadletters.of(found.state)
    ]


def trace(
    name: str, found: History, page: Sequence[Entry], paging: resources.Paging, now: int
) -> resources.ExecutionTrace:
    """A page of an execution's trace."""
    start = found.state.started_at
    return resources.ExecutionTrace(
        metadata=metadata(name, found),
        summary=summary(found),
        economics=_economics(economics.compute(found, now)),
        dead_letters=dead_letters(found),
        lines=[_line(entry.line, start) for entry in page],
        paging=paging,
    )


def output(answer: Answer) -> resources.Output:
    """What a run answered."""
    named = answer.named
    found = resources.Output(
        media_type=named.media_type, size=named.size, digest=named.digest, missing=answer.missing
    )
    if answer.payload is None:
        return found
    if _is_json(answer.payload):
        return found.model_copy(update={"value": orjson.Fragment(answer.payload)})
    return found.model_copy(update={"text": answer.payload.decode(errors="replace")})


def log(
    name: str,
    found: History,
    page: Sequence[Stored],
    paging: resources.Paging,
    answer: Answer | None = None,
) -> resources.ExecutionLog:
    """A page of an execution's messages as they are stored."""
    events = {entry.line.position: entry.line for entry in found.entries}
    voids = {each.position: each.reason for each in found.foreign}
    return resources.ExecutionLog(
        metadata=metadata(name, found),
        summary=summary(found),
        output=output(answer) if answer is not None else None,
        records=[_record(stored, events.get(stored.position), voids.get(stored.position)) for stored in page],
        paging=paging,
    )


def verified(name: str, found: History) -> resources.ExecutionVerification:
    """Whether an execution's log can be trusted."""
    judged = verification.judge(found)
    most = resources.MOST_LISTED
    return resources.ExecutionVerification(
        metadata=metadata(name, found),
        summary=summary(found),
        verdict=judged.verdict,
        events=judged.events,
        chain=resources.Chain(ok=not judged.broken_at, broken_at=judged.broken_at or None),
        signatures=resources.Signatures(ok=not judged.bad_signatures, bad=list(judged.bad_signatures[:most])),
        gaps=[
            resources.Gap(after_seq=gap.after_seq, before_seq=gap.before_seq, position=gap.position)
            for gap in judged.gaps[:most]
        ],
        voids=[
            resources.Void(position=void.position, reason=void.reason, writer=void.writer)
            for void in judged.voids[:most]
        ],
        undecidable=judged.undecidable,
        head=resources.Head(seq=judged.head_seq, digest=judged.head_digest),
        totals=resources.Totals(
            cost_usd=money.usd(judged.micro_usd), tokens=judged.tokens, steps=judged.steps
        ),
        findings=list(judged.findings),
    )


def _line(line: Line, start: int) -> resources.Line:
    return resources.Line(
        seq=line.seq,
        step=line.step,
        event=line.type,
        target=line.target,
        summary=line.summary,
        cost_usd=money.usd(line.micro_usd),
        tokens=line.tokens_in + line.tokens_out,
        latency_seconds=line.latency_ms / 1000 if line.latency_ms is not None else None,
        at=clock.text(line.stored_at),
        after_seconds=_seconds(line.stored_at - start),
        writer=line.writer,
        attempt=line.attempt,
        position=line.position,
        digest=line.digest,
    )


def _record(stored: Stored, line: Line | None, void: str | None) -> resources.Record:
    outcome: Literal["Event", "Void", "Undecided"] = (
        "Event" if line is not None else "Void" if void is not None else "Undecided"
    )
    is_json = _is_json(stored.payload)
    return resources.Record(
        position=stored.position,
        seq=line.seq if line else None,
        type=line.type if line else "",
        writer=stored.writer,
        at=clock.text(stored.stored_at),
        signature=stored.signature,
        digest=line.digest if line else envelope.digest(stored.payload),
        outcome=outcome,
        reason=void or "",
        envelope=orjson.Fragment(stored.payload) if is_json else None,
        bytes=None if is_json else base64.b64encode(stored.payload).decode(),
    )


def _is_json(payload: bytes) -> bool:
    """Anything else, put as it is into an answer, could change what the answer says."""
    try:
        msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _economics(found: economics.Economics) -> resources.Economics:
    spent = {category: _seconds(nanoseconds) for category, nanoseconds in found.spent.items()}
    return resources.Economics(
        shares=[
            resources.Share(
                kind="model" if share.kind == "model" else "tool",
                target=share.target,
                calls=share.calls,
                cost_usd=money.usd(share.micro_usd),
                tokens_in=share.tokens_in,
                tokens_out=share.tokens_out,
                seconds=_seconds(share.nanoseconds),
            )
            for share in found.shares
        ],
        seconds=resources.Times(total=_seconds(found.nanoseconds), **spent),
    )


def _seconds(nanoseconds: int) -> float:
    return round(nanoseconds / clock.SECOND, 3)
