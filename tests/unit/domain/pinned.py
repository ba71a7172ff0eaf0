"""A small agent as a run pins it: five contracts, one of each kind, and a strategy that may use them."""

import dataclasses
from typing import Any

from keelstep.domain import money, revision
from keelstep.events import types
from keelstep.kinds.contract import ToolContractSpec
from keelstep.kinds.policy import PolicyRule
from keelstep.kinds.strategy import AgentStrategySpec

AMOUNT = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "note": {"type": "string"}},
    "required": ["n"],
    "additionalProperties": False,
}


def contract(side_effect: str, tier: int, **fields: object) -> ToolContractSpec:
    """A contract's spec; anything may be changed."""
    given: dict[str, object] = {
        "description": "Does something.",
        "schema": {"input": AMOUNT, "output": {"type": "object"}},
        "sideEffect": side_effect,
        "consequenceTier": tier,
        "transport": {"http": {"method": "POST", "url": "http://127.0.0.1/x"}},
    }
    return ToolContractSpec.model_validate({**given, **fields})


CONTRACTS = {
    "orders.get": contract("ReadOnly", 0),
    "credit.grant": contract(
        "Reversible", 1, idempotency={"mode": "Keyed", "key": ["n"]}, budgets={"estimatedCostUSD": "0.001"}
    ),
    "ticket.reply": contract("Visible", 2),
    "refund.issue": contract("Irreversible", 3, idempotency={"mode": "PerCall"}),
    "letter.send": contract("Irreversible", 3),
}
DIGESTS = {name: f"{index:x}" * 64 for index, name in enumerate(CONTRACTS)}


def strategy(**fields: object) -> AgentStrategySpec:
    """A strategy's spec; anything may be changed."""
    given: dict[str, Any] = {
        "version": "1.0.0",
        "model": {"name": "scripted"},
        "prompt": {"template": "Help with {{ goal }}."},
        "tools": [{"contract": name} for name in CONTRACTS],
        "limits": {"modelCalls": 8, "toolCalls": 12, "steps": 18, "costUSD": "0.05"},
        "autonomy": {"maxTier": 1},
    }
    return AgentStrategySpec.model_validate({**given, **fields})


def pinned(**fields: object) -> revision.Pinned:
    """What a run of this agent pinned."""
    return revision.Pinned(
        strategy_name="support",
        strategy_digest="d" * 64,
        strategy=strategy(**fields),
        contracts=CONTRACTS,
    )


def with_contract(tool: str, spec: ToolContractSpec) -> revision.Pinned:
    """The same, with another contract of one of the names."""
    return dataclasses.replace(pinned(), contracts={**CONTRACTS, tool: spec})


def with_policy(tool: str, *rules: dict[str, object]) -> revision.Pinned:
    """The same, with rules in one of the contracts."""
    found = [PolicyRule.model_validate(each) for each in rules]
    return with_contract(tool, CONTRACTS[tool].model_copy(update={"policy": found}))


def pins() -> dict[str, types.Pin]:
    """The same in the words of `exec.started`."""
    return {
        name: types.Pin(
            digest=DIGESTS[name],
            tier=spec.consequence_tier,
            estimate_micro_usd=money.micro_usd(spec.budgets.estimated_cost_usd),
        )
        for name, spec in CONTRACTS.items()
    }
