"""What does a tool contract say about one call? Its key, its cost, whether it may be repeated.

Pure questions about a pinned contract; the tier is asked in `tier`, whether a call may be made now in `call`.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from keelstep.domain import canonical, money
from keelstep.domain.state import Place
from keelstep.kinds.contract import SideEffect, ToolContractSpec


def idempotency_key(
    xid: str, name: str, spec: ToolContractSpec, args: Mapping[str, Any], place: Place
) -> str:
    """The key of a call: the same for equal calls of a run, unless every call is an effect of its own.

    SHA-256 over xid, contract and the values of `idempotency.key` (default: all arguments); 64 hex digits.
    """
    chosen = spec.idempotency.key or sorted(args)
    parts: list[Any] = [xid, name, {key: canonical.plain(args.get(key)) for key in chosen}]
    if spec.idempotency.mode == "PerCall":
        parts.append(list(place))
    return hashlib.sha256(canonical.dumps(parts)).hexdigest()


def cache_key(digest: str, args: Mapping[str, Any]) -> str:
    """The key of a cached result: the same for equal calls of one revision by any run; 64 hex digits."""
    return hashlib.sha256(canonical.dumps([digest, canonical.plain(dict(args))])).hexdigest()


def is_repeatable(spec: ToolContractSpec) -> bool:
    """May the same call be performed again without a second effect?"""
    return spec.side_effect is SideEffect.READ_ONLY or spec.idempotency.mode in ("Keyed", "PerCall")


def estimate_micro_usd(spec: ToolContractSpec) -> int:
    """The most one call can cost, all its attempts together."""
    return money.micro_usd(spec.budgets.estimated_cost_usd)


def is_free_read(spec: ToolContractSpec) -> bool:
    """Needs no claim: it changes nothing and costs nothing."""
    return spec.consequence_tier == 0 and estimate_micro_usd(spec) == 0
