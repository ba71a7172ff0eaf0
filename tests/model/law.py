"""What does the operator do? One event or some actions at a time, decided by its own list of questions.

Mirrors `keelstep_operator.reconcile.execution`: facts are gathered once, the event is decided again in the state that it
extends but with the facts as they were, and what is to be done in Kubernetes is done when no event is wanted.
"""

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence

from keelstep.domain import canonical, undo, unwind
from keelstep.domain.state import Gate as Asked
from keelstep.domain.state import State
from keelstep.events import clock, types
from keelstep.kinds.execution import Execution
from keelstep.log.spine import Proposal
from keelstep_operator.decide import actions, execution, facts, gate
from tests.model import cast, world
from tests.model.defects import Defect
from tests.model.explorer import Step
from tests.model.fence import Actor, Fence
from tests.model.journal import Journal
from tests.model.scenes import Scene
from tests.model.world import Doing, Law, Pod, Rule, Situation, Wish, World

_SECOND_OF_TICK = 20
_STOP = facts.Stop(scope="strategy", reason="killed", by="ann")
_RESOURCES: Mapping[bool, Execution] = {flag: cast.execution(is_cancelled=flag) for flag in (False, True)}


class Laws:
    """The operator's decisions about one run, and its steps."""

    def __init__(self, log: Journal, gate: Fence, scene: Scene, defect: Defect | None) -> None:
        self.journal, self.fence, self.scene, self.defect = log, gate, scene, defect
        self.wanted = functools.cache(self._wanted)
        self.propose = functools.cache(self._propose)
        self.todo = functools.cache(self._todo)

    def steps(self, now: World, *, may_crash: bool) -> Iterator[Step[World]]:
        """Everything that the operator can do, and that can happen to it."""
        law = now.law
        if law.doing == world.DEAD:
            fresh = Law(has_read=self.defect is not Defect.ACKNOWLEDGE_UNSEEN)
            yield Step("the operator starts", now._replace(law=fresh))
            return
        if may_crash and (law.doing != world.IDLE or now.control == world.STOPPED):
            letters = (law.doing.letter,) if isinstance(law.doing, world.Flying) else ()
            poorer = now.luck._replace(crashes=now.luck.crashes - 1)
            dead = now._replace(luck=poorer, law=Law(doing=world.DEAD), ghosts=(*now.ghosts, *letters))
            yield Step("the operator crashes", dead)
        if law.doing != world.IDLE:
            yield from self.fence.appending(now, self._actor(law.doing, now.tick))
            return
        yield from self._stopping(now)
        yield from self._ruling(now)

    def _actor(self, doing: Doing, tick: int) -> Actor:
        def propose(wish: Wish, node: int) -> Proposal | None:
            assert isinstance(wish, Rule)
            return self.propose(wish, node, tick)

        def put(now: World, doing: Doing) -> World:
            return now._replace(law=Law(doing=doing))

        return Actor("the operator", "op", doing, propose, put, lambda now, node: world.IDLE)

    def _stopping(self, now: World) -> Iterator[Step[World]]:
        """CONTROL first, then the log; acknowledged once the log says so."""
        if self.scene.is_killed and now.control == world.NOT_STOPPED:
            yield Step("the operator: CONTROL says stop", now._replace(control=world.STOPPED))
        if now.control != world.STOPPED:
            return
        is_ended = now.law.has_read and self.journal.state(now.head, now.tick).is_over
        if is_ended or self.defect is Defect.ACKNOWLEDGE_EARLY or not now.law.has_read:
            yield Step("the operator: acknowledges the kill", now._replace(control=world.ACKNOWLEDGED))

    def _ruling(self, now: World) -> Iterator[Step[World]]:
        """Gather, decide, and publish one event or do one action."""
        situation = self.situation(now)
        for node in self.journal.readable(now):
            then = world.stale(now) if node != now.head else now
            wanted = self.wanted(situation, node, now.tick)
            is_in_bounds = (
                wanted != "exec.attempt" or self.journal.nodes[node].state.attempt < self.scene.attempts
            )
            if wanted and is_in_bounds:
                published = self.fence.publish(
                    then, self._actor(world.IDLE, now.tick), Rule(situation, wanted)
                )
                if published is not None:
                    yield Step(f"the operator: publishes {wanted}", published)
            elif not wanted:
                for what, after in self.done(then, self.todo(situation, node, now.tick)):
                    yield Step(f"the operator: {what}", after)

    def situation(self, now: World) -> Situation:
        """What can be gathered now besides the log."""
        pods = tuple((pod.attempt, pod.doing != world.DEAD) for pod in now.pods)
        return Situation(now.control != world.NOT_STOPPED, now.is_cancelled, now.human, pods)

    def _facts(self, situation: Situation, node: int, tick: int) -> facts.Facts:
        state = self.journal.state(node, tick)
        return facts.Facts(
            now=cast.at(tick, _SECOND_OF_TICK),
            name=cast.NAME,
            state=state,
            execution=self._resource(situation, state),
            stop=_STOP if situation.is_stopped else None,
            pods={number: _pod(number, is_up=is_up) for number, is_up in situation.pods},
            gates=[] if state.is_over else self._gates(state, situation.human),
        )

    def _resource(self, situation: Situation, state: State) -> Execution:
        found = _RESOURCES[situation.is_cancelled]
        if self.defect is Defect.END_UNDONE and state.is_unwinding:
            gone = found.metadata.model_copy(update={"deletion_timestamp": "2026-11-21T08:00:00Z"})
            return found.model_copy(update={"metadata": gone})  # as if it owned no Pods any more
        return found

    def _gates(self, state: State, human: int) -> list[facts.Gate]:
        """Every pending question as the operator would ask it, and what a person said to it."""
        found: list[facts.Gate] = []
        for asked in state.gates.values():
            planned = state.step_at(asked.place) or self._undo(state, asked)
            if asked.decided is not None or planned is None:
                continue
            material = gate.Material(
                execution=cast.NAME, args={"n": 1}, args_bytes=8, goal="help", reasoning=(),
                spec=cast.CONTRACTS[planned.tool], max_tier=cast.VISIBLE,
                planned=planned if asked.undoes is not None else None,
            )  # fmt: skip
            ours = gate.build(state, asked, material)
            is_again = asked.kind == "exhausted" and bool(state.former_gates)  # they say yes to that once
            answer = facts.Decision(approver="bob", is_approval=human == world.APPROVED and not is_again)
            said = (answer,) if human in (world.APPROVED, world.REJECTED) else ()
            found.append(dataclasses.replace(ours, exists=human != world.UNASKED, decisions=said))
        return found

    def _undo(self, state: State, asked: Asked) -> types.PlannedCall | None:
        """The call that undoes what is asked about."""
        target = next((each for each in unwind.targets(state) if each.seq == asked.undoes), None)
        planned = state.planned_at(target.place) if target is not None else None
        if target is None or planned is None:
            return None
        result = state.end_of(target.place)
        key = result.data.idempotency_key if result is not None else ""
        args = canonical.loads(cast.PAYLOADS[planned.args.digest])
        return undo.build(cast.CONTRACTS[target.tool], planned.args, args, key, {}).planned

    def _wanted(self, situation: Situation, node: int, tick: int) -> str:
        """The type of the event that the first question wants; empty where none does."""
        append = execution.decide(self._facts(situation, node, tick)).append
        return append.type if append is not None else ""

    def _propose(self, wish: Rule, node: int, tick: int) -> Proposal | None:
        """The event in this state, if it still is the one that was wanted."""
        state = self.journal.state(node, tick)
        if state.undecidable:
            return None
        again = execution.wanted_event(self._facts(wish.situation, node, tick))
        if again is None or again.type != wish.type:
            return None
        attempt = state.attempt if again.attempt is None else again.attempt
        return Proposal(
            type=again.type, data=again.data, id=again.id, actor="operator", attempt=attempt, step=state.step,
            trace_id=again.trace_id,
        )  # fmt: skip

    def _todo(self, situation: Situation, node: int, tick: int) -> Sequence[actions.Action]:
        """What is to be done, where no event is wanted."""
        return tuple(execution.decide(self._facts(situation, node, tick)).todo)

    def done(self, before: World, todo: Sequence[actions.Action]) -> Iterator[tuple[str, World]]:
        """The world after each action that changes it. Identities are never revoked here: the log must do without."""
        for action in todo:
            match action:
                case actions.RunAttempt(attempt=number) if all(pod.attempt != number for pod in before.pods):
                    pods = tuple(sorted([*before.pods, Pod(number)]))
                    yield f"starts the Pod of attempt {number}", before._replace(pods=pods)
                case actions.OpenGate() if before.human == world.UNASKED:
                    yield "asks a person", before._replace(human=world.ASKED)
                case actions.EndPod(pod=ended) if any(pod.attempt == ended.attempt for pod in before.pods):
                    yield f"deletes the Pod of attempt {ended.attempt}", _without(before, ended.attempt)
                case _:
                    pass


def _pod(number: int, *, is_up: bool) -> facts.Pod:
    phase = "Running" if is_up else "Failed"
    return facts.Pod(
        name=f"run-a{number}", uid=str(number), attempt=number, phase=phase, created_at=clock.SECOND
    )


def _without(before: World, attempt: int) -> World:
    gone = next(pod for pod in before.pods if pod.attempt == attempt)
    letters = (gone.doing.letter,) if isinstance(gone.doing, world.Flying) else ()
    pods = tuple(pod for pod in before.pods if pod.attempt != attempt)
    return before._replace(pods=pods, ghosts=(*before.ghosts, *letters))
