"""Which agent lives these lives? The small one, whose credit can be revoked again, and whose failures ask or end it."""

from typing import Any

from keelstep.domain import money, revision
from keelstep.events import types
from tests.unit.domain import pinned as agents

UNDO = "credit.revoke"
CONTRACTS = {
    **agents.CONTRACTS,
    "credit.grant": agents.contract(
        "Reversible", 1, idempotency={"mode": "Keyed", "key": ["n"]}, budgets={"estimatedCostUSD": "0.001"},
        failurePolicy={"onExhaust": "Escalate"}, compensation={"contract": UNDO, "arguments": "{n: args.n}"},
    ),
    "ticket.reply": agents.contract("Visible", 2, failurePolicy={"onExhaust": "Compensate"}),
    UNDO: agents.contract("Reversible", 1, idempotency={"mode": "Keyed"}),
}  # fmt: skip
DIGESTS = {name: f"{index:x}" * 64 for index, name in enumerate(CONTRACTS)}
WISHED = tuple(name for name in CONTRACTS if name != UNDO)
"""What its model asks for."""


def pinned() -> revision.Pinned:
    """What a run of it pinned."""
    tools: list[dict[str, Any]] = [{"contract": name} for name in CONTRACTS]
    return revision.Pinned(
        strategy_name="support",
        strategy_digest="d" * 64,
        strategy=agents.strategy(tools=tools),
        contracts=CONTRACTS,
    )


def pins() -> dict[str, types.Pin]:
    """The same in the words of `exec.started`."""
    return {
        name: types.Pin(
            digest=DIGESTS[name],
            tier=spec.consequence_tier,
            estimate_micro_usd=money.micro_usd(spec.budgets.estimated_cost_usd),
            undo=spec.compensation.contract if spec.compensation is not None else "",
        )
        for name, spec in CONTRACTS.items()
    }
