"""What does the operator do about a runner that fills its log with what is no event?"""

from keelstep.domain import flood
from keelstep.events import clock, types
from keelstep.kinds.execution import Execution
from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder
from keelstep_operator.decide import actions, execution, phase
from keelstep_operator.decide.facts import Facts, Pod

NOW = builders.BEGIN + 60 * clock.SECOND
POD = Pod(name="refund-7-a1", uid="pod-1", attempt=1, phase="Running")
CUT_OFF = [actions.Revoke(attempts=[1]), actions.DropSecrets(attempts=[1])]


def facts(run: LogBuilder, **spec: object) -> Facts:
    """The facts about a run whose Pod is there."""
    resource = Execution.model_validate(
        {
            "metadata": {"name": "refund-7", "namespace": "shop", "uid": "x1", "generation": 1},
            "spec": {"strategyRef": {"name": "support"}, "goal": "help", "requestedBy": "ann", **spec},
        }
    )
    return Facts(now=NOW, name="refund-7", state=run.state, execution=resource, pods={1: POD})


def flooded(run: LogBuilder | None = None) -> LogBuilder:
    """A run whose runner did that."""
    found = run or builders.log().started().attempt()
    for _ in range(flood.MOST_VOIDS + 1):
        found.garbage(b"{}")
    return found


def held() -> LogBuilder:
    """The same, as the operator then holds it."""
    run = flooded()
    run.forge("exec.suspended", types.Interruption(by=flood.BY, reason=flood.REASON), writer="op")
    return run


def test_its_run_is_held_and_its_identity_ended() -> None:
    """The broker refuses it from then on; nothing is begun any more, by it or for it."""
    decided = execution.decide(facts(flooded()))
    assert decided.append is not None
    assert decided.append.type == "exec.suspended"
    assert isinstance(decided.append.data, types.Interruption)
    assert (decided.append.data.by, decided.append.data.reason) == (flood.BY, flood.REASON)
    after = execution.decide(facts(held()))
    assert after.append is None
    assert all(each in after.todo for each in (*CUT_OFF, actions.EndPod(pod=POD)))


def test_the_status_says_what_to_do() -> None:
    """Suspended, LogFlooded, and both commands."""
    stands = phase.standing(facts(held()), None)
    assert (stands.phase, stands.reason) == ("Suspended", "LogFlooded")
    assert "keelstep verify" in stands.message
    assert "keelstep suspend" in stands.message


def test_nothing_lets_it_go_but_a_person_who_holds_it_first() -> None:
    """Then it is theirs, and goes on with another attempt when they let it go."""
    taken = execution.decide(facts(held(), suspend=True)).append
    assert taken is not None
    assert taken.type == "exec.resumed"
    ended = execution.decide(facts(held(), cancel=True)).append
    assert ended is not None
    assert ended.type == "exec.cancelled"


def test_what_somebody_holds_already_is_only_cut_off() -> None:
    """It waits for that person anyway."""
    run = flooded(builders.log().started().attempt().suspended())
    decided = execution.decide(facts(run, suspend=True))
    assert decided.append is None
    assert all(each in decided.todo for each in CUT_OFF)


def test_while_it_unwinds_that_is_given_up() -> None:
    """What was not undone is said; no attempt may go on writing."""
    run = builders.log().started(contracts=builders.UNDOABLE).attempt().model().plan("credit.grant").claim()
    run.result().cancelled()
    assert run.state.is_unwinding
    ended = execution.decide(facts(flooded(run))).append
    assert ended is not None
    assert ended.type == "exec.finished"
    assert isinstance(ended.data, types.ExecFinished)
    assert "filled the log" in ended.data.message
