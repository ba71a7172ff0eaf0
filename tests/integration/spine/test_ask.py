"""A runner asks until somebody answers for good, and reads its log through whoever answers (DESIGN §4, §5)."""

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import msgspec
import pytest
import pytest_asyncio
from nats.aio.client import Client
from nats.aio.msg import Msg

from keelstep import errors
from keelstep.domain.state import State
from keelstep.events import frame, types
from keelstep.events.frame import Stored
from keelstep.log import ask
from keelstep.log.identities import Role
from keelstep.log.reader import StreamReader
from keelstep.log.spine import Log, Proposal
from keelstep.testing import builders, eventually
from keelstep_runner import ask as runner_ask
from keelstep_runner.ask import Gateway
from tests.integration.spine import stage as stages
from tests.integration.spine.stage import Stage

PATIENCE_SECONDS = 0.3
Answer = Callable[[Msg], Awaitable[None]]


@dataclass(slots=True)
class Answering:
    """A program in a gateway's place, with a gateway's identity, that answers as the test says."""

    nc: Client
    stage: Stage
    script: list[Answer] = field(default_factory=list)
    """What becomes of each request; the last is repeated."""
    heard: list[Msg] = field(default_factory=list)

    async def start(self) -> None:
        """Listen to this execution's calls."""
        await self.nc.subscribe(f"call.0.{self.stage.tenant}.{self.stage.xid}.>", cb=self._received)
        await self.nc.flush()

    async def _received(self, message: Msg) -> None:
        self.heard.append(message)
        await (self.script.pop(0) if len(self.script) > 1 else self.script[0])(message)

    async def say(self, message: Msg, kind: str, payload: bytes = b"") -> None:
        """One reply."""
        await self.nc.publish(message.reply, payload, headers={ask.HEADER: kind})

    async def silence(self, message: Msg) -> None:
        """Nothing at all: it died."""

    async def nonsense(self, message: Msg) -> None:
        """A reply of no kind we know."""
        await self.say(message, "hello")

    async def refuse_for_now(self, message: Msg) -> None:
        """Ask again a little later."""
        refusal = ask.Refusal(reason="Busy", message="x", is_transient=True)
        await self.say(message, ask.Reply.REFUSED, msgspec.json.encode(refusal))

    async def refuse(self, message: Msg) -> None:
        """No, for good."""
        await self.say(message, ask.Reply.REFUSED, msgspec.json.encode(ask.Refusal(reason="No", message="x")))

    async def ask_a_person(self, message: Msg) -> None:
        """A person must be asked first."""
        await self.say(message, ask.Reply.GATE, msgspec.json.encode(ask.NeedsGate(tier=3)))

    async def slow(self, message: Msg) -> None:
        """Heartbeats for longer than anybody's patience, then the answer."""
        for _ in range(8):
            await self.say(message, ask.Reply.HEARTBEAT)
            await self.nc.flush()
            await asyncio.sleep(PATIENCE_SECONDS / 3)  # slowness is what this gateway is about
        await self.events(message)

    async def slow_then_dead(self, message: Msg) -> None:
        """A heartbeat, and then nothing."""
        await self.say(message, ask.Reply.HEARTBEAT)

    async def events(self, message: Msg) -> None:
        """What is stored after the asked position."""
        request = msgspec.json.decode(message.data, type=ask.AskLog)
        source = StreamReader(self.nc, 0)
        chunk = await source.chunk(self.stage.tenant, self.stage.xid, request.after, ask.CHUNK_BYTES)
        await self.say(message, ask.Reply.EVENTS, frame.pack(chunk))


@pytest_asyncio.fixture(loop_scope="session")
async def answering(stage: Stage) -> AsyncIterator[Answering]:
    """Somebody who answers."""
    found = Answering(await stage.broker.connect(Role.GATEWAY), stage)
    await found.start()
    yield found
    await found.nc.close()


@pytest_asyncio.fixture(loop_scope="session")
async def gateway(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """The gateways, as a runner reaches them; it is impatient."""
    monkeypatch.setattr(runner_ask, "REPEAT_SECONDS", 0.05)
    return Gateway(
        nc=await stage.client(),
        shard=0,
        tenant=stage.tenant,
        xid=stage.xid,
        attempt=1,
        patience_seconds=PATIENCE_SECONDS,
    )


def tool() -> ask.AskTool:
    """Some wish."""
    return ask.AskTool(plan_seq=5, index=0, after=0)


@pytest.mark.parametrize("first", ["silence", "nonsense", "refuse_for_now", "slow_then_dead"])
async def test_what_is_no_answer_for_good_is_asked_again(
    answering: Answering, gateway: Gateway, first: str
) -> None:
    """The same request, byte for byte: asking is idempotent, because the gateway answers from the log."""
    answering.script = [getattr(answering, first), getattr(answering, first), answering.refuse]
    answer = await gateway.tool(tool())
    assert answer.refusal is not None
    assert answer.refusal.reason == "No"
    assert len(answering.heard) > 2
    assert len({message.data for message in answering.heard}) == 1
    assert len({message.reply for message in answering.heard}) == 3


async def test_without_any_gateway_the_runner_waits_for_one(stage: Stage, gateway: Gateway) -> None:
    """Nobody listens yet: it is told so at once by the broker, and asks until somebody does."""
    asking = asyncio.create_task(gateway.tool(tool()))
    late = Answering(await stage.broker.connect(Role.GATEWAY), stage)
    late.script = [late.refuse]
    done, _ = await asyncio.wait({asking}, timeout=PATIENCE_SECONDS)
    assert not done
    await late.start()
    answer = await asking
    assert answer.refusal is not None
    await late.nc.close()


async def test_heartbeats_keep_the_runner_waiting(answering: Answering, gateway: Gateway) -> None:
    """A call may take long; as long as somebody is at it, it is asked once."""
    answering.script = [answering.slow]
    answer = await gateway.tool(tool())
    assert answer.kind is ask.Reply.EVENTS
    assert len(answering.heard) == 1


async def test_a_need_for_a_person_is_an_answer(answering: Answering, gateway: Gateway) -> None:
    """With the tier that the gateway found."""
    answering.script = [answering.ask_a_person]
    answer = await gateway.tool(tool())
    assert answer.gate == ask.NeedsGate(tier=3)


async def test_an_object_that_is_refused_is_missing(answering: Answering, gateway: Gateway) -> None:
    """The run cannot go on without it, and says so."""
    answering.script = [answering.refuse]
    with pytest.raises(errors.PayloadMissingError):
        await gateway.object("0" * 64)


async def test_a_closed_connection_ends_the_asking(answering: Answering, gateway: Gateway) -> None:
    """Before it, and while it waits: the identity was revoked, nobody will answer."""
    answering.script = [answering.silence]
    gateway.patience_seconds = 60
    asking = asyncio.create_task(gateway.tool(tool()))
    await eventually.true(lambda: len(answering.heard) == 1, "it asked")
    await gateway.nc.close()
    async with asyncio.timeout(60):
        with pytest.raises(errors.BrokerClosedError):
            await asking
        with pytest.raises(errors.BrokerClosedError):
            await gateway.tool(tool())


async def test_only_so_many_requests_are_made_at_once(answering: Answering, gateway: Gateway) -> None:
    """A gateway refuses more of one run: one with sixty contracts would begin late."""

    def has_asked(times: int) -> bool:
        return len(answering.heard) == times

    answering.script = [answering.silence]
    gateway.patience_seconds = 60
    asking = [asyncio.create_task(gateway.tool(tool())) for _ in range(3 * runner_ask.AT_ONCE)]
    for answered in range(len(asking)):
        expected = min(len(asking), answered + runner_ask.AT_ONCE)
        await eventually.true(functools.partial(has_asked, expected), f"it asked {expected} times")
        await answering.refuse(answering.heard[answered])
    await asyncio.gather(*asking)


async def test_a_log_larger_than_one_reply_is_read_whole(
    stage: Stage, answering: Answering, gateway: Gateway
) -> None:
    """Chunk by chunk, nothing twice and nothing left out."""
    payloads = [b"%02d" % number + b"x" * 50_000 for number in range(50)]
    assert sum(map(len, payloads)) > 2 * ask.CHUNK_BYTES
    operator = await stage.broker.connect(Role.OPERATOR)
    for payload in payloads:
        await operator.request(stage.subject("op"), payload)
    answering.script = [answering.events]
    found: list[Stored] = []
    is_all = False
    while not is_all:
        chunk, is_all = await gateway.batch(stage.tenant, stage.xid, found[-1].position if found else 0)
        found += chunk
    assert [stored.payload for stored in found] == payloads
    assert len(answering.heard) > 2


async def planned(stage: Stage, gateway: Gateway) -> tuple[Log, Log]:
    """A gateway's log and a runner's own, which has just appended its plan."""
    await stage.begun()
    gateways = await stage.log(Role.GATEWAY)
    await gateways.append(stages.called("gw-1"))
    await gateways.append(stages.replied)
    runner = await stage.runner(reader=gateway)
    await runner.refresh()
    assert await runner.append(stages.planned) is not None
    return gateways, runner


def result(state: State) -> Proposal | None:
    """The read's result."""
    data = types.ToolResult(
        plan_seq=5, index=0, tool="orders.get", status="ok", output=builders.value({"order": 7})
    )
    return stages.proposal("tool.result", data, state.attempt)


async def test_an_answers_events_follow_what_was_read_without_a_gap(
    stage: Stage, answering: Answering, gateway: Gateway
) -> None:
    """The runner's own append was never read back; the events of the next answer must not skip it."""
    answering.script = [answering.events]
    gateways, runner = await planned(stage, gateway)
    await gateways.append(result)
    asked = len(answering.heard)
    await gateway.tool(
        ask.AskTool(plan_seq=5, index=0, after=runner.read_position, seen=runner.state.position)
    )
    state = await runner.refresh()
    assert (state.seq, state.voids) == (6, 0)
    assert state.is_plan_resolved
    assert len(answering.heard) == asked + 1, (
        "the answer's events were enough; the log was not asked for again"
    )


async def test_events_that_come_after_a_gap_are_not_used(
    stage: Stage, answering: Answering, gateway: Gateway
) -> None:
    """Where the asked position lies after what was read back, the log is asked for instead."""
    answering.script = [answering.events]
    gateways, runner = await planned(stage, gateway)
    await gateways.append(result)
    await gateway.tool(ask.AskTool(plan_seq=5, index=0, after=runner.state.position))
    state = await runner.refresh()
    assert (state.seq, state.voids) == (6, 0)
