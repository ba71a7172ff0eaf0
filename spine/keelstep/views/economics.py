"""Why did this run cost what it cost, and take as long as it took? Its money and its time, split by what used them.

Every moment from the start to the end belongs to exactly one of five: a model was thinking, else a tool was working,
else a person was asked, else somebody had suspended the run, else it was the machinery itself.

    start ──machinery──┤ model ├─m─┤ tool ├──m──┤ waiting for a person ├─m─┤ tool ├─m──► end

Pure: the end of an open run is an argument.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from keelstep.events import clock
from keelstep.views.history import Entry, History

CATEGORIES = ("model", "tool", "people", "suspended", "machinery")
"""Whose a moment is; the first that holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one model or one tool used."""

    kind: str
    """`model` or `tool`."""
    target: str
    calls: int
    micro_usd: int
    tokens_in: int
    tokens_out: int
    nanoseconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Economics:
    """A run's money and time."""

    shares: tuple[Share, ...]
    """The dearest first, then the slowest."""
    nanoseconds: int
    """From the first event to the end."""
    spent: dict[str, int]
    """Nanoseconds by category; they add up to the whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    category: str
    target: str
    start: int
    end: int


def compute(history: History, until: int) -> Economics:
    """A run's money and time; `until` (nanoseconds since 1970) ends what is still open."""
    state = history.state
    end = state.over_at or max(until, state.stored_at)
    spans = list(_spans(history.entries, end))
    start = state.started_at or end
    return Economics(
        shares=_shares(history.entries, spans, end), nanoseconds=end - start, spent=_divide(spans, start, end)
    )


def _spans(entries: Sequence[Entry], end: int) -> Iterator[_Span]:
    """Every stretch of time that something was going on."""
    begun: dict[object, Entry] = {}
    for entry in entries:
        line, key = entry.line, entry.key
        match line.type:
            case "model.called" | "tool.called" | "gate.requested":
                begun[key] = entry
            case "model.replied" | "tool.result" | "gate.decided":
                first = begun.pop(key, None)
                # a free read has no claim: all that is known is how long it took
                start = first.line.stored_at if first else line.stored_at - _nanoseconds(line.latency_ms)
                yield _Span(
                    category=_category(line.type), target=line.target, start=start, end=line.stored_at
                )
            case "exec.suspended":
                begun["suspended"] = entry
            case "exec.resumed" if "suspended" in begun:
                start = begun.pop("suspended").line.stored_at
                yield _Span(category="suspended", target="", start=start, end=line.stored_at)
            case _:
                pass
    for entry in begun.values():
        yield _Span(
            category=_category(entry.line.type), target=entry.line.target, start=entry.line.stored_at, end=end
        )


def _category(event_type: str) -> str:
    return {"model": "model", "tool": "tool", "gate": "people"}.get(event_type.partition(".")[0], "suspended")


def _nanoseconds(milliseconds: int | None) -> int:
    return (milliseconds or 0) * clock.SECOND // 1000


def _divide(spans: Sequence[_Span], start: int, end: int) -> dict[str, int]:
    """Each moment given to the first category that holds then."""
    changes: list[tuple[int, int, str]] = []
    for span in spans:
        first, last = max(span.start, start), min(span.end, end)
        if first < last:
            changes += [(first, 1, span.category), (last, -1, span.category)]
    spent = dict.fromkeys(CATEGORIES, 0)
    active = dict.fromkeys(CATEGORIES, 0)
    active["machinery"] = 1
    here = start
    for at, step, category in sorted(changes):
        owner = next(name for name in CATEGORIES if active[name])
        spent[owner] += at - here
        here = at
        active[category] += step
    spent[next(name for name in CATEGORIES if active[name])] += end - here
    return spent


def _shares(entries: Sequence[Entry], spans: Sequence[_Span], end: int) -> tuple[Share, ...]:
    used: dict[tuple[str, str], list[int]] = {}
    for entry in entries:
        line = entry.line
        if line.type in ("model.replied", "tool.result"):
            sums = used.setdefault((_category(line.type), line.target), [0, 0, 0, 0, 0])
            # a runner's word on cost counts for nothing
            counts = line.writer == "gw"
            settled = (line.micro_usd, line.tokens_in, line.tokens_out) if counts else (0, 0, 0)
            for place, amount in enumerate((1, *settled)):
                sums[place] += amount
    for span in spans:
        if span.category in ("model", "tool"):
            # what is settled after the end took none of the run's time
            taken = max(0, min(span.end, end) - span.start)
            used.setdefault((span.category, span.target), [0, 0, 0, 0, 0])[4] += taken
    shares = (
        Share(
            kind=kind,
            target=target,
            calls=calls,
            micro_usd=micro_usd,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            nanoseconds=nanoseconds,
        )
        for (kind, target), (calls, micro_usd, tokens_in, tokens_out, nanoseconds) in used.items()
    )
    return tuple(sorted(shares, key=lambda share: (-share.micro_usd, -share.nanoseconds, share.target)))
