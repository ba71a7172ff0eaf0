"""Model calls, as a gateway makes them, and what a model may say."""

from collections.abc import Mapping
from random import Random

import msgspec

from keelstep.domain import call, modelcall
from keelstep.domain.state import State
from keelstep.events import clock, envelope, types, value
from keelstep.kinds import names
from tests.unit.domain.honest import agent
from tests.unit.domain.honest.world import Actor, Request, View, Wish, World

ESTIMATE = 5_000


def lost(world: World, state: State) -> Wish:
    """An open call whose owner is gone ends at its full estimate."""
    open_call = state.open_model_call
    if open_call is None or open_call.owner in world.owners:
        return None
    data = types.ModelReplied(ordinal=open_call.ordinal, status="lost")
    return "model.replied", data, state.attempt, envelope.Cost(micro_usd=open_call.reserved_micro_usd)


def begin(world: World, state: State, number: int, ordinal: int, owner: str) -> Wish:
    """Reserve a call's highest cost, if it may be made."""
    found = modelcall.decide(state, world.pinned, number, ordinal, ESTIMATE, world.stop)
    if not isinstance(found, modelcall.CallModel):
        return None
    data = types.ModelCalled(
        ordinal=ordinal, model="scripted", request=value.seal(b"[]", media_type=value.JSON, salt="0"),
        reserved_micro_usd=ESTIMATE, owner=owner, price_table="1", deadline=clock.text(world.now),
    )  # fmt: skip
    return "model.called", data, state.attempt, envelope.FREE


def answer(world: World, view: View, owner: str, request: Request) -> Actor:
    """Have the call made, or find its reply."""
    number, ordinal = request.attempt, request.about[0]
    while True:
        view.read(seen=request.seen)
        yield
        verdict = modelcall.decide(view.state, world.pinned, number, ordinal, ESTIMATE, world.stop)
        if isinstance(verdict, call.Answered):
            request.is_answered = True
            return
        if isinstance(verdict, call.Refuse):
            if verdict.reason == "ModelCallOpen":
                yield from world.append(view, "gw", lambda state: lost(world, state))
            request.refusal, request.is_answered = verdict, True
            return

        yield from world.append(view, "gw", lambda state: begin(world, state, number, ordinal, owner))
        mine = view.state.models.get(ordinal)
        if mine is None or mine.owner != owner or mine.reply is not None:
            continue
        yield
        yield from _reply(world, view, ordinal, owner)


def _reply(world: World, view: View, ordinal: int, owner: str) -> Actor:
    status = world.random.choice(["ok"] * 9 + ["failed"])
    said = world.seal(msgspec.json.encode(message(world.random))) if status == "ok" else None
    error = types.Error(reason="Down", error_class="Unavailable") if said is None else None

    def propose(state: State) -> Wish:
        known = state.models.get(ordinal)
        if known is None or known.reply is not None or known.owner != owner:
            return None
        data = types.ModelReplied(ordinal=ordinal, status=status, response=said, error=error)  # type: ignore[arg-type]
        return "model.replied", data, state.attempt, envelope.Cost(tokens_in=10, micro_usd=900)

    yield from world.append(view, "gw", propose)


def message(random: Random) -> Mapping[str, object]:
    """What a model may say: mostly calls, sometimes nonsense, at last an answer."""
    kind = random.choice(["calls", "calls", "calls", "nonsense", "final"])
    if kind == "final":
        return {"role": "assistant", "content": "done"}
    if kind == "nonsense":
        return {
            "role": "assistant",
            "tool_calls": [{"id": "c", "function": {"name": "burn", "arguments": "{"}}],
        }
    return {
        "role": "assistant",
        "content": "let me see",
        "tool_calls": [
            {
                "id": f"c{index}",
                "function": {
                    "name": names.model_tool(random.choice(agent.WISHED)),
                    "arguments": f'{{"n":{random.randint(1, 2)}}}',
                },
            }
            for index in range(random.randint(1, 3))
        ],
    }
