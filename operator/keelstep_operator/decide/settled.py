"""Did a person say that what ended badly in a run is done with? Recorded in its log, once it is over.

It changes nothing about the run; the views show it to nobody as waiting any more.
"""

from keelstep.events import types
from keelstep_operator.decide import actions, proposing
from keelstep_operator.decide.facts import Facts


def discarded(facts: Facts) -> actions.Append | None:
    """Is it to be recorded?"""
    execution, state = facts.execution, facts.state
    if (
        execution is None
        or execution.spec.discard is None
        or not state.is_over
        or state.discarded is not None
    ):
        return None
    data = types.Feedback(by="spec.discard", verdict="bad", reason=execution.spec.discard, discards=True)
    return proposing.append(facts, "feedback.given", data, "discard")
