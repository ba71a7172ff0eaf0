"""What does a log come to? Its fold, its verdict, its view and its rows, as plain JSON.

Recorded once with the log and compared for ever after, so it holds facts only: no sentence that may be put better one
day. A later version may say more; `differences` looks at what the recorded one said.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from keelstep.domain import execution
from keelstep.domain.state import State
from keelstep.events import signing
from keelstep.events.envelope import Event, Undecidable
from keelstep.events.frame import Stored
from keelstep.log import spine
from keelstep.store import feed, fold, prepare, rows, verifier
from keelstep.views import history, presentation, verification

_PROSE = frozenset({"summary"})
"""Columns in words."""


def expectation(
    messages: Sequence[Stored], keyring: signing.Keyring, *, tenant: str, xid: str, shard: int
) -> dict[str, Any]:
    """What these messages come to."""
    vouch = spine.vouch_with(keyring, tenant, xid, shard)
    state, outcomes = execution.fold(execution.begin(xid, tenant), messages, vouch)
    found = history.extend(history.begin(tenant, xid), messages, vouch)
    assert found.state == state, "views and fold disagree"
    judged = verification.judge(found)
    return {
        "outcomes": [_outcome(each) for each in outcomes],
        "state": _state(state),
        "verdict": {
            "verdict": judged.verdict,
            "events": judged.events,
            "undecided": judged.undecided,
            "head": {"seq": judged.head_seq, "digest": judged.head_digest},
            "broken_at": judged.broken_at,
            "bad_signatures": list(judged.bad_signatures),
            "voids": [[each.position, each.writer, each.reason] for each in judged.voids],
        },
        "view": _view(found),
        "rows": _rows(messages, keyring, tenant, xid, shard),
    }


def differences(expected: Any, found: Any, where: str = "") -> Iterator[str]:
    """Where something is not what was recorded, a line each; what was not recorded may be anything."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        for key, value in expected.items():
            if key not in found:
                yield f"{where}.{key} is missing"
            else:
                yield from differences(value, found[key], f"{where}.{key}")
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for place, (one, other) in enumerate(zip(expected, found, strict=True)):
            yield from differences(one, other, f"{where}[{place}]")
    elif expected != found:
        yield f"{where} is {found!r}, not {expected!r}"


def batch(messages: Sequence[Stored], keyring: signing.Keyring, tenant: str, xid: str, shard: int) -> Any:
    """What the projector writes of these messages."""
    arrivals = [feed.arrived(shard, tenant, xid, stored) for stored in messages]
    signed = verifier.answers(keyring, verifier.questions(arrivals))
    folded = fold.Fold()
    folded.restore([(tenant, xid)], {})
    return prepare.build(
        shard,
        folded.judge(
            [fold.Vouched(arrival=each, is_signed=one) for each, one in zip(arrivals, signed, strict=True)]
        ),
    )


def _outcome(outcome: execution.Outcome) -> str:
    match outcome:
        case Event():
            return outcome.type
        case Undecidable():
            return f"undecidable {outcome.envelope.type} v{outcome.envelope.v}"
        case execution.Void():
            return f"void {outcome.reason}"


def _state(state: State) -> dict[str, Any]:
    """What decisions rest on."""
    ended = state.killed or state.finished
    return {
        "seq": state.seq,
        "head": state.head,
        "position": state.position,
        "voids": state.voids,
        "undecidable": state.undecidable,
        "attempt": state.attempt,
        "step": state.step,
        "model_calls": state.ordinal,
        "tool_calls": state.tool_calls,
        "calls": dict(sorted(state.calls.items())),
        "successes": dict(sorted(state.successes.items())),
        "keys": sorted([key, each.status, each.tool] for key, each in state.keys.items()),
        "unknown": sorted(key for keys in state.unknown.values() for key in keys),
        "claims": sorted(each.seq for each in state.claims.values()),
        "gates": sorted(
            [each.request_seq, each.decided.verdict if each.decided else "", each.used]
            for each in state.gates.values()
        ),
        "pending_gates": state.pending_gates,
        "tokens": state.tokens,
        "spent_micro_usd": state.spent_micro_usd,
        "reserved_micro_usd": state.reserved_micro_usd,
        "is_suspended": state.suspended is not None,
        "is_cancelled": state.cancelled is not None,
        "is_over": state.is_over,
        "ended": msgspec.to_builtins(ended).get("reason", "") if ended is not None else "",
    }


def _view(found: history.History) -> dict[str, Any]:
    return presentation.summary(found).model_dump(mode="json", by_alias=True)


def _rows(
    messages: Sequence[Stored], keyring: signing.Keyring, tenant: str, xid: str, shard: int
) -> dict[str, Any]:
    written = batch(messages, keyring, tenant, xid, shard)
    return {
        "executions": [_named(rows.EXECUTION_COLUMNS, row) for row in written.executions],
        "lines": [_named(rows.LINE_COLUMNS, row) for row in written.lines],
        "undecidable": [list(row) for row in written.undecidable],
    }


def _named(columns: Sequence[str], row: rows.Row) -> dict[str, Any]:
    pairs = zip(columns, row, strict=True)
    return {name: _plain(value) for name, value in pairs if name not in _PROSE}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
