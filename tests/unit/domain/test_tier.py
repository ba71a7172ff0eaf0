"""The autonomy ladder: a call runs free only if its tier is allowed and is not the highest (DESIGN §6)."""

import pytest

from keelstep.domain import tier


@pytest.mark.parametrize("required", range(4))
@pytest.mark.parametrize("allowed", range(4))
def test_a_call_runs_free_only_if_its_tier_is_allowed_and_below_three(required: int, allowed: int) -> None:
    """Tier 3 asks a person, whatever the strategy may do alone."""
    assert tier.needs_gate(tier.required(required), tier.allowed(allowed)) == (
        required > allowed or required == 3
    )
