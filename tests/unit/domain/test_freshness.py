"""Since when is a result true, and may it be used again now?"""

from typing import Any

import pytest

from keelstep.domain import call, canonical, freshness
from keelstep.events import clock, types
from keelstep.kinds.contract import ToolContractSpec
from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder
from tests.unit.domain import calls, pinned

ANSWERED = clock.parse("2026-11-21T12:00:00Z")


def spec(as_of: str | None = "updated", cache: int | None = None, **fields: Any) -> ToolContractSpec:
    """A read whose results grow old after five minutes."""
    given: dict[str, Any] = {"freshness": {"maxAgeSeconds": 300} | ({"asOf": as_of} if as_of else {})}
    if cache is not None:
        given["cache"] = {"ttlSeconds": cache}
    return pinned.contract("ReadOnly", 0, **{**given, **fields})


TIMES: dict[str, tuple[Any, str]] = {
    "a time in UTC": ("2026-11-21T11:59:00Z", "2026-11-21T11:59:00.000000Z"),
    "a time elsewhere": ("2026-11-21T12:59:00+01:00", "2026-11-21T11:59:00.000000Z"),
    "a time of no zone is UTC": ("2026-11-21T11:59:00", "2026-11-21T11:59:00.000000Z"),
    "a day": ("2026-11-21", "2026-11-21T00:00:00.000000Z"),
    "seconds since 1970": (1_795_262_340, "2026-11-21T11:59:00.000000Z"),
    "a time that is yet to come is now": ("2027-01-01T00:00:00Z", "2026-11-21T12:00:00.000000Z"),
    "words": ("yesterday", ""),
    "nothing": (None, ""),
    "true": (True, ""),
    "a list": ([1], ""),
    "a number before all times": (-1, ""),
    "a number beyond all times": (1e300, ""),
}


@pytest.mark.parametrize("sentence", TIMES)
def test_an_output_says_since_when_it_is_true(sentence: str) -> None:
    """Where it says no time that anybody can read, it says none."""
    said, expected = TIMES[sentence]
    assert freshness.as_of(spec(), canonical.dumps({"updated": said}), ANSWERED) == expected


def test_without_an_expression_an_output_is_true_since_it_was_given() -> None:
    """The time of the answer."""
    assert freshness.as_of(spec(None), b"{}", ANSWERED) == clock.text(ANSWERED)


def test_an_expression_that_fails_says_no_time() -> None:
    """As one that finds none."""
    assert freshness.as_of(spec("sum(updated)"), b'{"updated":"x"}', ANSWERED) == ""


@pytest.mark.parametrize(("age", "is_usable"), [(0, True), (300, True), (301, False)])
def test_a_result_is_used_again_as_long_as_its_contract_says(age: int, is_usable: bool) -> None:
    """To the second."""
    assert freshness.is_usable(spec(), clock.text(ANSWERED), ANSWERED + age * clock.SECOND) is is_usable


def test_a_result_that_says_no_time_is_never_used_again() -> None:
    """Nobody knows how old it is; without `freshness` nobody asks."""
    assert not freshness.is_usable(spec(), "", ANSWERED)
    assert freshness.is_usable(pinned.contract("ReadOnly", 0), "", ANSWERED)


CACHED = {
    "young enough for both": (60, "2026-11-21T11:59:00Z", True),
    "older than the cache keeps it": (61, "2026-11-21T11:59:00Z", False),
    "true since too long ago": (10, "2026-11-21T11:00:00Z", False),
    "true since nobody knows when": (10, "", False),
}


@pytest.mark.parametrize("sentence", CACHED)
def test_a_result_of_another_run_is_used(sentence: str) -> None:
    """As long after the answer as the cache says, and no longer than it is fresh."""
    age, since, expected = CACHED[sentence]
    now = ANSWERED + age * clock.SECOND
    assert freshness.is_cached(spec(cache=60), clock.text(ANSWERED), since, now) is expected


def test_without_a_cache_no_result_of_another_run_is_used() -> None:
    """However young."""
    assert not freshness.is_cached(spec(), clock.text(ANSWERED), clock.text(ANSWERED), ANSWERED)


def looked_up(**pin: Any) -> LogBuilder:
    """A run that looked an order up, and wants to again."""
    reads = {**pinned.pins(), "orders.get": types.Pin(digest=pinned.DIGESTS["orders.get"], tier=0, **pin)}
    first = builders.log().started(contracts=reads).attempt().model().plan("orders.get", args=calls.ARGS)
    key = verdict(first)
    assert isinstance(key, call.Perform)
    if pin.get("estimate_micro_usd"):
        first.claim(key=key.key)
    first.result(idempotency_key=key.key, as_of=clock.text(first.now))
    return first.model().plan("orders.get", args=calls.ARGS)


def verdict(log: LogBuilder, *, later: int = 0) -> call.Verdict:
    """What a gateway says to the wish for the latest plan's call, so many seconds later."""
    assert log.state.plan is not None
    return call.decide_tool(
        call.Question(
            state=log.state,
            pinned=pinned.with_contract("orders.get", spec(None)),
            attempt=1,
            place=(log.state.plan.seq, 0),
            args=calls.ARGS,
            stop=None,
            now=log.now + later * clock.SECOND,
        )
    )


def test_an_equal_call_is_answered_by_the_earlier_result_while_it_is_fresh() -> None:
    """Then it is made again, and its result answers the next."""
    log = looked_up(ages=True)
    assert isinstance(verdict(log), call.Replay)
    again = verdict(log, later=300)
    assert isinstance(again, call.Perform)
    log.later(300).result(idempotency_key=again.key, as_of=clock.text(log.now))
    assert isinstance(verdict(log.model().plan("orders.get", args=calls.ARGS)), call.Replay)


@pytest.mark.parametrize("ages", [True, False])
def test_a_costly_read_is_claimed_again_where_it_was_pinned_as_one_that_ages(ages: bool) -> None:
    """What acts is claimed once for ever."""
    log = looked_up(ages=ages, estimate_micro_usd=5)
    assert log.state.plan is not None
    known = next(iter(log.state.keys))
    claim = types.ToolCalled(
        plan_seq=log.state.plan.seq,
        index=0,
        tool="orders.get",
        args=log.state.plan.steps[0].args,
        contract_digest=pinned.DIGESTS["orders.get"],
        idempotency_key=known,
        estimate_micro_usd=5,
        tier=0,
        owner="gw-1",
        deadline=log.soon(),
    )
    outcome = log.forge("tool.called", claim, writer="gw")
    assert getattr(outcome, "reason", "") == ("" if ages else "NotAllowed")
