"""Does the run need another attempt? Every way a Pod can be, and what follows."""

from typing import Any

import pytest

from keelstep.events import clock
from keelstep.kinds.execution import Execution
from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder
from keelstep_operator.decide import attempt
from keelstep_operator.decide.facts import Facts, Pod

RESOURCE = Execution.model_validate(
    {
        "metadata": {"name": "r", "namespace": "shop", "uid": "x1"},
        "spec": {"strategyRef": {"name": "support"}, "goal": "help", "requestedBy": "ann"},
    }
)


def pod(**rest: Any) -> Pod:
    """The current attempt's Pod."""
    return Pod(**{"name": "r-a1", "uid": "p", "attempt": 1, "phase": "Running", **rest})


def facts(run: LogBuilder, found: Pod | None, *, after_seconds: float, **rest: Any) -> Facts:
    """The facts so long after the current attempt began."""
    state = run.state
    pods = {state.attempt: found} if found is not None else {}
    now = state.attempt_at + int(after_seconds * clock.SECOND)
    return Facts(now=now, name="r", state=state, execution=RESOURCE, pods=pods, **rest)


def idle() -> LogBuilder:
    """An attempt that wrote nothing."""
    return builders.log().started().attempt()


def busy() -> LogBuilder:
    """An attempt that wrote something."""
    return idle().model()


CASES: dict[str, tuple[Facts, str]] = {
    "a living Pod": (facts(idle(), pod(), after_seconds=99), "None"),
    "a Pod that waits for its image": (facts(idle(), pod(phase="Pending"), after_seconds=99), "None"),
    "a missing Pod of a young attempt that wrote nothing": (facts(idle(), None, after_seconds=29), "Again"),
    "a missing Pod of an old attempt that wrote nothing": (
        facts(idle(), None, after_seconds=31),
        "Next PodLost",
    ),
    "a Pod that a quota refused, however long ago": (
        facts(idle(), None, after_seconds=9_999, is_unmade=True),
        "Again",
    ),
    "a Pod that could not be made again for one that wrote something": (
        facts(busy(), None, after_seconds=9_999, is_unmade=True),
        "Next PodLost",
    ),
    "a missing Pod of a young attempt that wrote something": (
        facts(busy(), None, after_seconds=2),
        "Next PodLost",
    ),
    "a Pod that failed": (facts(busy(), pod(phase="Failed"), after_seconds=2), "Next RunnerCrashed"),
    "a Pod that ended well while the run goes on": (
        facts(busy(), pod(phase="Succeeded"), after_seconds=2),
        "Next RunnerCrashed",
    ),
    "a Pod that is going": (facts(busy(), pod(is_terminating=True), after_seconds=2), "Next PodLost"),
    "a Pod that was evicted": (
        facts(busy(), pod(phase="Failed", is_evicted=True), after_seconds=2),
        "Next Evicted",
    ),
    "a Pod that is not ours": (facts(busy(), pod(is_forged=True), after_seconds=2), "Forged"),
    "a Pod that failed at once, having written nothing": (
        facts(idle(), pod(phase="Failed"), after_seconds=0.5),
        "Later",
    ),
    "the same a little later": (
        facts(idle(), pod(phase="Failed"), after_seconds=1.5),
        "Next RunnerCrashed",
    ),
    "a revoked identity": (facts(idle(), pod(), after_seconds=2, is_revoked=True), "Next IdentityRevoked"),
}


@pytest.mark.parametrize("sentence", CASES)
def test_the_next_attempt(sentence: str) -> None:
    """A Pod that exited counts as missing; one that wrote nothing gets its Pod again, young or refused."""
    given, expected = CASES[sentence]
    found = attempt.decide(given)
    reason = getattr(found, "reason", "") if isinstance(found, attempt.Next) else ""
    assert f"{type(found).__name__ if found else None} {reason}".strip() == expected


def test_attempts_in_a_row_that_write_nothing_are_limited() -> None:
    """The limit counts consecutive ones; the message says how the last ended."""
    run = idle().attempt().attempt()
    ended = pod(phase="Failed", reason="Error", message="exit code 3")
    found = attempt.decide(facts(run, ended, after_seconds=99, attempt_limit=3))
    assert isinstance(found, attempt.Exhausted)
    assert found.message == "3 attempts in a row wrote nothing; the last one: Error: exit code 3"


def test_an_attempt_that_writes_something_starts_the_count_anew() -> None:
    """Progress is progress, however often its runner crashes."""
    run = idle().attempt().model()
    found = attempt.decide(facts(run, pod(phase="Failed"), after_seconds=99, attempt_limit=2))
    assert isinstance(found, attempt.Next)


def test_attempts_that_write_nothing_wait_longer_each_time() -> None:
    """A broken image must not use up its attempts in a second."""
    run = idle()
    waits = []
    for _ in range(3):
        found = attempt.decide(facts(run, pod(phase="Failed"), after_seconds=0))
        assert isinstance(found, attempt.Later)
        waits.append((found.at - run.state.attempt_at) / clock.SECOND)
        run.attempt()
    assert waits == [1, 2, 4]
