"""How many calls does a limit let begin, and when the next?"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelstep.domain import limits
from keelstep.domain.limits import NONE, Places, Terms, Usage
from keelstep.events import clock
from keelstep.kinds.limits import Rate
from tests.unit.domain import pinned

NOW = 1_800_000_000 * clock.SECOND
TENTH = clock.SECOND // 10


def taken(terms: Terms, wanted: int = 1, usage: Usage = NONE, held: int = 0, now: int = NOW) -> limits.Taken:
    """What the gateway `a` may begin."""
    return limits.take(usage, terms, "a", held=held, wanted=wanted, now=now)


def test_calls_of_a_rate_without_burst_are_evenly_spaced() -> None:
    """Ten a second: one now, the next a tenth of a second later, and not sooner."""
    terms = Terms(Rate(calls=10))
    first = taken(terms, wanted=3)
    assert (first.count, first.why, first.wait_ns) == (1, "rate", TENTH)
    assert taken(terms, usage=first.usage, now=NOW + TENTH - 1).count == 0
    assert taken(terms, usage=first.usage, now=NOW + TENTH).count == 1


def test_a_bucket_that_was_left_alone_gives_its_burst_at_once() -> None:
    """And no more of it however long that was."""
    terms = Terms(Rate(calls=10, burst=4))
    first = taken(terms, wanted=9)
    assert first.count == 4
    later = NOW + 3600 * clock.SECOND
    assert taken(terms, wanted=9, usage=first.usage, now=later).count == 4


@given(
    steps=st.lists(
        st.tuples(st.integers(0, 3 * clock.SECOND), st.integers(1, 9), st.sampled_from("abc")), max_size=40
    ),
    calls=st.integers(1, 20),
    seconds=st.integers(1, 5),
    burst=st.integers(1, 8),
)
def test_no_span_of_time_holds_more_calls_than_rate_and_burst_allow(
    steps: list[tuple[int, int, str]], calls: int, seconds: int, burst: int
) -> None:
    """Whoever takes, however many at once, whenever: that is what a token bucket promises."""
    terms, usage, now = Terms(Rate(calls=calls, per_seconds=seconds, burst=burst)), NONE, NOW
    begun: list[tuple[int, int]] = []
    for pause, wanted, owner in steps:
        now += pause
        found = limits.take(usage, terms, owner, held=0, wanted=wanted, now=now)
        usage = found.usage
        begun.append((now, found.count))
    interval = seconds * clock.SECOND // calls
    for start, (since, _) in enumerate(begun):
        count = 0
        for at, each in begun[start:]:
            count += each
            assert count <= burst + (at - since) // interval


def test_all_gateways_together_have_no_more_in_flight_than_the_concurrency() -> None:
    """What others hold is counted with what is held here."""
    terms = Terms(None, 5)
    usage = Usage(places={"b": Places(2, NOW + 1), "c": Places(1, NOW + 1)})
    found = taken(terms, wanted=9, usage=usage, held=1)
    assert (found.count, found.why) == (1, "concurrency")
    assert found.usage.places["a"].count == 2


def test_a_gateway_that_says_nothing_more_loses_its_places() -> None:
    """It is taken for gone; until then its places are its own, and it is known when that is."""
    terms = Terms(None, 2)
    usage = Usage(places={"gone": Places(2, NOW + TENTH)})
    assert taken(terms, usage=usage).wait_ns == TENTH
    found = taken(terms, usage=usage, now=NOW + TENTH)
    assert found.count == 1
    assert set(found.usage.places) == {"a"}


def test_a_call_that_is_taken_over_brings_its_place_along() -> None:
    """It neither waits for it nor takes another; what else the lost gateway had still counts."""
    terms = Terms(concurrency=2)
    lost = Usage(places={"lost": Places(2, NOW + clock.SECOND)})
    assert limits.take(lost, terms, "a", held=0, wanted=1, now=NOW).count == 0
    found = limits.take(lost, terms, "a", held=0, wanted=1, now=NOW, heir_of="lost")
    assert found.count == 1
    assert {name: each.count for name, each in found.usage.places.items()} == {"lost": 1, "a": 1}
    again = limits.take(found.usage, terms, "a", held=1, wanted=1, now=NOW, heir_of="lost")
    assert {name: each.count for name, each in again.usage.places.items()} == {"a": 2}
    assert limits.take(again.usage, terms, "a", held=2, wanted=1, now=NOW, heir_of="lost").count == 0


def test_a_call_that_must_wait_for_a_token_leaves_its_place_where_it_is() -> None:
    """Nobody else may have it meanwhile."""
    terms = Terms(Rate(calls=1), 1)
    lost = Usage(
        full_at={str(clock.SECOND): NOW + 5 * clock.SECOND}, places={"lost": Places(1, NOW + clock.SECOND)}
    )
    found = limits.take(lost, terms, "a", held=0, wanted=1, now=NOW, heir_of="lost")
    assert (found.count, found.why) == (0, "rate")
    assert found.usage.places == lost.places


def test_a_tool_that_asked_for_it_is_left_alone_even_where_its_contract_has_no_limit() -> None:
    """Nobody begins before it said; a shorter word does not take a longer one back."""
    usage = limits.paused(limits.paused(NONE, NOW, 2_000), NOW, 500)
    found = taken(Terms(), usage=usage)
    assert (found.count, found.why, found.wait_ns) == (0, "pause", 2 * clock.SECOND)
    assert taken(Terms(), wanted=7, usage=usage, now=NOW + 2 * clock.SECOND).count == 7


def test_no_tool_is_left_alone_for_ever_on_its_own_word() -> None:
    """An hour at most: a slip of the tool's must not end everybody's work."""
    usage = limits.paused(NONE, NOW, 10**12)
    assert usage.paused_until == NOW + limits.MOST_PAUSE_SECONDS * clock.SECOND


@pytest.mark.parametrize(
    ("said", "held", "is_due"),
    [
        (None, 0, False),
        (None, 1, True),
        (Places(1, NOW + 30 * clock.SECOND), 1, False),
        (Places(1, NOW + 14 * clock.SECOND), 1, True),
        (Places(2, NOW + 30 * clock.SECOND), 1, True),
        (Places(1, NOW + 30 * clock.SECOND), 0, True),
    ],
)
def test_a_gateway_says_again_what_it_holds_before_it_is_taken_for_gone(
    said: Places | None, held: int, is_due: bool
) -> None:
    """Where it changed, or half of its time is over."""
    usage = Usage(places={"a": said}) if said is not None else NONE
    assert limits.is_due(usage, "a", held, NOW) is is_due


def test_contracts_of_one_name_that_lead_to_one_host_are_one_tool() -> None:
    """Another host, or another name, is another tool: nobody uses up a tool by naming a contract after it."""

    def key(name: str, url: str, **budgets: Any) -> str:
        transport = {"http": {"method": "GET", "url": url}}
        return limits.tool_key(name, pinned.contract("ReadOnly", 0, transport=transport, budgets=budgets))

    one = key("orders.get", "https://shop.example/orders/{n}", concurrency=4)
    assert one == key("orders.get", "https://SHOP.example:443/v2/orders", concurrency=4, tenantConcurrency=1)
    assert one != key("orders.get", "https://nowhere.example/orders/{n}", concurrency=4)
    assert one != key("orders.list", "https://shop.example/orders/{n}", concurrency=4)


def test_nobody_slows_another_down_by_what_they_say_of_the_same_tool() -> None:
    """A call a day, or ten thousand at once, is said of a tool of one's own."""
    said: list[dict[str, Any]] = [
        {},
        {"rate": {"calls": 1, "perSeconds": 86_400}},
        {"rate": {"calls": 10}},
        {"concurrency": 10_000},
    ]
    keys = {limits.tool_key("orders.get", pinned.contract("ReadOnly", 0, budgets=each)) for each in said}
    assert len(keys) == len(said)


def test_a_rate_that_was_corrected_does_not_hold_any_more() -> None:
    """What was taken by another rate stays taken of that one: neither frees the other."""
    daily, quick = Terms(Rate(calls=1, per_seconds=86_400)), Terms(Rate(calls=10))
    used = taken(daily).usage
    assert taken(daily, usage=used).count == 0
    found = taken(quick, usage=used)
    assert found.count == 1
    assert taken(quick, usage=found.usage).wait_ns == TENTH
    assert taken(daily, usage=found.usage).count == 0
    later = taken(quick, usage=found.usage, now=NOW + 86_400 * clock.SECOND)
    assert len(later.usage.full_at) == 1, "what is full again is forgotten"


def test_a_contracts_budgets_are_of_the_tool_and_of_the_namespace() -> None:
    """Each has a rate and a concurrency of its own."""
    spec = pinned.contract(
        "ReadOnly",
        0,
        budgets={
            "rate": {"calls": 9, "perSeconds": 2, "burst": 3},
            "concurrency": 4,
            "tenantRate": {"calls": 1},
            "tenantConcurrency": 2,
        },
    )
    assert limits.of_tool(spec) == Terms(Rate(calls=9, per_seconds=2, burst=3), 4)
    assert limits.of_tenant(spec) == Terms(Rate(calls=1), 2)
