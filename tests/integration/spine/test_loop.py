"""The runner's own loop on a real broker: what it appends fits and is valid, and it waits for what it must wait for."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import msgspec
import pytest
import pytest_asyncio
from nats.aio.msg import Msg

from keelstep import errors
from keelstep.domain import reply as replies
from keelstep.domain import revision
from keelstep.domain.state import State
from keelstep.events import envelope, types, value
from keelstep.log import ask
from keelstep.log.identities import Role
from keelstep.log.objects import Objects
from keelstep.log.spine import Log, Proposal
from keelstep.testing import builders, eventually
from keelstep_runner import ask as runner_ask
from keelstep_runner.ask import Gateway
from keelstep_runner.loop import Loop
from tests.integration.spine import stage as stages
from tests.integration.spine.stage import Stage
from tests.integration.spine.test_ask import Answering
from tests.unit.domain import pinned

NAMES = [f"{number:02d}.{'n' * 60}" for number in range(4)]
"""Contracts with names as long as they may be."""


@dataclass(slots=True)
class Run:
    """A run with real revisions, somebody who answers for the gateway, and a runner's loop."""

    stage: Stage
    answering: Answering
    loop: Loop
    objects: dict[str, bytes] = field(default_factory=dict)

    async def answer(self, message: Msg) -> None:
        """Logs and objects as a gateway gives them; every call is refused for good."""
        verb = message.subject.rpartition(".")[2]
        if verb == "log":
            await self.answering.events(message)
        elif verb == "object":
            wanted = msgspec.json.decode(message.data, type=ask.AskObject)
            await self.answering.say(message, ask.Reply.OBJECT, self.objects[wanted.digest])
        else:
            refusal = ask.Refusal(reason="Killed", message="x")
            await self.answering.say(message, ask.Reply.REFUSED, msgspec.json.encode(refusal))

    def keep(self, payload: bytes) -> value.Value:
        """The Value of a payload, to be had from whoever answers."""
        sealed = value.seal(payload, media_type=value.JSON, salt="5a17" * 8)
        self.objects[sealed.digest] = payload
        return sealed

    def started(self, state: State) -> Proposal | None:
        """The run begins, with its revisions pinned."""
        contracts = {}
        spec = pinned.contract("Reversible", 1)
        for name in NAMES:
            built = revision.build("ToolContract", name, spec)
            self.objects[built.digest] = built.payload
            contracts[name] = types.Pin(digest=built.digest, tier=1)
        tools = [{"contract": name} for name in NAMES]
        strategy = revision.build("AgentStrategy", "s", pinned.strategy(tools=tools))
        self.objects[strategy.digest] = strategy.payload
        event = builders.log().started(strategy_digest=strategy.digest, contracts=contracts).events[0]
        return stages.proposal("exec.started", event.data, trace_id="7" * 32)

    async def replied(self, message: object) -> Log:
        """The model said this."""
        operator, gateway = await self.stage.log(), await self.stage.log(Role.GATEWAY)
        await operator.append(self.started)
        await operator.append(stages.attempted)
        await gateway.append(stages.called("gw-1"))
        response = self.keep(msgspec.json.encode(message))
        data = types.ModelReplied(ordinal=1, status="ok", response=response)
        await gateway.append(lambda state: stages.proposal("model.replied", data, state.attempt))
        return operator


@pytest_asyncio.fixture(loop_scope="session")
async def run(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Run]:
    """A run, and its first attempt's loop."""
    monkeypatch.setattr(runner_ask, "REPEAT_SECONDS", 0.05)
    answering = Answering(await stage.broker.connect(Role.GATEWAY), stage)
    await answering.start()
    nc = await stage.client()
    gateway = Gateway(nc=nc, shard=0, tenant=stage.tenant, xid=stage.xid, attempt=1)
    spine = await stage.runner(reader=gateway)
    found = Run(stage, answering, Loop(spine=spine, gateway=gateway, objects=Objects(nc), attempt=1))
    answering.script = [found.answer]
    yield found
    await answering.nc.close()


@pytest.mark.parametrize(
    "text",
    ['"' * 400, "\x01" * 100, "\u20ac" * 250, "x" * 30_000],
    ids=["quotes", "control characters", "euro signs", "a long text"],
)
async def test_the_largest_plan_a_model_may_ask_for_fits_into_an_event(run: Run, text: str) -> None:
    """As many calls as a reply may have, the longest names, arguments and words that grow when they are escaped."""
    arguments = msgspec.json.encode({"n": 1, "note": text}).decode()
    calls = [
        {
            "id": f"{index:064d}",
            "function": {"name": NAMES[index % 4].replace(".", "_"), "arguments": arguments},
        }
        for index in range(replies.MOST_CALLS)
    ]
    operator = await run.replied({"role": "assistant", "content": text, "tool_calls": calls})
    assert await run.loop.run() == "Killed"
    state = await operator.refresh()
    assert state.voids == 0
    assert state.plan is not None
    assert len(state.plan.steps) == replies.MOST_CALLS
    assert all(len(stored.payload) <= envelope.MAX_BYTES for stored in await run.stage.stored())
    planned = state.plan.steps[-1].args
    payload = await Objects(operator.nc).open(run.stage.tenant, run.stage.xid, planned)
    assert msgspec.json.decode(payload) == {"n": 1, "note": text}


async def test_a_runner_that_comes_before_its_attempt_is_visible_waits_for_it(run: Run) -> None:
    """A follower may be behind: an attempt that the log does not show yet is not a superseded one."""
    operator = await run.stage.log()
    await operator.append(run.started)
    running = asyncio.create_task(run.loop.run())
    await eventually.true(lambda: len(run.answering.heard) > 2, "it looked more than once")
    assert not running.done()
    await operator.append(stages.attempted)
    assert await running == "Killed"


async def test_a_runner_whose_attempt_is_past_ends_at_once(run: Run) -> None:
    """Exit 0, and nothing written."""
    operator = await run.stage.log()
    await operator.append(run.started)
    await operator.append(stages.attempted)
    await operator.append(stages.attempted)
    assert await run.loop.run() == "Superseded"
    assert len(await run.stage.stored()) == 3


async def test_a_payload_that_is_not_what_its_digest_says_is_reported_as_forged(run: Run) -> None:
    """With a reason a person can act on, not with a stack trace."""
    await run.replied({"role": "assistant", "content": "x" * value.INLINE_LIMIT_BYTES})
    forged = next(digest for digest, payload in run.objects.items() if b"xxxx" in payload)
    run.objects[forged] = b"another payload"
    with pytest.raises(errors.ObjectForgedError):
        await run.loop.run()


async def test_a_revision_this_program_cannot_read_is_reported(run: Run) -> None:
    """It is what its digest says, and yet no strategy that this version knows."""
    operator = await run.stage.log()
    future = msgspec.json.encode({"kind": "AgentStrategy", "name": "s", "spec": {"dreams": True}})
    run.objects[envelope.digest(future)] = future

    def started(state: State) -> Proposal | None:
        proposed = run.started(state)
        assert proposed is not None
        data = msgspec.structs.replace(proposed.data, strategy_digest=envelope.digest(future))
        return stages.proposal("exec.started", data, trace_id="7" * 32)

    await operator.append(started)
    await operator.append(stages.attempted)
    with pytest.raises(errors.Stalled) as told:
        await run.loop.run()
    assert told.value.reason == "RevisionInvalid"
