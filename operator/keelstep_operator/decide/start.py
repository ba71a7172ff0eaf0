"""May this run start, and with what? Its pins, its inputs, its budget and its deadline.

From the resources as they are now. What is pinned here is what the run is judged by to its end.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keelstep.domain import canonical, contract, money, revision
from keelstep.events import clock, types, value
from keelstep.kinds import names
from keelstep.kinds.contract import ToolContract
from keelstep.kinds.execution import Execution, ExecutionSpec
from keelstep.kinds.strategy import AgentStrategy, Slot
from keelstep_operator.decide.facts import NotReady, Ready

_CHANGEABLE = {"suspend", "cancel", "discard", "killSwitch", "ttlSecondsAfterFinished"}
_MOST_TRIGGER = 200
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "array": list,
    "object": dict,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """What a start draws at random, once."""

    trace_id: str
    """32 hex digits."""
    goal_salt: str
    inputs_salt: str


def spec_digest(spec: ExecutionSpec) -> str:
    """SHA-256 of what was asked: the spec without what may change."""
    asked = {key: part for key, part in spec.wire().items() if key not in _CHANGEABLE}
    return canonical.digest(canonical.dumps(asked))


def decide(
    execution: Execution,
    strategy: AgentStrategy | None,
    contracts: Mapping[str, ToolContract],
    *,
    now: int,
    shard: int,
    chance: Chance,
    policy: str = "",
) -> Ready | NotReady:
    """Everything `exec.started` carries, or why the run cannot start yet."""
    spec = execution.spec
    wanted = spec.strategy_ref.name
    if strategy is None:
        return _unresolved("StrategyMissing", f"there is no AgentStrategy {wanted} in this namespace")
    if not is_settled(strategy):
        return _unsettled(strategy)
    pins: dict[str, types.Pin] = {}
    for grant in strategy.spec.tools:
        tool = contracts.get(grant.contract)
        if tool is None:
            return _unresolved("StrategyNotReady", f"ToolContract {grant.contract} is gone")
        if not is_settled(tool):
            return _unsettled(tool)
        pins[grant.contract] = types.Pin(
            digest=tool.status.revision,
            tier=tool.spec.consequence_tier,
            estimate_micro_usd=contract.estimate_micro_usd(tool.spec),
            builtin=tool.spec.transport.builtin is not None,
            ages=tool.spec.freshness is not None,
            cached=tool.spec.cache is not None,
            undo=tool.spec.compensation.contract if tool.spec.compensation is not None else "",
        )
    problem = inputs_problem(strategy.spec.prompt.slots, spec.inputs or {})
    if problem:
        return NotReady(condition="Accepted", reason="InputsInvalid", message=problem)
    goal_bytes = spec.goal.encode()
    inputs_bytes = canonical.dumps(spec.inputs or {})
    goal = value.seal(goal_bytes, media_type=value.TEXT, salt=chance.goal_salt)
    inputs = value.seal(inputs_bytes, media_type=value.JSON, salt=chance.inputs_salt)
    limits = strategy.spec.limits
    seconds = min(filter(None, (spec.deadline_seconds, limits.wall_clock_seconds)))
    budgets = [limits.cost_usd] + ([spec.budget.cost_usd] if spec.budget else [])
    data = types.ExecStarted(
        name=execution.metadata.name,
        goal=goal,
        inputs=inputs,
        strategy=wanted,
        strategy_version=strategy.spec.version,
        strategy_digest=strategy.status.revision,
        contracts=pins,
        budget_micro_usd=min(map(money.micro_usd, budgets)),
        deadline=clock.text(now + seconds * clock.SECOND),
        requester=spec.requested_by,
        spec_digest=spec_digest(spec),
        shard=shard,
        unwind_seconds=limits.unwind_seconds,
        policy=policy,
        trigger=_trigger(execution),
    )
    payloads = [pair for pair in ((goal, goal_bytes), (inputs, inputs_bytes)) if pair[0].ref is not None]
    return Ready(data=data, trace_id=chance.trace_id, payloads=payloads)


def _trigger(execution: Execution) -> str:
    """What the run came from: a person, or another run that is done again."""
    retried = execution.metadata.annotations.get(names.ANNOTATION_RETRY_OF, "")
    return f"retry of {retried}"[:_MOST_TRIGGER] if retried else "manual"


def is_settled(resource: AgentStrategy | ToolContract) -> bool:
    """Ready, and its status speaks of exactly this content."""
    status = resource.status
    if status.observed_generation != resource.metadata.generation:
        return False
    if not any(found.type == "Ready" and found.status == "True" for found in status.conditions):
        return False
    content = revision.build(resource.crd.kind, resource.metadata.name, resource.spec)
    return content.digest == status.revision


def inputs_problem(slots: list[Slot], inputs: Mapping[str, Any]) -> str:
    """The first thing wrong with the inputs, naming its slot; nothing where they fit."""
    declared = {slot.name: slot for slot in slots}
    for name in inputs:
        if name not in declared:
            known = ", ".join(sorted(declared)) or "none"
            return f"inputs.{name}: the strategy has no such slot; it declares {known}"
    for name, slot in declared.items():
        if name not in inputs:
            if not slot.optional:
                return f"inputs.{name}: missing; the strategy needs it ({slot.type})"
        elif not _fits(inputs[name], slot.type):
            return f"inputs.{name}: must be of type {slot.type}"
    return ""


def _fits(found: Any, kind: str) -> bool:
    if isinstance(found, bool) and kind != "boolean":
        return False  # Python's booleans are integers, JSON's are not
    return isinstance(found, _TYPES[kind])


def _unresolved(reason: str, message: str) -> NotReady:
    return NotReady(condition="ResolvedRefs", reason=reason, message=message)


def _unsettled(resource: AgentStrategy | ToolContract) -> NotReady:
    """Either a person must act on it, or it is being checked."""
    what = f"{resource.crd.kind} {resource.metadata.name}"
    is_checked = resource.status.observed_generation == resource.metadata.generation
    ready = next((found for found in resource.status.conditions if found.type == "Ready"), None)
    if ready is None or not is_checked or ready.status != "False":
        return NotReady(
            condition="ResolvedRefs",
            reason="StrategyPending",
            message=f"{what} is being checked",
            is_pending=True,
        )
    why = f"{ready.reason}: {ready.message}" if ready.message else ready.reason
    return _unresolved("StrategyNotReady", f"{what} is not ready: {why}")
