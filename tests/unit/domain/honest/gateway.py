"""Requests, claims, sends, results, take-overs, as a gateway does them."""

from keelstep.domain import call, canonical, money, takeover
from keelstep.domain.state import Claim, Place, State
from keelstep.events import clock, envelope, types
from tests.unit.domain import pinned as agents
from tests.unit.domain.honest import model
from tests.unit.domain.honest.world import CLAIM_SECONDS, Actor, Effect, Request, View, Wish, World


def gateway(world: World, owner: str) -> Actor:
    """Take requests, each a task of its own; sweep now and then."""
    world.owners.add(owner)
    while True:
        if world.requests and world.random.random() < 0.5:
            request = world.requests.pop(world.random.randrange(len(world.requests)))
            serve = model.answer if request.verb == "model" else _tool
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
    while True:
        view.read(seen=request.seen)
        yield
        verdict = call.decide_tool(question_of(world, view.state, number, place))
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
                yield from world.append(view, "gw", lambda state: unperformed(world, state, number, place))
            case call.Perform(needs_claim=False):
                yield
                status, _ = _send(world, verdict.planned.tool, verdict.key)
                yield
                yield from _record(world, view, place, status, None, verdict.key)
            case call.Perform():
                yield from world.append(view, "gw", lambda state: claim(world, state, number, place, owner))
                mine = view.state.claims.get(place)
                if mine is not None and mine.owner == owner:
                    yield from _perform(world, view, owner, mine)


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
    if not isinstance(verdict, call.Perform):
        return None
    data = types.ToolCalled(
        plan_seq=place[0], index=place[1], tool=verdict.planned.tool, args=verdict.planned.args,
        contract_digest=agents.DIGESTS[verdict.planned.tool], idempotency_key=verdict.key,
        estimate_micro_usd=verdict.estimate_micro_usd, tier=verdict.tier, owner=owner,
        deadline=clock.text(world.now + CLAIM_SECONDS * clock.SECOND),
        gate_seq=verdict.gate.decided_seq if verdict.gate is not None else None,
        valid_until=verdict.gate.decided.valid_until if verdict.gate is not None and verdict.gate.decided else "",
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
    yield from _record(world, view, claim.place, status, claim.seq, claim.key, cost)


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
        if (
            place in state.results
            or planned is None
            or (claim.seq if claim is not None else None) != claim_seq
        ):
            return None
        told = "unknown" if status == "failed" and claim is not None and claim.performances > 1 else status
        data = types.ToolResult(
            plan_seq=place[0], index=place[1], tool=planned.tool, status=told, claim_seq=claim_seq,  # type: ignore[arg-type]
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
        plan_seq=now.plan_seq, index=now.index, tool=now.tool, status="unknown", claim_seq=now.seq
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
