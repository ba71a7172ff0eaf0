"""Did the run do what it was to do? Its strategy's criteria, asked of its output and its trace.

A criterion that cannot be evaluated does not hold.
"""

from keelstep.domain import canonical, cel
from keelstep.domain.revision import Pinned
from keelstep.domain.state import State
from keelstep.events import types


def judge(state: State, pinned: Pinned, output: bytes) -> tuple[list[types.Criterion], list[str]]:
    """Each criterion's verdict, and those that are not met, for a person."""
    values = {
        "output": canonical.loads(output),
        "trace": {
            "steps": state.step,
            "modelCalls": state.ordinal,
            "toolCalls": state.tool_calls,
            "tokens": state.tokens,
            "tools": {name: state.successes.get(name, 0) for name in pinned.contracts},
        },
    }
    found = [_criterion(each.name, each.expression, values) for each in pinned.strategy.success_criteria]
    return found, [_missed(each) for each in found if not each.holds]


def _criterion(name: str, expression: str, values: dict[str, object]) -> types.Criterion:
    try:
        holds = cel.compile_expression(expression, ("output", "trace")).holds(values)
        return types.Criterion(name=name, holds=holds)
    except (cel.CompileError, cel.EvaluationError) as error:
        return types.Criterion(name=name, holds=False, error=str(error)[:200])


def _missed(criterion: types.Criterion) -> str:
    """A criterion that was wrong itself is another mistake than an output that was."""
    return f"{criterion.name} (cannot be evaluated: {criterion.error})" if criterion.error else criterion.name
