"""How is a run watched? Its new events are asked for once a second and printed, until it is over.

Watching changes nothing: Ctrl-C ends the looking, not the run.
"""

import asyncio

from keelstep import errors
from keelstep.cli import answer, exits, reading, timeline
from keelstep.cli.exits import Exit
from keelstep.cli.session import Session
from keelstep.cli.show import note, one_line
from keelstep.kinds.execution import TERMINAL_PHASES
from keelstep.kube import Object
from keelstep.views import resources

INTERVAL_SECONDS = 1.0


async def follow(session: Session, name: str) -> str:
    """Print events as they come, and each phase as it changes; returns the phase it ended in.

    Raises:
        exits.Ended: there is no such run, or it did not end well.
    """
    try:
        return await _follow(session, name)
    except asyncio.CancelledError:
        note(f"no longer looking; the run goes on: keelstep trace {name} -f -n {session.namespace}")
        raise


async def _follow(session: Session, name: str) -> str:
    after, told, has_views = "", ("", ""), True
    while True:
        execution = await reading.find(session, reading.EXECUTIONS, name)
        status = (execution or {}).get("status", {})
        # the phase first: what is printed below then includes the event that ended the run
        now = str(status.get("phase", "Pending")) if execution is not None else ""
        if has_views:
            try:
                after, seen = await _print_new(session, name, after)
                now = now or seen
            except exits.Ended as ended:
                if ended.code not in (Exit.NOT_FOUND, Exit.UNAVAILABLE):
                    raise
                if execution is None:
                    raise
                has_views = ended.code is Exit.NOT_FOUND
                if not has_views:
                    note(f"only the phase is shown: {ended.message}")
            except errors.ForbiddenError:
                has_views = False
                note("only the phase is shown: you may not read executiontraces")
        # a reason may change while the phase stays: a run that waits for a person's act says so
        if (now, str(status.get("reason", ""))) != told:
            told = (now, str(status.get("reason", "")))
            session.show.line(f"· {name} is {now}{_because(status)}", style="bold")
        if now in TERMINAL_PHASES:
            output = await answer.beside(session, name) if has_views else ""
            if output:
                session.show.line(f"· it answered: {output}", style="bold")
            if now != "Succeeded":
                raise exits.failed()
            return now
        await asyncio.sleep(INTERVAL_SECONDS)


async def _print_new(session: Session, name: str, after: str) -> tuple[str, str]:
    """Print what came after a token; the next token, and the phase by the log."""
    phase = ""
    async for page in reading.pages(session, resources.ExecutionTrace, name, after=after):
        for line in page.lines:
            session.show.line(_told(line))
        phase = page.summary.phase
        after = page.paging.next if page.paging else after
    return after, phase


def _told(line: resources.Line) -> str:
    cost = "" if line.cost_usd == "0" else f"  {line.cost_usd} USD"
    what = f"{line.target} {line.summary}".strip()
    return f"{'+' + timeline.span(line.after_seconds):>11}  {line.event:<15} {one_line(what)}{cost}"


def _because(status: Object) -> str:
    gate = status.get("gate")
    if gate and status.get("phase") == "WaitingForApproval":
        return f": decide with `keelstep gate show {gate}`"
    told = status.get("outcome") or status.get("reason")
    return f": {one_line(told)}" if told else ""
