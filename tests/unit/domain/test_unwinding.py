"""What a run did is undone after it failed or was cancelled: what may happen then, and what may not (DESIGN §7)."""

import pytest

from keelstep.domain import unwind
from keelstep.events import types
from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder
from tests.unit.domain import stories
from tests.unit.domain.forgeries import claim, step
from tests.unit.domain.stories import Step, Story, fate


def in_doubt_undoable() -> LogBuilder:
    """Whether the call that could be undone happened is not known, and the run has failed."""
    run = builders.log().started(contracts=builders.UNDOABLE).attempt().model().plan("credit.grant")
    return run.claim(key="k0").result(status="unknown").unwinding()


def retaken(run: LogBuilder) -> object:
    """Another gateway takes the open claim over."""
    (open_claim,) = run.state.claims.values()
    data = types.ToolRetried(
        claim_seq=open_claim.seq, plan_seq=open_claim.plan_seq, index=open_claim.index, owner="gw-2",
        deadline=run.soon(), reason="OwnerLost", attempt_number=open_claim.performances + 1,
    )  # fmt: skip
    return run.forge("tool.retried", data, writer="gw")


def taken_undo() -> LogBuilder:
    """An undo passed to another gateway."""
    run = stories.failing().undo()
    retaken(run)
    return run


def undo_of(which: int) -> Step:
    """A claim of the undoing of one of the calls that were made, by its place among them."""

    def forged(run: LogBuilder) -> object:
        results = sorted(result.seq for result in run.state.results.values() if result.data.undoes is None)
        seq = results[which]
        data = types.ToolCalled(
            plan_seq=seq, index=0, tool="credit.revoke", args=builders.value({}), contract_digest="5" * 64,
            idempotency_key="undok0", estimate_micro_usd=0, tier=1, owner="gw-1", deadline=run.soon(), undoes=seq,
        )  # fmt: skip
        return run.forge("tool.called", data, writer="gw")

    return forged


def runner_undid(run: LogBuilder) -> object:
    """A runner says that it undid something."""
    (seq,) = [result.seq for result in run.state.results.values()]
    data = types.ToolResult(plan_seq=seq, index=0, tool="credit.revoke", status="denied", undoes=seq)
    return run.forge("tool.result", data, writer="a1")


ALLOWED: dict[str, tuple[Story, Step]] = {
    "a runner's word that it has failed": (stories.performed, step("unwinding")),
    "an operator's word that it has failed": (stories.performed, step("failing")),
    "an operator's word that it has failed, with calls in flight": (stories.claimed, step("failing")),
    "a cancellation while it unwinds": (stories.failing, step("cancelled")),
    "an attempt while it unwinds": (stories.failing, step("attempt")),
    "an attempt to undo what a held run did": (
        lambda: stories.performed().suspended().cancelled(), step("attempt"),
    ),
    "an undo of what was done last": (lambda: stories.failing("credit.grant", "credit.grant"), step("undo")),
    "an undo after a cancellation": (lambda: stories.performed().cancelled(), step("undo")),
    "an undo under an approval": (
        lambda: stories.failing().undo_gate("approval").undo_decided().attempt(),
        lambda run: run.undo(args=builders.value({"undo": 7})),
    ),
    "the result of an undo": (lambda: stories.failing().undo(), step("undone")),
    "the result of an undo after the end": (
        lambda: stories.killed(lambda: stories.failing().undo()), step("undone", "unknown"),
    ),
    "a take-over of an undo": (lambda: stories.failing().undo(), retaken),
    "that something cannot be undone": (stories.failing, step("undone", "denied")),
    "a question whether it was undone by hand": (
        lambda: stories.failing().undo().undone("unknown"), step("undo_gate"),
    ),
    "a question whether it may be undone": (stories.failing, step("undo_gate", "approval")),
    "the next undo, once a person has answered about the one before": (
        lambda: stories.failing("credit.grant", "credit.grant").undo().undone("failed").undo_gate()
        .undo_decided("rejected").attempt(),
        step("undo"),
    ),
    "the operator's end of a run that unwound": (lambda: stories.failing().undo().undone(), step("given_up")),
}  # fmt: skip


@pytest.mark.parametrize("case", ALLOWED)
def test_the_state_allows(case: str) -> None:
    """What an honest writer may do in this state is an event."""
    story, next_step = ALLOWED[case]
    assert fate(story(), next_step) == ""


REFUSED: dict[str, tuple[Story, Step]] = {
    "a runner's word that it has failed, with a call in flight": (stories.claimed, step("unwinding")),
    "a second word that it has failed": (stories.failing, step("failing")),
    "a word that it has failed, after a cancellation": (lambda: stories.performed().cancelled(), step("failing")),
    "a word that it has failed, after the end": (lambda: stories.killed(stories.performed), step("failing")),
    "a model call while it unwinds": (stories.failing, step("model_called")),
    "a claim while it unwinds": (lambda: stories.performed().model().plan("orders.get").unwinding(), claim()),
    "a runner's end of a run that unwinds": (stories.failing, step("finished", "failed")),
    "an undo while the run lasts": (stories.performed, step("undo")),
    "an undo after the end": (lambda: stories.killed(stories.failing), undo_of(0)),
    "an undo out of its turn": (lambda: stories.failing("credit.grant", "credit.grant"), undo_of(0)),
    "an undo of what nothing undoes": (
        lambda: stories.performed().model().plan("orders.get").result().unwinding(), undo_of(-1),
    ),
    "an undo by another contract": (stories.failing, step("undo", tool="ticket.reply")),
    "an undo with another key": (stories.failing, step("undo", idempotency_key="k0")),
    "an undo at another place": (stories.failing, step("undo", index=1)),
    "an undo of another revision": (stories.failing, step("undo", contract_digest="e" * 64)),
    "an undo of a lower tier": (stories.failing, step("undo", tier=0)),
    "an undo beside another": (lambda: stories.failing().undo(), step("undo")),
    "a second undo of what was undone": (lambda: stories.failing().undo().undone(), undo_of(0)),
    "a second undo of what could not be": (lambda: stories.failing().undo().undone("failed"), step("undo")),
    "an undo of what nobody knows to have happened": (in_doubt_undoable, step("undo")),
    "an undo while a person is asked about it": (lambda: stories.failing().undo_gate("approval"), step("undo")),
    "a success of an undo that nobody claimed": (stories.failing, step("undone")),
    "a runner's result of an undo": (stories.failing, runner_undid),
    "a refusal of an undo in flight": (lambda: stories.failing().undo(), step("undone", "denied")),
    "a failure of an undo that may have been done": (
        taken_undo, step("undone", "failed"),
    ),
    "a question whether it was undone by hand, before anybody tried": (stories.failing, step("undo_gate")),
    "a second question whether it was undone by hand": (
        lambda: stories.failing().undo().undone("failed").undo_gate(), step("undo_gate"),
    ),
    "a question about an undo in flight": (lambda: stories.failing().undo(), step("undo_gate")),
    "a question about an undo while the run lasts": (stories.performed, step("undo_gate", "approval")),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_the_state_refuses(case: str) -> None:
    """What the state does not allow is void, whoever wrote it, and changes nothing."""
    story, next_step = REFUSED[case]
    assert fate(story(), next_step) == "NotAllowed"


def statuses(run: LogBuilder) -> list[unwind.Status]:
    """How far each undoing is, the last call first."""
    return [unwind.status(run.state, target.seq) for target in unwind.targets(run.state)]


TWO = ("credit.grant", "credit.grant")


def test_what_was_done_last_is_undone_first() -> None:
    """Each only once the one after it is settled, by whatever way."""
    run = stories.failing(*TWO)
    assert statuses(run) == ["waiting", "waiting"]
    run.undo().undone()
    assert statuses(run) == ["done", "waiting"]
    run.undo().undone("unknown")
    assert statuses(run) == ["done", "asking"]
    assert unwind.next_target(run.state) is not None
    run.undo_gate()
    assert unwind.waits_for_person(run.state)
    run.undo_decided("rejected")
    assert statuses(run) == ["done", "givenUp"]
    assert unwind.next_target(run.state) is None
    assert (unwind.undone(run.state), unwind.standing(run.state)) == (["credit.grant"], ["credit.grant"])


def test_what_a_person_did_by_hand_is_undone() -> None:
    """Whatever our own try came to, and whether anybody knows."""
    run = stories.failing().undo().undone("unknown").undo_gate().undo_decided()
    assert statuses(run) == ["byHand"]
    assert unwind.standing(run.state) == []
    assert run.state.unknown_key_of("credit.revoke") is None


def test_nobody_is_asked_twice_about_what_they_refused() -> None:
    """A no before the undo gives it up."""
    run = stories.failing().undo_gate("approval").undo_decided("expired").attempt().undone("denied")
    assert statuses(run) == ["givenUp"]


def test_a_call_that_turned_out_not_to_have_happened_is_not_undone() -> None:
    """And one that turned out to have happened is."""
    assert statuses(in_doubt_undoable().reconciled("failed")) == []
    (target,) = unwind.targets(in_doubt_undoable().reconciled().state)
    assert target.is_known
    (target,) = unwind.targets(in_doubt_undoable().state)
    assert not target.is_known


def test_a_replayed_call_and_a_read_are_nothing_to_undo() -> None:
    """Only what changed something, once."""
    run = stories.performed().model().plan("credit.grant", "orders.get")
    seq = next(iter(run.state.keys.values())).seq
    run.result(0, claim_seq=None, idempotency_key="k0", replayed_seq=seq).result(1)
    assert len(unwind.targets(run.state)) == 1
    assert unwind.standing(run.state) == ["credit.grant"]


def test_what_no_contract_undoes_stands() -> None:
    """It is listed, with what may have happened and what is still in flight."""
    run = stories.performed().model().plan("ticket.reply", "ticket.reply", "credit.grant")
    run.claim(0, key="a").result(0).claim(1, key="b").result(1, "failed").claim(2, key="c")
    assert unwind.standing(run.state) == ["credit.grant", "ticket.reply", "credit.grant"]
    assert unwind.is_needed(run.state)


def test_what_is_in_flight_may_have_to_be_undone() -> None:
    """So nobody says that nothing is, before it has ended."""
    run = builders.log().started(contracts=builders.UNDOABLE).attempt().model().plan("credit.grant")
    assert not unwind.is_needed(run.state)
    run.claim(key="k0")
    assert unwind.is_needed(run.state)
    assert not unwind.is_needed(run.result(status="failed").state)


def test_a_persons_time_is_not_the_machines() -> None:
    """The time to undo counts from the failure, and anew from each answer."""
    run = stories.failing()
    begun = run.state.unwinding_at
    run.undo().undone("failed").undo_gate().later(5_000).undo_decided("rejected")
    assert run.state.unwinding_at > begun + 5_000


def test_the_time_to_undo_begins_once_nothing_is_in_flight() -> None:
    """A call may take longer than undoing may: it is not given up before it could be undone."""
    run = builders.log().started(contracts=builders.UNDOABLE).attempt().model().plan("credit.grant")
    run.claim().failing().later(900).result()
    assert run.state.unwinding_at == run.state.stored_at
    run.attempt().undo().later(60).undone()
    assert run.state.unwinding_at < run.state.stored_at


def test_attempts_that_undo_are_counted_anew() -> None:
    """Whatever kept the others from working may not keep these."""
    run = stories.performed().attempt().attempt()
    assert run.state.barren_attempts == 2
    assert run.failing().state.barren_attempts == 0
