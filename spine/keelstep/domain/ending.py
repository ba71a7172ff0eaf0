"""What changes in the fold when a call ends, and when it turns out how it had ended?

    tool.result ──► its claim is closed, what is known of its key is settled, and what may have to be undone remembered
    tool.reconciled ──► what was unknown is known
    a person's yes to make a call again ──► open once more; where it may have happened, that stays known until it ends again

Works on a draft: called by `execution` alone.
"""

from keelstep.domain import draft
from keelstep.domain.state import KeyState, Place, Reconciled, Result, State
from keelstep.events import types
from keelstep.events.envelope import Event
from keelstep.events.frame import Stored

_change, _put, _count, _drop = draft.change, draft.put, draft.count, draft.drop
_GATEWAY = str(types.Writer.GATEWAY)


def result(now: State, event: Event, stored: Stored) -> None:
    """A call ended."""
    data = event.data
    assert isinstance(data, types.ToolResult)
    place = (data.plan_seq, data.index)
    claim = now.claims[place] if data.claim_seq is not None else None
    if claim is not None:
        _drop(now, "claims", place)
        _change(now, "reserved_micro_usd", now.reserved_micro_usd - claim.estimate_micro_usd)
    else:
        begin(now, data.tool)
    if place in now.doubted and data.status == "denied":
        _back_in_doubt(now, place)
        return
    if place in now.doubted:
        _forget(now, now.doubted[place].seq)
        _drop(now, "doubted", place)
    _put(now, "results", place, Result(seq=event.seq, data=data))
    if data.status == "ok" and data.replayed_seq is None and data.undoes is None:
        _count(now, "successes", data.tool)
    if claim is not None and data.undoes is None:
        if data.status in ("ok", "unknown"):
            _remember(now, event.seq, place, data.tool)
        if now.is_unwinding:
            _change(now, "unwinding_at", stored.stored_at)  # what was in flight could not be undone before
    if stored.writer == _GATEWAY:
        settle(now, event)
        _settle_key(now, event.seq, data, claim.key if claim is not None else data.idempotency_key)


def reconciled(now: State, event: Event, stored: Stored) -> None:
    """A read found out about a call whose outcome nobody knew."""
    data = event.data
    assert isinstance(data, types.ToolReconciled)
    _put(now, "reconciled", (data.plan_seq, data.index), Reconciled(seq=event.seq, data=data))
    if data.status == "ok":
        _count(now, "successes", data.tool)
    _know(now, data.idempotency_key, KeyState(status=data.status, seq=event.seq, tool=data.tool))


def reopen(now: State, place: Place, seq: int) -> None:
    """A person let a call that came to nothing be made again, with the same key; where it may have happened, that is not
    forgotten."""
    found = now.reconciled.get(place)
    if found is not None and found.data.status == "ok":
        return  # it was found out meanwhile that it happened
    before = now.results[place]
    data = before.data
    _drop(now, "results", place)
    if found is not None:
        _drop(now, "reconciled", place)
        _forget(now, before.seq)
    elif data.status == "unknown":
        _put(now, "doubted", place, before)
    if data.idempotency_key in now.keys:
        _know(now, data.idempotency_key, KeyState(status="failed", seq=seq, tool=data.tool))


def undone_by_hand(now: State, place: Place, seq: int) -> None:
    """A person undid it: what came of our own try is settled."""
    result = now.results[place].data
    known = now.keys.get(result.idempotency_key)
    if known is not None and known.status == "unknown":
        _know(now, result.idempotency_key, KeyState(status="ok", seq=seq, tool=result.tool))


def begin(now: State, tool: str) -> None:
    """A tool call began: it counts as a step whatever becomes of it."""
    _change(now, "step", now.step + 1)
    _change(now, "tool_calls", now.tool_calls + 1)
    _count(now, "calls", tool)


def settle(now: State, event: Event) -> None:
    """What a gateway says it cost; a runner's word on cost counts for nothing."""
    cost = event.cost
    _change(now, "tokens", now.tokens + cost.tokens_in + cost.tokens_out)
    _change(now, "spent_micro_usd", now.spent_micro_usd + cost.micro_usd)


def _remember(now: State, seq: int, place: Place, tool: str) -> None:
    """A call that may have to be undone."""
    if now.pins[tool].undo:
        _change(now, "undoable", (*now.undoable, (seq, place)))


def _forget(now: State, seq: int) -> None:
    """A call that is nothing to undo any more."""
    _change(now, "undoable", tuple(each for each in now.undoable if each[0] != seq))


def _back_in_doubt(now: State, place: Place) -> None:
    """It is not made again after all: what came of it before is what is known."""
    before = now.doubted[place]
    _drop(now, "doubted", place)
    _put(now, "results", place, before)
    key = before.data.idempotency_key
    _know(now, key, KeyState(status="unknown", seq=before.seq, tool=before.data.tool))


def _settle_key(now: State, seq: int, data: types.ToolResult, key: str) -> None:
    """What is known about a key now, by the gateway's word; a runner's on keys counts for nothing."""
    if not key or data.status == "denied" or data.replayed_seq is not None:
        return
    _know(now, key, KeyState(status=data.status, seq=seq, tool=data.tool))


def _know(now: State, key: str, known: KeyState) -> None:
    """What is known about a key, and whether nobody knows its outcome."""
    _put(now, "keys", key, known)
    before = now.unknown.get(known.tool, ())
    after = (*(other for other in before if other != key), *([key] if known.status == "unknown" else []))
    if after != before:
        _put(now, "unknown", known.tool, after)
