"""May a call run free, or must a person be asked? The autonomy ladder.

Tiers: 0 read-only, 1 reversible, 2 visible, 3 irreversible or external. Tier 3 asks, always.
"""

GATED = 3
"""The tier that is never free."""


def required(contract_tier: int, *, is_escalated: bool = False) -> int:
    """The tier a call needs: the contract's own, raised by policy, never lowered."""
    return GATED if is_escalated else contract_tier


def allowed(strategy_max_tier: int) -> int:
    """The tier an agent may use alone."""
    return strategy_max_tier


def needs_gate(required_tier: int, allowed_tier: int) -> bool:
    """True where a person must approve."""
    return not (required_tier <= allowed_tier and required_tier < GATED)
