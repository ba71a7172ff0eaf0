"""Requests, claims, sends, results, take-overs, as a gateway does them."""

from collections.abc import Callable
from dataclasses import dataclass

from keelstep.domain import call, canonical, contract, money, takeover, undo, unwind
from keelstep.domain import retry as retries
from keelstep.domain.state import Claim, Place, State
from keelstep.events import clock, envelope, types
from tests.unit.domain.honest import agent, model
from tests.unit.domain.honest.world import CLAIM_SECONDS, Actor, Effect, Request, View, Wish, World

MOST_ATTEMPTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Deed:
    """What a request asks for: a planned call, or the undoing of one."""

    place: Place
    decide: Callable[[State], call.Verdict]
    unperformed: Callable[[State], Wish]
    claim: Callable[[State], Wish]


def gateway(world: World, owner: str) -> Actor:
    """Take requests, each a task of its own; sweep now and then."""
    world.owners.add(owner)
    while True:
        if world.requests and world.random.random() < 0.5:
            request = world.requests.pop(world.random.randrange(len(world.requests)))
            serve = {"model": model.answer, "tool": _tool, "undo": _undo}[request.verb]
            world.actors.append((owner, serve(world, View(world), owner, request)))
        elif world.random.random() < 0.1:
            world.actors.append((owner, _sweep(world, owner)))
        yield


def question_of(world: World, state: State, number: int, place: Place) -> call.Question:
    """Everything a verdict rests on."""
    planned = state.step_at(place)
    args = canonical.loads(world.payloads[planned.args.digest]) if planned is not None else {}
    return call.Question(
        state=state,
        pinned=world.pinned,
        attempt=number,
        place=place,
        args=args,
        stop=world.stop,
        now=world.now,
    )


def _tool(world: World, view: View, owner: str, request: Request) -> Actor:
    number, place = request.attempt, (request.about[0], request.about[1])
    deed = _Deed(
        place=place,
        decide=lambda state: call.decide_tool(question_of(world, state, number, place)),
        unperformed=lambda state: unperformed(world, state, number, place),
        claim=lambda state: claim(world, state, number, place, owner),
    )
    yield from _serve(world, view, owner, request, deed)


def _undo(world: World, view: View, owner: str, request: Request) -> Actor:
    number, seq = request.attempt, request.about[0]
    deed = _Deed(
        place=unwind.place_of(seq),
        decide=lambda state: undo.decide(undo_question(world, state, number, seq)),
        unperformed=lambda state: undeniable(world, state, number, seq),
        claim=lambda state: undo_claim(world, state, number, seq, owner),
    )
    yield from _serve(world, view, owner, request, deed)


def _serve(world: World, view: View, owner: str, request: Request, deed: _Deed) -> Actor:
    """Until it has its answer."""
    while True:
        view.read(seen=request.seen)
        yield
        verdict = deed.decide(view.state)
        match verdict:
            case call.Answered():
                request.is_answered = True
                return
            case call.Refuse():
                request.refusal, request.is_answered = verdict, True
                return
            case call.AskGate():
                request.gate, request.is_answered = verdict, True
                return
            case call.Join():
                if verdict.claim.owner not in world.owners:
                    yield from _take_over(world, view, owner, verdict.claim)
            case call.Deny() | call.Replay():
                yield from world.append(view, "gw", deed.unperformed)
            case call.Perform(needs_claim=False):
                yield
                status, _ = _send(world, verdict.planned.tool, verdict.key)
                yield
                yield from _record(world, view, deed.place, status, None, verdict.key)
            case call.Perform():
                yield from world.append(view, "gw", deed.claim)
                mine = view.state.claims.get(deed.place)
                if mine is not None and mine.owner == owner:
                    yield from _perform(world, view, owner, mine)


def undo_question(world: World, state: State, number: int, seq: int) -> undo.Question:
    """Everything the verdict on an undo rests on."""
    target = next((each for each in unwind.targets(state) if each.seq == seq), None)
    made = None
    if target is not None:
        planned, result = state.planned_at(target.place), state.end_of(target.place)
        assert planned is not None
        assert result is not None
        args, spec = canonical.loads(world.payloads[planned.args.digest]), world.pinned.contracts[target.tool]
        made = undo.build(spec, planned.args, args, result.data.idempotency_key, {"done": True})
    return undo.Question(
        state=state, pinned=world.pinned, attempt=number, seq=seq, call=made, problem="", stop=world.stop,
        platform=None, now=world.now,
    )  # fmt: skip


def undeniable(world: World, state: State, number: int, seq: int) -> Wish:
    """The record that something cannot be undone by a gateway."""
    verdict = undo.decide(undo_question(world, state, number, seq))
    if not isinstance(verdict, call.Deny):
        return None
    target = next(each for each in unwind.targets(state) if each.seq == seq)
    data = types.ToolResult(
        plan_seq=seq, index=0, tool=target.undo, status="denied", undoes=seq, error=types.Error(reason=verdict.reason)
    )  # fmt: skip
    return "tool.result", data, state.attempt, envelope.FREE


def undo_claim(world: World, state: State, number: int, seq: int, owner: str) -> Wish:
    """The claim of an undo, if it may be made."""
    verdict = undo.decide(undo_question(world, state, number, seq))
    return _claimed(world, state, verdict, (seq, 0), owner, undoes=seq)


def unperformed(world: World, state: State, number: int, place: Place) -> Wish:
    """The result of a call that is refused for good, or answered by an earlier one."""
    verdict = call.decide_tool(question_of(world, state, number, place))
    planned = state.step_at(place)
    if planned is None or not isinstance(verdict, call.Deny | call.Replay):
        return None
    data = types.ToolResult(
        plan_seq=place[0],
        index=place[1],
        tool=planned.tool,
        status="denied" if isinstance(verdict, call.Deny) else "ok",
        error=types.Error(reason=verdict.reason) if isinstance(verdict, call.Deny) else None,
        idempotency_key=verdict.key if isinstance(verdict, call.Replay) else "",
        replayed_seq=verdict.seq if isinstance(verdict, call.Replay) else None,
    )
    return "tool.result", data, state.attempt, envelope.FREE


def claim(world: World, state: State, number: int, place: Place, owner: str) -> Wish:
    """The claim, if the call may be made."""
    verdict = call.decide_tool(question_of(world, state, number, place))
    return _claimed(world, state, verdict, place, owner)


def _claimed(
    world: World, state: State, verdict: object, place: Place, owner: str, undoes: int | None = None
) -> Wish:
    if not isinstance(verdict, call.Perform):
        return None
    data = types.ToolCalled(
        plan_seq=place[0], index=place[1], tool=verdict.planned.tool, args=verdict.planned.args,
        contract_digest=agent.DIGESTS[verdict.planned.tool], idempotency_key=verdict.key,
        estimate_micro_usd=verdict.estimate_micro_usd, tier=verdict.tier, owner=owner,
        deadline=clock.text(world.now + CLAIM_SECONDS * clock.SECOND),
        gate_seq=verdict.gate.decided_seq if verdict.gate is not None else None,
        valid_until=verdict.gate.decided.valid_until if verdict.gate is not None and verdict.gate.decided else "",
        undoes=undoes,
    )  # fmt: skip
    return "tool.called", data, state.attempt, envelope.FREE


def _perform(world: World, view: View, owner: str, claim: Claim) -> Actor:
    """Check once more, send, and record what came of it."""
    yield
    view.read(fresh=True)
    refused = call.may_send(view.state, claim.seq, claim.place, owner, world.stop)
    if refused in ("ClaimClosed", "ClaimTakenOver"):
        return
    if refused:
        yield from _record(world, view, claim.place, "failed", claim.seq, claim.key)
        return
    status, cost = _send(world, claim.tool, claim.key)
    yield
    if status != "ok" and world.random.random() < 0.5:
        yield from world.append(view, "gw", lambda state: again(world, state, claim, owner, status))
        mine = view.state.claims.get(claim.place)
        if mine is not None and mine.owner == owner and mine.performances > claim.performances:
            yield from _perform(world, view, owner, mine)
            return
    yield from _record(world, view, claim.place, status, claim.seq, claim.key, cost)


def again(world: World, state: State, claim: Claim, owner: str, status: str) -> Wish:
    """The owner's next attempt, if it may be made and can double nothing."""
    now = state.claims.get(claim.place)
    is_harmless = contract.is_repeatable(world.pinned.contracts[claim.tool]) or status == "failed"
    if now != claim or now.performances >= MOST_ATTEMPTS or not is_harmless:
        return None
    if retries.why_not(state, now, world.stop, world.now):
        return None
    data = types.ToolRetried(
        claim_seq=now.seq, plan_seq=now.plan_seq, index=now.index, owner=owner, reason="Unavailable",
        deadline=now.deadline, attempt_number=now.performances + 1, is_certain=status == "failed",
    )  # fmt: skip
    return "tool.retried", data, state.attempt, envelope.FREE


def _send(world: World, tool: str, key: str) -> tuple[str, int]:
    is_first = not any(effect.key == key for effect in world.effects)
    world.effects.append(Effect(tool, key, world.now, is_first))
    status = world.random.choice(
        ["ok", "ok", "ok", "failed", "unknown" if tool != "orders.get" else "failed"]
    )
    if status == "failed":
        world.effects.pop()  # provably not performed
    return status, money.micro_usd(world.pinned.contracts[tool].budgets.estimated_cost_usd)


def _record(
    world: World, view: View, place: Place, status: str, claim_seq: int | None, key: str, cost: int = 0
) -> Actor:
    """The result, until it is stored or another one is."""

    def propose(state: State) -> Wish:
        claim = state.claims.get(place)
        planned = state.step_at(place)
        tool = claim.tool if claim is not None else planned.tool if planned is not None else ""
        if place in state.results or not tool or (claim.seq if claim is not None else None) != claim_seq:
            return None
        told = "unknown" if status == "failed" and claim is not None and claim.is_doubtful else status
        data = types.ToolResult(
            plan_seq=place[0], index=place[1], tool=tool, status=told, claim_seq=claim_seq,  # type: ignore[arg-type]
            undoes=claim.undoes if claim is not None else None,
            idempotency_key=key, output=world.seal(b'{"done":true}') if told == "ok" else None,
        )  # fmt: skip
        return "tool.result", data, state.attempt, envelope.Cost(micro_usd=cost)

    yield from world.append(view, "gw", propose)


def _verdict(world: World, state: State, place: Place) -> object:
    """What to do about a claim whose owner is silent; nothing where it is gone, or its owner is not."""
    found = state.claims.get(place)
    if found is None or found.owner in world.owners:
        return None
    return takeover.decide(state, found, world.pinned.contracts[found.tool], world.stop, world.now)


def retry(world: World, state: State, place: Place, owner: str) -> Wish:
    """Take the claim over, if it may be performed again."""
    if not isinstance(_verdict(world, state, place), takeover.Retry):
        return None
    now = state.claims[place]
    data = types.ToolRetried(
        claim_seq=now.seq, plan_seq=now.plan_seq, index=now.index, owner=owner, reason="OwnerSilent",
        deadline=clock.text(world.now + CLAIM_SECONDS * clock.SECOND), attempt_number=now.performances + 1,
    )  # fmt: skip
    return "tool.retried", data, state.attempt, envelope.FREE


def settle(world: World, state: State, place: Place) -> Wish:
    """Nobody can know any more, once that is so."""
    if not isinstance(_verdict(world, state, place), takeover.Settle):
        return None
    now = state.claims[place]
    data = types.ToolResult(
        plan_seq=now.plan_seq,
        index=now.index,
        tool=now.tool,
        status="unknown",
        claim_seq=now.seq,
        undoes=now.undoes,
        idempotency_key=now.key,
    )
    return "tool.result", data, state.attempt, envelope.Cost(micro_usd=now.estimate_micro_usd)


def _take_over(world: World, view: View, owner: str, claim: Claim) -> Actor:
    yield from world.append(view, "gw", lambda state: retry(world, state, claim.place, owner))
    mine = view.state.claims.get(claim.place)
    if mine is not None and mine.owner == owner:
        yield from _perform(world, view, owner, mine)
    else:
        yield from world.append(view, "gw", lambda state: settle(world, state, claim.place))


def _sweep(world: World, owner: str) -> Actor:
    view = View(world)
    view.read(fresh=True)
    for claim in list(view.state.claims.values()):
        if claim.owner not in world.owners:
            yield from _take_over(world, view, owner, claim)
    yield from world.append(view, "gw", lambda state: model.lost(world, state))
