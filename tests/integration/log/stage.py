"""Where attacks are played: an attacker and a victim of one tenant, a gateway that answers, and what counts as harm."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from nats.aio.client import Client
from nats.aio.msg import Msg

from keelstep.log import identities, jetstream, subjects
from keelstep.log.identities import Role
from keelstep.testing import eventually
from keelstep.testing.broker import RunningBroker

STREAMS = (subjects.stream(0), subjects.OBJECTS_STREAM, subjects.CONTROL_STREAM, subjects.NAMES_STREAM)
DIGEST = "0" * 64


@dataclass(slots=True, kw_only=True)
class Scene:
    """Who attacks whom, as far as subjects go."""

    tenant: str
    own: str
    """The attacker's xid."""
    victim: str

    def event(self, xid: str = "", writer: str = "a1", tenant: str = "", shard: int = 0) -> str:
        """A subject of the spine; the attacker's own by default."""
        return subjects.spine(shard, tenant or self.tenant, xid or self.own, writer)

    def call(self, xid: str = "", number: int = 1) -> str:
        """A subject of the gateway; the attacker's own by default."""
        return subjects.call(0, self.tenant, xid or self.own, number, "tool")


@dataclass(slots=True, kw_only=True)
class Stage(Scene):
    """One attacker beside one victim, on a real broker."""

    broker: RunningBroker
    attacker: Client
    operator: Client
    refusals: list[str] = field(default_factory=list)
    """What the broker told the attacker it may not do."""
    overheard: list[Msg] = field(default_factory=list)
    """What the attacker heard on subscriptions of its own choosing."""
    intruded: list[Msg] = field(default_factory=list)
    """What arrived in others' inboxes and calls under a false sender."""

    async def say(
        self, subject: str, payload: bytes = b"{}", reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """The attacker publishes whatever it likes."""
        await self.attacker.publish(subject, payload, reply=reply, headers=headers)

    async def listen(self, subject: str) -> None:
        """The attacker subscribes to whatever it likes; then something happens there."""

        async def heard(message: Msg) -> None:
            self.overheard.append(message)

        await self.attacker.subscribe(subject, cb=heard)
        await self.attacker.flush()
        await jetstream.publish(self.operator, self.event(self.victim, "op"), b"secret")

    async def settle(self) -> None:
        """Return once the broker has dealt with everything the attacker sent before."""
        before = await self.stored(self.event())
        position = await jetstream.publish(self.attacker, self.event(), b"marker")
        assert position > 0
        await eventually.awaited(lambda: self._has_grown(before), "the marker is stored")
        await self.operator.flush()

    async def _has_grown(self, before: int) -> bool:
        return await self.stored(self.event()) > before

    async def stored(self, subject: str) -> int:
        """How many messages lie on a subject."""
        return (await self.holdings()).get(subject, 0)

    async def holdings(self) -> dict[str, int]:
        """How many messages lie on each subject of every stream; a stream that is gone shows as itself."""
        found: dict[str, int] = {}
        for stream in STREAMS:
            what = {"subjects_filter": ">"}
            info = await jetstream.call(self.operator, f"STREAM.INFO.{stream}", what, type=dict)
            found[f"stream {stream} of {info['created']}"] = 1
            found |= info["state"].get("subjects") or {}
        return found

    async def others(self) -> dict[str, int]:
        """The same without what the attacker may write."""
        own = (self.event(), subjects.obj(self.tenant, self.own, ""))
        return {name: count for name, count in (await self.holdings()).items() if not name.startswith(own)}


@asynccontextmanager
async def stage(broker: RunningBroker, tenant: str, own: str) -> AsyncIterator[Stage]:
    """The victim has one event, one object and a call; the gateway answers calls with the bytes that were sent."""
    victim = f"{own[:-4]}beef"
    refusals: list[str] = []

    async def refused(error: Exception) -> None:
        refusals.append(str(error))

    attacker = await broker.connect_as(broker.attempt(tenant, own), subjects.inbox(own, 1), on_error=refused)
    bystander = await broker.connect_as(broker.attempt(tenant, victim), subjects.inbox(victim, 1))
    operator = await broker.connect(Role.OPERATOR)
    gateway = await broker.connect(Role.GATEWAY)
    played = Stage(
        broker=broker,
        tenant=tenant,
        own=own,
        victim=victim,
        attacker=attacker,
        operator=operator,
        refusals=refusals,
    )

    async def intruded(message: Msg) -> None:
        played.intruded.append(message)

    async def answer(message: Msg) -> None:
        if message.subject != played.call():
            played.intruded.append(message)
        elif message.reply:
            await gateway.publish(message.reply, message.data)

    await gateway.subscribe("call.>", cb=answer)
    await bystander.subscribe(f"{subjects.inbox(victim, 1)}.token", cb=intruded)
    await operator.subscribe(f"{identities.inbox(Role.OPERATOR)}.private", cb=intruded)
    await gateway.flush()
    await jetstream.publish(operator, played.event(victim, "op"), b"first")
    await jetstream.publish(bystander, subjects.obj(tenant, victim, DIGEST), b"payload")
    await jetstream.publish(attacker, played.event(), b"first")
    await jetstream.publish(attacker, subjects.obj(tenant, own, DIGEST), b"payload")
    try:
        yield played
    finally:
        for client in (attacker, bystander, operator, gateway):
            await client.close()
