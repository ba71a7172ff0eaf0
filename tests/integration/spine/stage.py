"""Programs at one execution: their connections, their logs, and the events they want to append."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from nats.aio.client import Client

from keelstep import errors
from keelstep.domain.state import State
from keelstep.events import envelope, types
from keelstep.events.frame import Stored
from keelstep.log import connection, identities, subjects
from keelstep.log.client import Connection
from keelstep.log.identities import Role
from keelstep.log.reader import StreamReader
from keelstep.log.spine import Author, Log, Proposal, Propose, Reader
from keelstep.testing import builders
from keelstep.testing.clients import Clients


@dataclass(slots=True)
class Stage:
    """A broker, a tenant and an execution of this test's own."""

    broker: Clients
    tenant: str
    xid: str
    reports: list[tuple[Stored, object]] = field(default_factory=list)
    """Every message that a log of this stage read, and what it was."""

    async def log(
        self, role: Role = Role.OPERATOR, *, nc: Client | None = None, reader: Reader | None = None
    ) -> Log:
        """A program's hold on the execution, on a connection of its own."""
        nc = nc or await self.broker.connect(role)
        writer = "op" if role is Role.OPERATOR else "gw"
        signer = self.broker.installation.signer(role)
        return self._log(nc, reader or StreamReader(nc, 0), Author(writer, 0, signer))

    async def runner(self, attempt: int = 1, reader: Reader | None = None) -> Log:
        """A runner's hold; it reads through whoever may."""
        nc = await self.client(attempt)
        if reader is None:
            reader = StreamReader(await self.broker.connect(Role.GATEWAY), 0)
        return self._log(nc, reader, Author(subjects.attempt(attempt), 0))

    async def client(self, attempt: int = 1) -> Connection:
        """A runner's connection."""
        credentials = self.broker.attempt(self.tenant, self.xid, attempt)
        return await self.broker.connect_as(credentials, subjects.inbox(self.xid, attempt))

    async def stored(self) -> Sequence[Stored]:
        """Every message of the execution."""
        return await StreamReader(await self.broker.connect(Role.GATEWAY), 0).read(self.tenant, self.xid, 0)

    def subject(self, writer: str) -> str:
        """A writer's subject."""
        return subjects.spine(0, self.tenant, self.xid, writer)

    async def begun(self) -> Log:
        """The operator's log, with a run whose first attempt has begun."""
        log = await self.log()
        await log.append(started)
        await log.append(attempted)
        return log

    def _log(self, nc: Client, reader: Reader, author: Author) -> Log:
        return Log(
            nc=nc,
            reader=reader,
            author=author,
            keyring=self.broker.installation.keyring,
            tenant=self.tenant,
            xid=self.xid,
            on_outcome=lambda _, stored, outcome: self.reports.append((stored, outcome)),
        )


def proposal(name: str, data: types.Data, attempt: int = 0, **fields: object) -> Proposal:
    """What somebody wants to append."""
    given: dict[str, object] = {"id": secrets.token_hex(16), "actor": "test", "step": 0}
    return Proposal(type=name, data=data, attempt=attempt, **{**given, **fields})  # type: ignore[arg-type]


def started(state: State) -> Proposal | None:
    """The run begins."""
    if state.started is not None:
        return None
    event = builders.log().started().events[0]
    return proposal("exec.started", event.data, trace_id="7" * 32)


def attempted(state: State) -> Proposal | None:
    """The next attempt begins."""
    number = state.attempt + 1
    return proposal("exec.attempt", types.ExecAttempt(attempt=number, pod="p", reason="Started"), number)


def toggled(state: State) -> Proposal:
    """The run is held, or let go on."""
    name = "exec.suspended" if state.suspended is None else "exec.resumed"
    return proposal(name, types.Interruption(by="ann", reason="x"))


def called(owner: str) -> Propose:
    """A gateway makes the first model call, if nobody does."""

    def propose(state: State) -> Proposal | None:
        if state.ordinal > 0:
            return None
        data = types.ModelCalled(
            ordinal=1, model="m", request=builders.value(), reserved_micro_usd=1, owner=owner, deadline="",
            price_table="",
        )  # fmt: skip
        return proposal("model.called", data, state.attempt)

    return propose


def replied(state: State) -> Proposal | None:
    """The model answered."""
    data = types.ModelReplied(ordinal=1, status="ok", response=builders.value({"content": "x"}))
    return proposal("model.replied", data, state.attempt, cost=envelope.Cost(tokens_in=1))


def planned(state: State) -> Proposal | None:
    """The runner proposes one read."""
    steps = [types.PlannedCall(index=0, call_id="c", tool="orders.get", args=builders.value())]
    return proposal("plan.proposed", types.PlanProposed(ordinal=1, steps=steps), state.attempt)


def counting(propose: Propose, asked: list[State]) -> Propose:
    """The same, noting every state it was asked about."""

    def counted(state: State) -> Proposal | None:
        asked.append(state)
        return propose(state)

    return counted


@dataclass(slots=True)
class Behind:
    """A reader that is told old news first, as a follower of a replicated stream may be."""

    reader: Reader
    hidden: int = 0
    """Reads that still see nothing new."""
    reads: int = 0

    async def batch(self, tenant: str, xid: str, after: int) -> tuple[Sequence[Stored], bool]:
        """Nothing new, until it has caught up."""
        self.reads += 1
        if self.hidden > 0:
            self.hidden -= 1
            return [], True
        return await self.reader.batch(tenant, xid, after)


@dataclass(slots=True)
class Halting:
    """A reader that gives one message at a time, and breaks off behind the first of them."""

    reader: StreamReader
    first: Callable[[], Awaitable[object]]
    """What happens before anything is read."""
    batches: int = 0

    async def batch(self, tenant: str, xid: str, after: int) -> tuple[Sequence[Stored], bool]:
        """The next message; the second time none, and no answer."""
        self.batches += 1
        if self.batches == 1:
            await self.first()
        if self.batches == 2:
            raise errors.BrokerUnavailableError("broken off")
        found = await self.reader.chunk(tenant, xid, after, 1)
        return found, not found


@dataclass(slots=True)
class Proxy:
    """A wire on loopback between a program and the broker, which can lose what the broker says, and be cut."""

    target: int
    port: int = 0
    is_deaf: bool = False
    """True: what the broker says is lost on the way."""
    is_mute: bool = False
    """True: what the program says is lost on the way."""
    said: bytearray = field(default_factory=bytearray)
    """What the program said."""
    _server: asyncio.Server | None = None
    _wires: list[asyncio.StreamWriter] = field(default_factory=list)

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._wire, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Every connection through this wire ends."""
        for wire in self._wires:
            wire.close()
        self._wires.clear()

    async def connect(self, stage: Stage, role: Role = Role.OPERATOR) -> Client:
        """A program's connection through this wire."""
        return await connection.connect(
            f"nats://127.0.0.1:{self.port}",
            stage.broker.installation.credentials_file(role),
            "proxied",
            inbox_prefix=identities.inbox(role),
        )

    async def _wire(self, inner: asyncio.StreamReader, outer: asyncio.StreamWriter) -> None:
        source, sink = await asyncio.open_connection("127.0.0.1", self.target)
        self._wires += [outer, sink]
        await asyncio.gather(
            self._pump(inner, sink, self.said.extend, lambda: self.is_mute),
            self._pump(source, outer, lambda _: None, lambda: self.is_deaf),
        )

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        note: Callable[[bytes], None],
        is_lost: Callable[[], bool],
    ) -> None:
        try:
            while heard := await source.read(65_536):
                note(heard)
                if not is_lost():
                    sink.write(heard)
                    await sink.drain()
        except OSError:
            pass  # the wire was cut
        finally:
            sink.close()
