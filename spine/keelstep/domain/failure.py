"""Can what a contract says about failure be followed? What the API server cannot check of it.

Asked when a contract is applied and when it is tested; nothing here is asked while a run lasts.
"""

from collections.abc import Iterator, Mapping

from keelstep.domain import cel, contract, reconcile, related
from keelstep.kinds.contract import ToolContractSpec

ANSWER_VARIABLES = ("status", "body")
"""What a condition may ask about an answer by HTTP."""
RESULT_VARIABLES = ("structured", "text", "content", "isError")
"""And about one of MCP."""


def problem(spec: ToolContractSpec) -> str:
    """The first field that cannot be followed, and why; nothing where all can."""
    return next(_problems(spec), "")


def _problems(spec: ToolContractSpec) -> Iterator[str]:
    policy = spec.failure_policy
    variables: tuple[str, ...] = RESULT_VARIABLES if spec.transport.mcp is not None else ANSWER_VARIABLES
    conditions: list[tuple[str, str | None, tuple[str, ...]]] = [
        ("retryWhen", policy.retry_when, variables),
        ("notPerformedWhen", policy.not_performed_when, variables),
    ]
    queries: list[tuple[str, str]] = []
    if policy.reconcile is not None:
        conditions.append(("reconcile.performed", policy.reconcile.performed, reconcile.VARIABLES))
        queries = [
            ("reconcile.arguments", policy.reconcile.arguments),
            ("reconcile.output", policy.reconcile.output),
        ]
    if spec.compensation is not None:
        wrong = related.check(spec.compensation.arguments)
        if wrong:
            yield f"compensation.arguments: {wrong}"
    for name, source, known in conditions:
        try:
            if source is not None:
                cel.compile_expression(source, known)
        except cel.CompileError as error:
            yield f"failurePolicy.{name}: {error}"
    for name, query in queries:
        wrong = related.check(query)
        if wrong:
            yield f"failurePolicy.{name}: {wrong}"


def unlisted(spec: ToolContractSpec, listed: Mapping[str, ToolContractSpec]) -> str:
    """Why what a contract names cannot be called by a strategy that lists these; nothing where it can."""
    rule, undo = spec.failure_policy.reconcile, spec.compensation
    if rule is not None:
        reading = listed.get(rule.contract)
        if reading is None:
            return f"failurePolicy.reconcile.contract: the strategy does not list {rule.contract}"
        if reading.transport.builtin is not None or not contract.is_free_read(reading):
            return f"failurePolicy.reconcile.contract: {rule.contract} is no free read of a tool"
    if undo is not None:
        undoing = listed.get(undo.contract)
        if undoing is None:
            return f"compensation.contract: the strategy does not list {undo.contract}"
        if undoing.consequence_tier == 0:
            return f"compensation.contract: {undo.contract} changes nothing, so it undoes nothing"
    return ""
