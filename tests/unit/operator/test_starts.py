"""May a run start, and with what?"""

from typing import Any

import pytest

from hack.generate import builtins as page
from keelstep.domain import revision
from keelstep.domain.builtins import registry
from keelstep.events import clock, value
from keelstep.kinds.contract import ToolContract
from keelstep.kinds.execution import Execution
from keelstep.kinds.strategy import AgentStrategy
from keelstep.kinds.transport import BuiltinFunction
from keelstep_operator.decide import start
from keelstep_operator.decide.facts import NotReady, Ready

NOW = 1_800_000_000 * clock.SECOND
CHANCE = start.Chance(trace_id="7" * 32, goal_salt="aa", inputs_salt="bb")
READY = [{"type": "Ready", "status": "True", "reason": "Ready", "lastTransitionTime": "2026-11-21T08:00:00Z"}]


def execution(**spec: Any) -> Execution:
    """One run."""
    base = {"strategyRef": {"name": "support"}, "goal": "help", "requestedBy": "ann"}
    return Execution.model_validate(
        {"metadata": {"name": "r", "namespace": "shop", "uid": "u"}, "spec": {**base, **spec}}
    )


def settled(model: type[Any], name: str, spec: dict[str, Any]) -> Any:
    """A strategy or contract that the operator has accepted."""
    found = model.model_validate({"metadata": {"name": name, "namespace": "shop"}, "spec": spec})
    digest = revision.build(model.crd.kind, name, found.spec).digest
    return model.model_validate(
        {
            "metadata": {"name": name, "namespace": "shop", "generation": 1},
            "spec": spec,
            "status": {"observedGeneration": 1, "conditions": READY, "revision": digest},
        }
    )


def strategy(**spec: Any) -> AgentStrategy:
    """An accepted strategy."""
    base = {
        "version": "1",
        "model": {"name": "m"},
        "prompt": {
            "template": "x",
            "slots": [{"name": "who"}, {"name": "age", "type": "integer", "optional": True}],
        },
        "tools": [{"contract": "orders.get"}],
        "limits": {"costUSD": "0.50", "wallClockSeconds": 100},
    }
    found: AgentStrategy = settled(AgentStrategy, "support", {**base, **spec})
    return found


CONTRACT: ToolContract = settled(
    ToolContract,
    "orders.get",
    {
        "description": "x",
        "sideEffect": "ReadOnly",
        "consequenceTier": 0,
        "schema": {"input": {"type": "object"}, "output": {}},
        "budgets": {"estimatedCostUSD": "0.001"},
        "transport": {"http": {"method": "GET", "url": "http://x.example/"}},
    },
)


def decide(run: Execution, agent: AgentStrategy | None, *, contract: ToolContract | None = CONTRACT) -> Any:
    """Decide with one contract."""
    contracts = {"orders.get": contract} if contract else {}
    return start.decide(run, agent, contracts, now=NOW, shard=0, chance=CHANCE)


def test_a_start_pins_contents_and_takes_the_smaller_bounds() -> None:
    """Digests, tiers and estimates; the smaller budget, the nearer deadline."""
    run = execution(inputs={"who": "Ada"}, budget={"costUSD": "0.10"}, deadlineSeconds=50)
    found = decide(run, strategy())
    assert isinstance(found, Ready)
    assert found.data.contracts["orders.get"].digest == CONTRACT.status.revision
    assert found.data.contracts["orders.get"].estimate_micro_usd == 1_000
    assert found.data.budget_micro_usd == 100_000
    assert found.data.deadline == clock.text(NOW + 50 * clock.SECOND)
    assert found.trace_id == CHANCE.trace_id
    assert found.payloads == []


def test_a_start_says_which_contracts_are_builtins() -> None:
    """Runner and gateway share the calls by it."""
    spec = page.contract(registry.FUNCTIONS[BuiltinFunction.DATE_ADD])["spec"]
    tool = settled(ToolContract, "orders.get", spec)
    for contract, is_builtin in ((CONTRACT, False), (tool, True)):
        found = decide(execution(inputs={"who": "Ada"}), strategy(), contract=contract)
        assert isinstance(found, Ready)
        assert found.data.contracts["orders.get"].builtin is is_builtin


def test_the_strategys_own_limits_hold_where_they_are_smaller() -> None:
    """What was asked can only be less than what the agent may."""
    run = execution(inputs={"who": "Ada"}, budget={"costUSD": "9"}, deadlineSeconds=5_000)
    found = decide(run, strategy())
    assert isinstance(found, Ready)
    assert found.data.budget_micro_usd == 500_000
    assert found.data.deadline == clock.text(NOW + 100 * clock.SECOND)


def test_a_large_goal_is_stored_before_the_event_that_names_it() -> None:
    """Payloads that do not fit inline come with the start."""
    found = decide(execution(inputs={"who": "Ada"}, goal="x" * 9_000), strategy())
    assert isinstance(found, Ready)
    ((value, payload),) = found.payloads
    assert value.ref == value.digest == found.data.goal.digest
    assert payload == b"x" * 9_000


def test_a_log_begins_with_what_was_asked_and_of_whom() -> None:
    """Goal and inputs word for word, and the strategy by name and its author's version."""
    run = execution(goal="Order 1042 arrived broken.", inputs={"who": "Ada", "age": 9})
    found = decide(run, strategy(version="1.4.0"))
    assert isinstance(found, Ready)
    assert value.open_inline(found.data.goal) == b"Order 1042 arrived broken."
    assert value.open_inline(found.data.inputs) == b'{"age":9,"who":"Ada"}'
    assert (found.data.strategy, found.data.strategy_version) == ("support", "1.4.0")
    assert found.data.requester == "ann"


STALE = strategy().model_copy(update={"metadata": strategy().metadata.model_copy(update={"generation": 2})})


def told(found: Any, **condition: str) -> Any:
    """The same, with this said of its readiness."""
    metadata, spec, status = (
        part.model_dump(by_alias=True) for part in (found.metadata, found.spec, found.status)
    )
    status["conditions"] = [{**READY[0], **condition}]
    return type(found).model_validate({"metadata": metadata, "spec": spec, "status": status})


UNCHECKED = told(strategy(), type="Accepted")
WAITING = told(strategy(), status="Unknown", reason="ContractPending")
REFUSING = told(strategy(), status="False", reason="TemplateInvalid", message="prompt.template: no")
REFUSED: dict[str, tuple[Execution, AgentStrategy | None, ToolContract | None, str, str]] = {
    "no strategy": (execution(inputs={"who": "A"}), None, CONTRACT, "StrategyMissing", "support"),
    "a strategy that changed since it was checked": (
        execution(inputs={"who": "A"}),
        STALE,
        CONTRACT,
        "StrategyPending",
        "AgentStrategy support is being checked",
    ),
    "a strategy that was never checked": (
        execution(inputs={"who": "A"}),
        UNCHECKED,
        CONTRACT,
        "StrategyPending",
        "AgentStrategy support is being checked",
    ),
    "a strategy that waits for its tools": (
        execution(inputs={"who": "A"}),
        WAITING,
        CONTRACT,
        "StrategyPending",
        "AgentStrategy support is being checked",
    ),
    "a strategy that a person must correct": (
        execution(inputs={"who": "A"}),
        REFUSING,
        CONTRACT,
        "StrategyNotReady",
        "AgentStrategy support is not ready: TemplateInvalid: prompt.template: no",
    ),
    "a contract that is being checked": (
        execution(inputs={"who": "A"}),
        strategy(),
        told(CONTRACT, type="Accepted"),
        "StrategyPending",
        "ToolContract orders.get is being checked",
    ),
    "a contract that was killed": (
        execution(inputs={"who": "A"}),
        strategy(),
        told(CONTRACT, status="False", reason="Killed", message="killed: it doubles"),
        "StrategyNotReady",
        "ToolContract orders.get is not ready: Killed: killed: it doubles",
    ),
    "a contract that is not there": (
        execution(inputs={"who": "A"}),
        strategy(),
        None,
        "StrategyNotReady",
        "orders.get",
    ),
    "an input that is missing": (execution(), strategy(), CONTRACT, "InputsInvalid", "inputs.who: missing"),
    "an input that nobody declared": (
        execution(inputs={"who": "A", "x": 1}),
        strategy(),
        CONTRACT,
        "InputsInvalid",
        "inputs.x",
    ),
    "an input of the wrong type": (
        execution(inputs={"who": "A", "age": "9"}),
        strategy(),
        CONTRACT,
        "InputsInvalid",
        "inputs.age: must be of type integer",
    ),
    "a boolean where a number is wanted": (
        execution(inputs={"who": "A", "age": True}),
        strategy(),
        CONTRACT,
        "InputsInvalid",
        "inputs.age",
    ),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_cannot_start(sentence: str) -> None:
    """With a reason, and a message that names what is wrong."""
    run, agent, contract, reason, part = REFUSED[sentence]
    found = decide(run, agent, contract=contract)
    assert isinstance(found, NotReady)
    assert found.reason == reason
    assert part in found.message
    assert found.is_pending == (reason == "StrategyPending")


def test_what_may_change_is_no_part_of_what_was_asked() -> None:
    """suspend, cancel, killSwitch and ttl leave the digest as it is; the goal does not."""
    asked = start.spec_digest(execution().spec)
    changed = execution(suspend=True, cancel=True, killSwitch={"engaged": True}, ttlSecondsAfterFinished=5)
    assert start.spec_digest(changed.spec) == asked
    assert start.spec_digest(execution(goal="other").spec) != asked
