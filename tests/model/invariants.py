"""What must never be seen? Each invariant by name, asked of the log and the tools' own ledgers.

Nothing here asks the fold what is allowed: what the log says is read from its events one by one.
"""

from keelstep.domain.state import Place
from keelstep.events import types
from keelstep.events.envelope import Event
from tests.model import cast, world
from tests.model.explorer import Broken
from tests.model.journal import Journal, Node

ONE_EFFECT = "at most one effect per idempotency key"
ONE_SEND = "at most one send of what promises nothing"
ONE_USE = "at most one use per approval, and none without"
THE_END = "after the end only closing records"
NOT_AFTER_KILL = "nothing begins after a kill's acknowledgement"
CLOSES = "every stored claim ends in a result"
NEVER_VOID = "an acknowledged append is never void"
OWN_BYTES = "who takes an append for stored finds its own bytes"
RECORDED = "what a tool answered is recorded"
FAILED = "what is recorded as failed did not happen"
COUNTED = "no call is sent more often than the log says"
UNDONE = "a run that failed or was cancelled ends with what it did undone, or a person's word"
KNOWN_STOP = "who knows of a stop sends nothing"
ONE_LOG = "one log per name"
AS_ASKED = "a log runs what its name asks for"
OWN_DELETION = "a deletion ends its own run only"
FREED = "a recorded deletion frees its name"
INVARIANTS = (
    ONE_EFFECT, ONE_SEND, ONE_USE, THE_END, NOT_AFTER_KILL, CLOSES, NEVER_VOID, OWN_BYTES, RECORDED, FAILED, COUNTED,
    UNDONE, KNOWN_STOP, ONE_LOG, AS_ASKED, OWN_DELETION, FREED,
)  # fmt: skip
"""All of them."""

_BEGINS = ("tool.called", "tool.retried")


def of_append(journal: Journal, before: world.World, node: int, *, is_acknowledged: bool) -> Broken | None:
    """What a message that was just stored shows to be wrong."""
    event = journal.nodes[node].event
    if not journal.is_event(node, before.tick):
        said = getattr(journal.nodes[node].outcome, "reason", "not what everybody reads")
        return (
            Broken(NEVER_VOID, f"its writer takes it for stored, but it is void: {said}")
            if is_acknowledged
            else None
        )
    assert event is not None
    if before.control == world.ACKNOWLEDGED and event.type in _BEGINS:
        return Broken(NOT_AFTER_KILL, f"{event.type} is stored although the kill was acknowledged")
    data = event.data
    if isinstance(data, types.ToolResult) and data.status == "failed" and _is_done(before, data):
        return Broken(FAILED, f"{data.tool} is recorded as failed, and the effect is there")
    earlier = journal.path(before.head)
    if isinstance(data, types.ExecFinished) and data.outcome != "succeeded" and _left_behind(earlier):
        return Broken(UNDONE, f"it ends {data.outcome}, and {_left_behind(earlier)} stands")
    is_over = any(each.event and each.event.type in ("exec.killed", "exec.finished") for each in earlier)
    if is_over and not _closes(earlier, event, journal.nodes[node].stored.writer):
        return Broken(THE_END, f"{event.type} is an event although the run is over")
    return None


def _closes(earlier: list[Node], event: Event, writer: str) -> bool:
    """A result of an open claim, or of a read that needs none."""
    data = event.data
    if not isinstance(data, types.ToolResult) or writer != "gw":
        return event.type in ("model.replied", "feedback.given")
    if data.claim_seq is None:
        return data.tier == 0
    told = [each.event for each in earlier if each.event is not None]
    is_claimed = any(each.seq == data.claim_seq and each.type == "tool.called" for each in told)
    is_closed = any(
        getattr(each.data, "status", "") and getattr(each.data, "claim_seq", None) == data.claim_seq
        for each in told
    )
    return is_claimed and not is_closed


def of_late_effect(journal: Journal, now: world.World, sent: world.Sent) -> Broken | None:
    """What an effect that appears at last shows to be wrong."""
    told = [each.event.data for each in journal.path(now.head) if each.event is not None]
    is_denied = any(
        isinstance(data, types.ToolResult) and data.status == "failed" and data.idempotency_key == sent.key
        for data in told
    )
    return Broken(FAILED, f"{sent.effect} is recorded as failed, and appears") if is_denied else None


def _left_behind(earlier: list[Node]) -> str:
    """The first call that was made, can be undone, and about which nothing more is said."""
    told = [each.event for each in earlier if each.event is not None]
    for event in told:
        data = event.data
        if not isinstance(data, types.ToolResult) or (data.tool, data.status) != (cast.MAKE, "ok"):
            continue
        is_settled = any(
            (
                isinstance(each.data, types.ToolResult)
                and each.data.status == "ok"
                and each.data.undoes == event.seq
            )
            or (isinstance(each.data, types.GateDecided) and each.data.plan_seq == event.seq)
            for each in told
        )
        if not is_settled and data.replayed_seq is None:
            return data.tool
    return ""


def _is_done(before: world.World, data: types.ToolResult) -> bool:
    """Whether the tool did it, by its own ledger."""
    return any(each.key == data.idempotency_key and each.is_done for each in before.ledger)


def _counted(journal: Journal, before: world.World, place: Place) -> int:
    """How often a call may have been sent, by the log."""
    told = [each.event.data for each in journal.path(before.head) if each.event is not None]
    return sum(
        isinstance(data, types.ToolCalled | types.ToolRetried) and (data.plan_seq, data.index) == place
        for data in told
    )


def _approved(journal: Journal, before: world.World, place: Place) -> int:
    """How often people let a call be made once more, by the log."""
    told = [each.event.data for each in journal.path(before.head) if each.event is not None]
    return sum(
        isinstance(data, types.GateDecided)
        and (data.plan_seq, data.index, data.verdict) == (*place, "approved")
        for data in told
    )


def of_send(
    journal: Journal,
    before: world.World,
    hand: world.Hand,
    tool: str,
    place: Place,
    sent: world.Sent,
    *,
    is_frozen: bool,
) -> Broken | None:
    """What a call that a tool just got shows to be wrong."""
    if before.control != world.NOT_STOPPED and hand.knows and not is_frozen:
        return Broken(KNOWN_STOP, f"{tool} is called by a gateway that has seen the stop")
    if tool == cast.AGAIN and sent.times > _counted(journal, before, place):
        return Broken(COUNTED, f"{tool} is sent {sent.times} times, which the log does not say")
    if tool == cast.KEYED and any(
        each.effect == sent.effect and each.key != sent.key for each in before.ledger
    ):
        return Broken(ONE_EFFECT, f"{sent.effect} is done under two keys")
    if tool == cast.ONCE and sent.times > 1:
        return Broken(ONE_SEND, f"{tool} is called twice for the call at {place[1]}")
    if tool == cast.PLEAD and sent.times > 1 + _approved(journal, before, place):
        return Broken(ONE_SEND, f"{tool} is called {sent.times} times, which no person approved")
    if tool == cast.GATED and sent.times > 1:
        return Broken(ONE_USE, f"{tool} is called twice under one approval")
    if tool == cast.GATED and before.human != world.APPROVED:
        return Broken(ONE_USE, f"{tool} is called although no person approved it")
    return None


def of_recognition(journal: Journal, node: int, payload: bytes) -> Broken | None:
    """What a writer that takes a message for its own shows to be wrong."""
    if journal.nodes[node].stored.payload == payload:
        return None
    return Broken(OWN_BYTES, "it takes another writer's event for its own")


def of_silence(journal: Journal, before: world.World, wish: world.Wish) -> Broken | None:
    """What a gateway that has an answer and records nothing shows to be wrong."""
    if not isinstance(wish, world.Report) or wish.status != "ok":
        return None
    if wish.place in journal.state(before.head, before.tick).results:
        return None
    return Broken(RECORDED, "it has the tool's answer, records nothing, and no other result is there")
