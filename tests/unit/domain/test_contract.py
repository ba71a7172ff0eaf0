"""What makes a call the same call: its idempotency key (DESIGN §5)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelstep.domain import contract
from keelstep.kinds.contract import ToolContractSpec
from tests.unit.domain import pinned

ARGS = {"order": "A-1", "amount": 10, "note": "sorry"}
ALL = pinned.contract("Reversible", 1, idempotency={"mode": "Keyed"})
CHOSEN = pinned.contract("Reversible", 1, idempotency={"mode": "Keyed", "key": ["order", "amount"]})
PER_CALL = pinned.contract("Reversible", 1, idempotency={"mode": "PerCall"})


def key(
    spec: ToolContractSpec = ALL,
    xid: str = "x1",
    name: str = "refund",
    place: tuple[int, int] = (5, 0),
    **args: Any,
) -> str:
    """The key of a call with some arguments changed."""
    return contract.idempotency_key(xid, name, spec, {**ARGS, **args}, place)


def test_equal_calls_have_equal_keys_wherever_they_are_planned() -> None:
    """In a later plan, by another attempt: the same call."""
    assert key() == key(place=(9, 3))
    assert len(key()) == 64


@given(st.permutations(list(ARGS.items())))
def test_the_order_of_arguments_changes_nothing(items: list[tuple[str, Any]]) -> None:
    """Arguments are an object, not a list."""
    assert contract.idempotency_key("x1", "refund", ALL, dict(items), (5, 0)) == key()


def test_by_default_every_argument_counts() -> None:
    """Any other argument is another call."""
    others = {key(order="A-2"), key(amount=11), key(note=""), key(extra=1), key()}
    assert len(others) == 5


def test_only_the_chosen_arguments_count() -> None:
    """An equal call is recognised even if other arguments differ."""
    assert key(CHOSEN) == key(CHOSEN, note="so sorry") == key(CHOSEN, extra=1)
    assert key(CHOSEN) != key(CHOSEN, amount=11)


def test_a_number_counts_by_its_value() -> None:
    """A model that writes 10.0 the second time must not get a second refund."""
    assert key() == key(amount=10.0)
    assert key(CHOSEN) == key(CHOSEN, amount=10.0)
    assert key(amount=[10.0]) == key(amount=[10])
    assert key(amount="10") != key()


def test_another_run_and_another_contract_have_other_keys() -> None:
    """A key belongs to one run and one contract."""
    assert len({key(), key(xid="x2"), key(name="credit")}) == 3


def test_per_call_every_planned_call_is_an_effect_of_its_own() -> None:
    """Another place, another key; the same place again, the same key."""
    assert key(PER_CALL) != key(PER_CALL, place=(5, 1))
    assert key(PER_CALL) == key(PER_CALL)


@pytest.mark.parametrize(
    ("side_effect", "tier", "mode", "expected"),
    [
        ("ReadOnly", 0, "None", True),
        ("Reversible", 1, "Keyed", True),
        ("Reversible", 1, "PerCall", True),
        ("Reversible", 1, "None", False),
        ("Irreversible", 3, "None", False),
    ],
)
def test_a_call_is_repeatable_if_it_changes_nothing_or_honours_keys(
    side_effect: str, tier: int, mode: str, expected: bool
) -> None:
    """A contract that promises nothing is performed at most once."""
    spec = pinned.contract(side_effect, tier, idempotency={"mode": mode})
    assert contract.is_repeatable(spec) is expected


def test_only_a_tier_0_call_that_costs_nothing_needs_no_claim() -> None:
    """Everything else is claimed before it is made."""
    assert contract.is_free_read(pinned.contract("ReadOnly", 0))
    assert not contract.is_free_read(pinned.contract("ReadOnly", 1))
    assert not contract.is_free_read(pinned.contract("ReadOnly", 0, budgets={"estimatedCostUSD": "0.000001"}))
