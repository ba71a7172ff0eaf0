"""What does a runner do? The first append that its turn asks for, or nothing while the gateway works, or it leaves.

Mirrors `keelstep_runner.loop`. What it asks of a gateway needs no state here: a gateway may meet any wish of any attempt
at any time, late ones included.
"""

import functools
from collections.abc import Iterator

from keelstep.domain import turn
from keelstep.events import envelope, registry, types
from keelstep.log.spine import Proposal
from tests.model import cast, invariants, journal, world
from tests.model.explorer import Step
from tests.model.fence import Actor, Fence
from tests.model.journal import Journal
from tests.model.world import Doing, Pod, Speak, Wish, World


class Loops:
    """The runners' decisions, and their steps."""

    def __init__(self, log: Journal, gate: Fence) -> None:
        self.journal, self.fence = log, gate
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
                    plan_seq=first.plan_seq,
                    index=first.index,
                    consequence_tier=first.tier,
                    kind=first.kind,
                    undoes=first.undoes,
                )
                identity: tuple[object, ...] = (
                    first.plan_seq,
                    first.index,
                    first.kind,
                    len(state.questions),
                )
            case turn.Finish(finished=finished):
                data, identity = finished, (attempt,)
            case turn.Unwind(unwinding=unwinding):
                data, identity = unwinding, (attempt,)
            case _:
                return None
        name = registry.NAMES[type(data)]
        return Proposal(
            type=name, data=data, id=envelope.identifier(cast.XID, name, *identity), actor=f"runner/{attempt}",
            attempt=attempt, step=state.step,
        )  # fmt: skip

    def steps(self, now: World, pod: Pod, *, may_crash: bool) -> Iterator[Step[World]]:
        """Everything that a runner can do, and that can happen to it."""
        if pod.doing == world.DEAD:
            return
        who = f"attempt {pod.attempt}"
        if may_crash:
            letters = (pod.doing.letter,) if isinstance(pod.doing, world.Flying) else ()
            after = _put(now, pod, world.DEAD)._replace(luck=now.luck._replace(crashes=now.luck.crashes - 1))
            yield Step(f"{who}: crashes", after._replace(ghosts=(*now.ghosts, *letters)))

        def propose(wish: Wish, node: int) -> Proposal | None:
            return self.propose(pod.attempt, node, now.tick)

        def put(now: World, doing: Doing) -> World:
            return _put(now, pod, doing)

        actor = Actor(who, f"a{pod.attempt}", pod.doing, propose, put, lambda now, node: world.IDLE)
        if pod.doing != world.IDLE:
            yield from self.fence.appending(now, actor)
            return
        published = self.fence.publish(now, actor, Speak(pod.attempt))
        if published is not None:
            yield Step(f"{who}: publishes what it decided", published)
        elif isinstance(self.action(pod.attempt, now.head, now.tick), turn.Stop):
            yield Step(f"{who}: exits", _put(now, pod, world.DEAD))
        if now.luck.forgeries:
            yield from self._forging(now, pod)

    def _forging(self, now: World, pod: Pod) -> Iterator[Step[World]]:
        """It writes, under its own name, what only others may."""
        poorer = now._replace(luck=now.luck._replace(forgeries=now.luck.forgeries - 1))
        state = self.journal.state(now.head, now.tick)
        for data in self._forgeries(now):
            payload = journal.encode(state, cast.event(data, state.attempt))
            node = self.journal.append(now.head, f"a{pod.attempt}", payload, now.tick, signature="")
            broken = invariants.of_append(self.journal, now, node, is_acknowledged=False)
            what = f"attempt {pod.attempt}: forges {registry.NAMES[type(data)]}"
            yield Step(what, poorer._replace(head=node), broken)

    def _forgeries(self, now: World) -> Iterator[types.Data]:
        state = self.journal.state(now.head, now.tick)
        for gate in state.gates.values():
            planned = state.step_at(gate.place)
            if gate.decided is None and planned is not None:
                yield types.GateDecided(
                    plan_seq=gate.plan_seq, index=gate.index, request_seq=gate.request_seq, verdict="approved",
                    args_digest=planned.args.digest, contract_digest=cast.DIGESTS[planned.tool],
                )  # fmt: skip
        if state.attempt == 1:
            yield types.ExecAttempt(attempt=2, pod="run-a2", reason="Forged")


def _put(now: World, pod: Pod, doing: Doing) -> World:
    pods = tuple(each._replace(doing=doing) if each.attempt == pod.attempt else each for each in now.pods)
    return now._replace(pods=pods)
