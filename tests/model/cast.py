"""Whose run is it? A small agent, its contracts, the clock's ticks, and the log up to its first plan.

Contracts and strategy are what an API server would accept; the log's beginning is written by the same builders as in the
unit tests. One tick is longer than any claim and any approval lasts, so that time is either early or late.
"""

import dataclasses
from typing import Any

from keelstep.domain import money, revision
from keelstep.events import clock, envelope, registry, types, value
from keelstep.kinds.contract import ToolContractSpec
from keelstep.kinds.execution import Execution
from keelstep.log.spine import Proposal
from tests.unit.domain import pinned as agents

XID, TENANT, NAME = "x1", "shop", "run"
TICK = 100 * clock.SECOND
BEGUN = 1_790_000_000 * clock.SECOND
READ, KEYED, ONCE, GATED = "orders.get", "credit.grant", "ticket.reply", "letter.send"
"""What may be read freely; what honours a key; what may be sent once; what a person is asked about."""
AGAIN = "note.set"
"""What honours a key and is tried again: a refusal of this tool proves that nothing happened, silence proves nothing."""
FOUND = "thing.book"
"""What promises nothing, and of which a read finds out whether it happened."""
PLEAD = "thing.wish"
"""What promises nothing, and about which a person is asked where it came to nothing."""
MAKE, DROP = "thing.make", "thing.drop"
"""What the other undoes."""
VISIBLE, ASKED = 2, 3
"""What this agent may do alone, and the tier that always asks."""

CONTRACTS: dict[str, ToolContractSpec] = {
    READ: agents.contract("ReadOnly", 0),
    KEYED: agents.contract("Reversible", 1, idempotency={"mode": "Keyed", "key": ["n"]}),
    ONCE: agents.contract("Visible", VISIBLE),
    GATED: agents.contract("Irreversible", ASKED, approval={"validForSeconds": 50}),
    AGAIN: agents.contract(
        "Reversible", 1, idempotency={"mode": "Keyed"}, timeoutSeconds=10,
        failurePolicy={"retryable": ["Timeout", "Unavailable"], "notPerformed": [503], "maxAttempts": 2},
    ),
    FOUND: agents.contract(
        "Visible", VISIBLE,
        failurePolicy={
            "reconcile": {"contract": READ, "arguments": "{n: args.n}", "performed": "true", "output": "output"},
        },
    ),
    PLEAD: agents.contract("Visible", VISIBLE, failurePolicy={"onExhaust": "Escalate"}),
    MAKE: agents.contract(
        "Reversible", 1, idempotency={"mode": "Keyed"}, compensation={"contract": DROP, "arguments": "{n: args.n}"}
    ),
    DROP: agents.contract("Reversible", 1, idempotency={"mode": "Keyed"}),
}  # fmt: skip
DIGESTS = {name: f"{index:x}" * 64 for index, name in enumerate(CONTRACTS)}
PINNED = revision.Pinned(
    strategy_name="support",
    strategy_digest="d" * 64,
    strategy=agents.strategy(
        tools=[{"contract": name} for name in CONTRACTS],
        limits={"modelCalls": 1, "toolCalls": 12, "steps": 18, "costUSD": "0.05"},
        autonomy={"maxTier": VISIBLE},
    ),
    contracts=CONTRACTS,
)
WRONGLY_KEYED = dataclasses.replace(
    PINNED, contracts={**CONTRACTS, KEYED: agents.contract("Reversible", 1, idempotency={"mode": "PerCall"})}
)
"""What a gateway would decide by that puts the call's place into its key."""

PAYLOADS: dict[str, bytes] = {}
"""What everybody can load, by digest."""


def seal(payload: bytes) -> value.Value:
    """A payload's Value; the same for equal payloads."""
    found = value.seal(payload, media_type=value.JSON, salt="0" * 32)
    PAYLOADS[found.digest] = payload
    return found


OUTPUT = seal(b"{}")
ENDED = types.ExecFinished(outcome="succeeded", reason="Completed")


def at(tick: int, seconds: int = 0) -> int:
    """A moment of a tick."""
    return BEGUN + tick * TICK + seconds * clock.SECOND


def execution(*, is_cancelled: bool = False, goal: str = "help", uid: str = XID) -> Execution:
    """The resource as the API server has it."""
    asked: dict[str, Any] = {"strategyRef": {"name": "support"}, "goal": goal, "requestedBy": "ann"}
    return Execution.model_validate(
        {
            "metadata": {"name": NAME, "namespace": TENANT, "uid": uid},
            "spec": {**asked, "cancel": is_cancelled},
        }
    )


def started(goal: str = "help", spec_digest: str = "s" * 64) -> types.ExecStarted:
    """What a run of this agent begins with."""
    pins = {
        name: types.Pin(
            digest=DIGESTS[name],
            tier=spec.consequence_tier,
            estimate_micro_usd=money.micro_usd(spec.budgets.estimated_cost_usd),
            undo=spec.compensation.contract if spec.compensation is not None else "",
        )
        for name, spec in CONTRACTS.items()
    }
    return types.ExecStarted(
        name=NAME, goal=seal(b'"%s"' % goal.encode()), inputs=seal(b"{}"), strategy="support", strategy_version="1",
        strategy_digest="d" * 64, contracts=pins, budget_micro_usd=40_000, requester="ann",
        deadline=clock.text(at(1_000)), spec_digest=spec_digest,
    )  # fmt: skip


def beginning(plan: tuple[tuple[str, int], ...]) -> list[tuple[str, Proposal]]:
    """The log up to a plan of these calls (tool and its argument): writers and what they wrote."""
    steps = [
        types.PlannedCall(index=index, call_id=f"c{index}", tool=tool, args=seal(b'{"n":%d}' % n))
        for index, (tool, n) in enumerate(plan)
    ]
    called = types.ModelCalled(
        ordinal=1, model="scripted", request=seal(b"[]"), reserved_micro_usd=0, owner="g0",
        deadline=clock.text(at(0)), price_table="1",
    )  # fmt: skip
    said = seal(b'{"role":"assistant","content":"so"}')
    return [
        ("op", event(started(), 0)),
        ("op", event(types.ExecAttempt(attempt=1, pod="run-a1", reason="Started"), 1)),
        ("gw", event(called, 1)),
        ("gw", event(types.ModelReplied(ordinal=1, status="ok", response=said, owner="g0"), 1)),
        ("a1", event(types.PlanProposed(ordinal=1, steps=steps), 1)),
    ]


def event(data: types.Data, attempt: int) -> Proposal:
    """A proposal of somebody who has nothing to decide."""
    name = registry.NAMES[type(data)]
    return Proposal(
        type=name, data=data, id=envelope.identifier(XID, name, attempt), actor="told", attempt=attempt,
        step=0, trace_id="7" * 32,
    )  # fmt: skip
