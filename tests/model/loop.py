"""What does a runner do? The first append that its turn asks for, or nothing while the gateway works, or it leaves.

Mirrors `keelstep_runner.loop`. What it asks of a gateway needs no state here: a gateway may meet any wish of any attempt
at any time, late ones included.
"""

import functools

from keelstep.domain import turn
from keelstep.events import envelope, types
from keelstep.log.spine import Proposal
from tests.model import cast
from tests.model.journal import Journal


class Turns:
    """The runners' decisions."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.action = functools.cache(self._action)
        self.propose = functools.cache(self._propose)

    def _action(self, attempt: int, node: int, tick: int) -> turn.Action:
        return turn.decide(self.journal.state(node, tick), cast.PINNED, cast.PAYLOADS, attempt)

    def _propose(self, attempt: int, node: int, tick: int) -> Proposal | None:
        """What an attempt wants to append in this state; None where it asks, waits or leaves."""
        state = self.journal.state(node, tick)
        match self.action(attempt, node, tick):
            case turn.AskGates(questions=questions):
                first = questions[0]
                data: types.Data = types.GateRequested(
                    plan_seq=first.plan_seq, index=first.index, consequence_tier=first.tier
                )
                identity: tuple[object, ...] = (first.plan_seq, first.index)
            case turn.Finish(finished=finished):
                data, identity = finished, (attempt,)
            case _:
                return None
        name = types.NAMES[type(data)]
        return Proposal(
            type=name, data=data, id=envelope.identifier(cast.XID, name, *identity), actor=f"runner/{attempt}",
            attempt=attempt, step=state.step,
        )  # fmt: skip

    def is_leaving(self, attempt: int, node: int, tick: int) -> bool:
        """Whether it exits."""
        return isinstance(self.action(attempt, node, tick), turn.Stop)
