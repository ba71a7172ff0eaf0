"""What do rules, schemas and presentation cost a call? Pure: no broker, no disk, no tool.

The rules are 20 of a contract, none of which matches before the last: each is evaluated. They speak of the arguments, the
run's history, the budget and the agent, in a run that may use eight tools. The document is 10 KB of an order, as a schema
with formats and patterns checks it, on the way in or out.
"""

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hack.bench import agents, samples
from hack.bench.place import Place
from hack.bench.result import Figure, Result
from keelstep.domain import canonical, policy, present, revision, schema
from keelstep.events import types
from keelstep.kinds.contract import ToolContractSpec
from keelstep.kinds.policy import PolicyRule
from keelstep.kinds.strategy import AgentStrategySpec
from keelstep.testing import builders

RULES = 20
TOOLS = 8
DOCUMENT_BYTES = 10_000
_ITEM = {
    "type": "object",
    "required": ["sku", "quantity", "price", "shipped_at"],
    "properties": {
        "sku": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{6}$"},
        "quantity": {"type": "integer", "minimum": 1},
        "price": {"type": "string", "format": "money"},
        "shipped_at": {"type": "string", "format": "date-time"},
    },
    "additionalProperties": False,
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["id", "lines"],
    "properties": {"id": {"type": "string"}, "lines": {"type": "array", "items": _ITEM}},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How often each is measured."""

    calls: int
    repetitions: int


FULL = Sizes(calls=5_000, repetitions=7)
SMOKE = Sizes(calls=20, repetitions=2)


def run(place: Place) -> Result:
    """Measure each part of a decision alone."""
    sizes = place.choose(FULL, SMOKE)
    subject, document = _subject(), _document()
    payload = canonical.dumps(document)
    checked = schema.of_revision(SCHEMA)
    shown = _contract("orders.get", present={"select": "{id: id, skus: lines[].sku}"})
    assert _verdict(subject) == ("escalate", f"contract/rule-{RULES - 1}")
    assert checked.problems(document) == []
    parts: list[tuple[str, Callable[[], object], dict[str, float]]] = [
        (
            f"{RULES} CEL rules, everything they speak of converted once",
            lambda: policy.judge(None, subject),
            {"at most": 150.0},
        ),
        (
            f"validation of {len(payload) / 1000:.0f} KB",
            lambda: checked.problems(document),
            {"at most": 50.0},
        ),
        (f"JMESPath selection from {len(payload) / 1000:.0f} KB", lambda: present.show(shown, payload), {}),
    ]
    figures = []
    for measure, work, target in parts:
        place.step.update(measure)
        figures.append(_figure(place, measure, work, target, sizes))
    return Result(
        figures=figures,
        sizes={"rules": RULES, "tools": TOOLS, "document_bytes": len(payload), **dataclasses.asdict(sizes)},
        notes=[
            "a decision asks the rules twice: once to say what follows, once in the state that the append extends",
            "with the digest of what the rules were asked about, which is recorded",
            "none of them has a macro (all, exists, map …): those are evaluated in a process of their own",
        ],
    )


def _figure(
    place: Place, measure: str, work: Callable[[], object], target: dict[str, float], sizes: Sizes
) -> Figure:
    found: list[list[float]] = []
    for _ in range(sizes.repetitions):
        place.calm.wait()
        took = []
        for _ in range(sizes.calls):
            began = time.perf_counter_ns()
            work()
            took.append((time.perf_counter_ns() - began) / 1_000)
        found.append(took)
    return Figure(
        subject="keelstep",
        measure=measure,
        unit="µs",
        values=samples.quantiles(found),
        samples=sizes.calls,
        repetitions=sizes.repetitions,
        target=target,
    )


def _verdict(subject: policy.Subject) -> tuple[str, str]:
    found = policy.judge(None, subject)
    assert found is not None
    return found.effect, found.rule


def _subject() -> policy.Subject:
    """A wish for a call, in a run that has done something before."""
    conditions = (
        "money(args.amount) > money('9{n}00') && args.reason != 'damaged'",
        "history.tools['tool-{n}'] > 5 || history.toolCalls > 9{n}",
        "budget.left < {n} && strategy.maxTier > 1",
        "size(args.lines) > 9{n} && tenant.startsWith('shop-{n}')",
    )
    rules = [
        {"name": f"rule-{n}", "when": conditions[n % 4].replace("{n}", str(n % TOOLS)), "effect": "Deny"}
        for n in range(RULES - 1)
    ]
    rules.append(
        {"name": f"rule-{RULES - 1}", "when": "money(args.amount) > money('50')", "effect": "Escalate"}
    )
    contracts = {f"tool-{n}": _contract(f"tool-{n}") for n in range(TOOLS)}
    contracts["tool-0"] = _contract("tool-0", policy=rules)
    policy.check([PolicyRule.model_validate(each) for each in rules])
    pins = {name: types.Pin(digest=f"{n:x}" * 64, tier=0) for n, name in enumerate(contracts)}
    log = builders.log("bench").started(contracts=pins).attempt().model().plan("tool-1").result()
    strategy = AgentStrategySpec.model_validate(agents.strategy(list(contracts)))
    pinned = revision.Pinned(
        strategy_name="bench", strategy_digest="d" * 64, strategy=strategy, contracts=contracts
    )
    args = {
        "order_id": "1042",
        "amount": "189.00",
        "reason": "damaged",
        "lines": [{"sku": f"AB-{n:06}", "quantity": n} for n in range(3)],
    }
    return policy.Subject(state=log.state, pinned=pinned, tool="tool-0", args=args, cap_micro_usd=1_000_000)


def _contract(name: str, **fields: Any) -> ToolContractSpec:
    return ToolContractSpec.model_validate(
        {
            "description": f"The tool {name}.",
            "schema": {"input": {"type": "object"}, "output": {"type": "object"}},
            "sideEffect": "ReadOnly",
            "consequenceTier": 0,
            "transport": {"http": {"method": "POST", "url": "http://127.0.0.1/x"}},
            **fields,
        }
    )


def _document() -> dict[str, Any]:
    line = {"sku": "AB-000000", "quantity": 1, "price": "19.90", "shipped_at": "2026-11-21T08:00:00Z"}
    lines = DOCUMENT_BYTES // len(canonical.dumps(line))
    return {"id": "o-1042", "lines": [{**line, "sku": f"AB-{n:06}"} for n in range(lines)]}
