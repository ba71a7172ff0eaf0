"""What do an execution's stored messages amount to, as the views need it? Its events as lines, and what is no event.

The fold is `domain.execution`'s own; here it is only kept with what a view shows. A history can be extended by later
messages, so that nothing is folded twice. Pure: it reads nothing and knows no clock.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from keelstep.domain import execution, trace, validity
from keelstep.domain.state import State
from keelstep.events import types
from keelstep.events.envelope import Event
from keelstep.events.frame import Stored

Key = tuple[str, int, int]
"""What belongs together: `("model", ordinal, 0)`, `("tool" | "gate", plan_seq, index)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One event."""

    line: trace.Line
    key: Key | None
    """What it begins or ends, if anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """A message that is no event of this log."""

    position: int
    reason: str
    writer: str
    claims_seq: int
    """The place in the log it claims; 0 where it claims none."""
    is_signed: bool
    """True where operator or gateway vouch for it with their own key; a runner's message never is."""
    is_unsigned: bool
    """True where operator or gateway should have signed it and did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """An execution's log as far as it was read."""

    state: State
    entries: tuple[Entry, ...] = ()
    foreign: tuple[Foreign, ...] = ()
    undecided: int = 0
    """Messages from the first that this program does not know: nothing past it can be judged."""

    @property
    def messages(self) -> int:
        """How many messages were read."""
        return len(self.entries) + len(self.foreign) + self.undecided


def begin(tenant: str, xid: str) -> History:
    """The history before any message."""
    return History(state=execution.begin(xid, tenant))


class Draft:
    """A history that grows, part by part; nothing of a part is kept but what a view shows."""

    def __init__(self, history: History, vouch: validity.Vouch) -> None:
        self.state = history.state
        self._vouch = vouch
        self._entries, self._foreign = list(history.entries), list(history.foreign)
        self._undecided = history.undecided

    def add(self, messages: Iterable[Stored]) -> None:
        """Fold these later messages."""
        for stored in messages:
            was_undecidable = bool(self.state.undecidable)
            self.state, outcome = execution.advance(self.state, stored, self._vouch)
            if isinstance(outcome, Event):
                line = trace.line(outcome, stored, self.state)
                self._entries.append(Entry(line=line, key=_key(outcome)))
            elif isinstance(outcome, execution.Void) and not was_undecidable:
                self._foreign.append(_foreign(outcome, stored, self._vouch))
            else:
                self._undecided += 1

    def history(self) -> History:
        """As far as it has come."""
        return History(
            state=self.state,
            entries=tuple(self._entries),
            foreign=tuple(self._foreign),
            undecided=self._undecided,
        )


def extend(history: History, messages: Iterable[Stored], vouch: validity.Vouch) -> History:
    """The history with these later messages."""
    draft = Draft(history, vouch)
    draft.add(messages)
    return draft.history()


def phase(state: State) -> str:
    """Where the run stands by its log alone, in the words of an Execution's status."""
    if state.killed is not None:
        return "Killed"
    if state.finished is not None:
        return state.finished.outcome.capitalize()
    questions = (
        (state.is_unwinding, "Unwinding"),
        (state.suspended is not None, "Suspended"),
        (state.pending_gates > 0, "WaitingForApproval"),
        (state.worked, "Running"),
        (state.attempt > 0, "Scheduled"),
    )
    return next((name for holds, name in questions if holds), "Pending")


def reason(state: State) -> str:
    """Why the run ended, in the words of an Execution's status; empty where the log does not say, or it goes on."""
    if state.killed is not None:
        return f"{state.killed.scope.capitalize()}Killed"
    return state.finished.reason if state.finished is not None else ""


class _Claimed(msgspec.Struct, frozen=True):
    seq: int = 0


def _foreign(void: execution.Void, stored: Stored, vouch: validity.Vouch) -> Foreign:
    writer = validity.writer_of(stored.writer)
    must_be_signed = writer is not None and writer[0] is not types.Writer.RUNNER
    is_signed = must_be_signed and writer is not None and vouch(writer[0], stored)
    try:
        claimed = msgspec.json.decode(stored.payload, type=_Claimed).seq
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        claimed = 0
    return Foreign(
        position=void.position,
        reason=void.reason,
        writer=stored.writer,
        claims_seq=claimed,
        is_signed=is_signed,
        is_unsigned=must_be_signed and not is_signed,
    )


def _key(event: Event) -> Key | None:
    match event.data:
        case types.ModelCalled(ordinal=ordinal) | types.ModelReplied(ordinal=ordinal):
            return ("model", ordinal, 0)
        case types.ToolCalled(plan_seq=plan, index=index) | types.ToolResult(plan_seq=plan, index=index):
            return ("tool", plan, index)
        case types.GateRequested(plan_seq=plan, index=index) | types.GateDecided(plan_seq=plan, index=index):
            return ("gate", plan, index)
        case _:
            return None
