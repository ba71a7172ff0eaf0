"""How does a trace read on a terminal? A header that explains cost and time, then a line for each event."""

from collections.abc import Sequence

from keelstep.cli.show import Cell, Show
from keelstep.views import resources

COLUMNS = ("SEQ", "STEP", "AFTER", "EVENT", "TARGET", "SUMMARY", "COST", "LATENCY")
_CATEGORIES = (
    ("model", "models thinking"),
    ("tool", "tools working"),
    ("people", "waiting for people"),
    ("suspended", "suspended"),
    ("machinery", "machinery"),
)


def header(show: Show, trace: resources.ExecutionTrace) -> None:
    """Why did this run cost what it cost and take as long as it took?"""
    summary, economics = trace.summary, trace.economics
    phase = f"{summary.phase} ({summary.reason})" if summary.reason else summary.phase
    voids = f"{summary.voids} messages in this log are no events: see `keelstep verify`"
    show.facts(
        (
            ("Execution", f"{trace.metadata.namespace}/{trace.metadata.name}"),
            ("Phase", phase),
            ("Strategy", f"{summary.strategy} {summary.strategy_version}".strip()),
            ("Requested by", summary.requester),
            ("Steps", f"{summary.steps} in {summary.events} events, {summary.tokens} tokens"),
            ("Warning", voids if summary.voids else None),
        )
    )
    if economics is None:
        return
    times = economics.seconds
    show.line()
    show.line(f"Cost {summary.cost_usd} of {summary.budget_usd} USD", style="bold")
    show.table(
        ("WHAT", "CALLS", "USD", "SHARE", "TIME"), [_share(each, economics) for each in economics.shares]
    )
    show.line()
    show.line(f"Time {span(times.total)}", style="bold")
    spent = times.model_dump()
    rows: list[Sequence[Cell]] = [
        [told, span(spent[category]), percent(spent[category], times.total)]
        for category, told in _CATEGORIES
        if spent[category] or category != "suspended"
    ]
    show.table(("WHERE", "TIME", "SHARE"), rows)


def table(show: Show, lines: Sequence[resources.Line]) -> None:
    """The events."""
    show.table(
        COLUMNS, [row(line) for line in lines], fold="SUMMARY", spare=("STEP", "AFTER", "LATENCY", "COST")
    )


def row(line: resources.Line) -> list[Cell]:
    """An event on one line."""
    cost = None if line.cost_usd == "0" else line.cost_usd
    latency = None if line.latency_seconds is None else span(line.latency_seconds)
    after = f"+{span(line.after_seconds)}"
    return [line.seq, line.step, after, line.event, line.target, line.summary, cost, latency]


def span(seconds: float) -> str:
    """A span of time: `12 ms`, `3.4 s`, `2 min 5 s`, `3 h 10 min`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def percent(part: float, whole: float) -> str:
    """A share: `12 %`."""
    return f"{100 * part / whole:.0f} %" if whole else "0 %"


def _share(share: resources.Share, economics: resources.Economics) -> list[Cell]:
    total = sum(float(each.cost_usd) for each in economics.shares)
    told = f"{share.kind} {share.target}"
    return [told, share.calls, share.cost_usd, percent(float(share.cost_usd), total), span(share.seconds)]
