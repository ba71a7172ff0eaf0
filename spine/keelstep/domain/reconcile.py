"""What came of a call whose outcome nobody knows? What a read says that the contract names for it.

    args, key ─► arguments ─► the read ─► performed? ─┬ yes ─► its output, as the call's own ─► ok
                                                      └ no, long enough after the call ─► failed: it did not happen

Whatever goes wrong on the way leaves the outcome as it is. Pure: the gateway makes the read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keelstep.domain import canonical, cel, related, retry, schema
from keelstep.domain.outcome import Judged
from keelstep.events import types
from keelstep.kinds.contract import ToolContractSpec
from keelstep.kinds.failure import Reconcile

VARIABLES = ("output", "args", "key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the read says of the call."""

    output: bytes | None
    """Its output, canonical JSON; None where it did not happen."""


class UnclearError(ValueError):
    """The read says nothing that can be used; the message says why, without any payload."""


def arguments(rule: Reconcile, args: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The read's arguments.

    Raises:
        UnclearError: they cannot be computed.
    """
    try:
        payload = related.arguments(rule.arguments, {"args": args, "key": key})
    except related.RelatedError as error:
        raise UnclearError(str(error)) from error
    found: dict[str, Any] = canonical.loads(payload)
    return found


def read(
    spec: ToolContractSpec,
    rule: Reconcile,
    found: bytes,
    args: Mapping[str, Any],
    key: str,
    evaluate: cel.Evaluate = cel.here,
) -> Said:
    """What the read's output says of a call of this contract.

    Raises:
        UnclearError: nothing that can be used.
    """
    values = {"output": canonical.loads(found), "args": dict(args), "key": key}
    try:
        if not cel.holds(cel.compile_expression(rule.performed, VARIABLES), values, evaluate):
            return Said(output=None)
        output = canonical.dumps(related.select(rule.output, values))
    except (cel.CompileError, cel.EvaluationError, related.RelatedError, ValueError, TypeError) as error:
        raise UnclearError(f"reconcile: {_place(error)} fails on what was read") from error
    problems = schema.of_revision(spec.schemas.output).problems(canonical.loads(output))
    if problems:
        raise UnclearError(f"reconcile.output does not match schema.output: {'; '.join(problems)}")
    return Said(output=output)


def judged(said: Said, rule: Reconcile, milliseconds: int) -> Judged:
    """The call's outcome, by the word of the read."""
    if said.output is not None:
        return Judged(status="ok", output=said.output, via=rule.contract, via_ms=milliseconds)
    error = types.Error(
        reason="NotHappened", message=f"{rule.contract} shows that it did not happen", error_class="Refused"
    )
    return Judged(status="failed", error=error, via=rule.contract, via_ms=milliseconds)


def extra_seconds(spec: ToolContractSpec, contracts: Mapping[str, ToolContractSpec]) -> int:
    """How long finding out may take after the last attempt; 0 where the contract names no read."""
    rule = spec.failure_policy.reconcile
    reading = contracts.get(rule.contract) if rule is not None else None
    if rule is None or reading is None:
        return 0
    return rule.settle_seconds + 2 * reading.timeout_seconds


def claim_seconds(spec: ToolContractSpec, contracts: Mapping[str, ToolContractSpec]) -> int:
    """How long a claim may last: every attempt, and finding out what came of them."""
    return retry.budget_seconds(spec) + extra_seconds(spec, contracts)


def _place(error: Exception) -> str:
    return "performed" if isinstance(error, cel.CompileError | cel.EvaluationError) else "output"
