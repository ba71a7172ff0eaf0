"""What lies in the log that nothing in Kubernetes stands for? Runs without their Execution, logs that no name leads to,
and payloads that belong to no log.

A resource that is merely missing ends nothing by itself (an etcd may have been restored): a person names what is to end,
one by one. Ended here means what a deletion that was seen means: the operator unwinds the run and frees its name.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from nats.aio.client import Client

from keelstep import errors
from keelstep.archive import stream
from keelstep.archive.stream import Key
from keelstep.domain.state import State
from keelstep.events import clock, envelope, signing, types
from keelstep.events.signing import Keyring
from keelstep.log import connection, jetstream, names, reader, subjects
from keelstep.log.spine import Author, Log, Proposal

YOUNG_SECONDS = 3_600
"""A payload is stored before the event that names it: what is younger may be waiting for its event."""
DELETED = "Deleted"
"""Why such a run is cancelled: to the operator it means that the deletion was observed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run that no Execution stands for."""

    tenant: str
    name: str
    """Empty where nobody knows it."""
    xid: str
    shard: int
    kind: Literal["Open", "Over", "Unnamed"]
    """Open and Over have their name still; to Unnamed none leads."""
    events: int
    last_at: int
    """When its last event was stored; nanoseconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payloads:
    """What is stored for an execution that has no log."""

    tenant: str
    xid: str
    count: int
    last: int
    """The stream sequence of the last one."""


@dataclass(slots=True, kw_only=True)
class Search:
    """Looks for orphans of one shard."""

    nc: Client
    """As `Role.ARCHIVIST`, which may also take payloads away."""
    signer: signing.Signer
    keyring: Keyring
    shard: int = 0
    young_seconds: float = YOUNG_SECONDS

    async def register(self) -> stream.Register:
        """The names, to be read before Kubernetes is: whoever binds one saw its Execution first.

        Raises:
            errors.BrokerError: the broker did not answer.
        """
        return await stream.register(self.nc)

    async def runs(self, register: stream.Register, there: Iterable[Key]) -> list[Run]:
        """Runs whose Execution is not among those that are there (namespace and name), and those without a name.

        Raises:
            errors.BrokerError: the broker did not answer.
        """
        standing = frozenset(there)
        found: list[Run] = []
        for (tenant, xid), held in sorted(register.by_log.items()):
            record = held.entry.record
            if record.state != "bound" or (tenant, held.name) in standing or record.shard != self.shard:
                continue
            state = await self._log(self.nc, tenant, xid).refresh()
            found.append(self._run(state, held.name, "Over" if state.is_over else "Open"))
        for tenant, xid in sorted(await stream.last_words(self.nc, self.shard)):
            if (tenant, xid) in register.by_log:
                continue
            state = await self._log(self.nc, tenant, xid).refresh()
            name = state.started.name if state.started is not None else ""
            if not state.is_over and not await self._is_named(tenant, name, xid):
                found.append(self._run(state, name, "Unnamed"))
        return found

    async def payloads(self) -> list[Payloads]:
        """Payloads of executions that have no log, and none on its way.

        Raises:
            errors.BrokerError: the broker did not answer.
        """
        lying = await jetstream.subjects(self.nc, subjects.OBJECTS_STREAM, "obj.>")
        owners: dict[Key, list[str]] = {}
        for address in lying:
            parts = address.split(".")
            if len(parts) == 4 and parts[2] != subjects.REVISIONS:
                owners.setdefault((parts[1], parts[2]), []).append(address)
        # the logs after the payloads: what was stored before an event is then never without it
        logs = await stream.last_words(self.nc, self.shard)
        before = await connection.broker_time(self.nc) - int(self.young_seconds * clock.SECOND)
        found: list[Payloads] = []
        for (tenant, xid), addresses in sorted(owners.items()):
            if (tenant, xid) in logs:
                continue
            last = await jetstream.last(self.nc, subjects.OBJECTS_STREAM, subjects.obj(tenant, xid, "*"))
            if last is not None and last.stored_at < before:
                found.append(Payloads(tenant=tenant, xid=xid, count=len(addresses), last=last.position))
        return found

    async def delete(self, payloads: Sequence[Payloads]) -> int:
        """Take payloads away that belong to no log; how many went.

        Raises:
            errors.BrokerError: the broker did not answer; do it again.
        """
        gone = 0
        for each in payloads:
            pattern = subjects.obj(each.tenant, each.xid, "*")
            gone += await stream.purge(self.nc, subjects.OBJECTS_STREAM, pattern, each.last)
        return gone

    async def end(self, operator: Client, run: Run, by: str) -> str:
        """End a run as if its Execution had been seen deleted; what was done. `operator` is as `Role.OPERATOR`.

        Raises:
            errors.BrokerError: it is not known whether it was done; do it again.
        """
        if run.kind == "Over":
            await names.Names(operator, by=by).release(run.tenant, run.name, run.xid, by)
            return "its name is free"
        log = self._log(operator, run.tenant, run.xid)
        await log.refresh()
        if run.kind == "Unnamed":
            await log.append(_finish)
            return "it is finished"
        await log.append(lambda state: _cancel(state, by))
        return "it is cancelled; the operator ends it and frees its name"

    async def _is_named(self, tenant: str, name: str, xid: str) -> bool:
        """Whether the name leads to it by now, or nobody can tell where it leads."""
        if not name:
            return False
        try:
            entry = await names.Names(self.nc).lookup(tenant, name)
        except errors.NameUnreadableError:
            return True
        return entry is not None and entry.record.xid == xid

    def _log(self, nc: Client, tenant: str, xid: str) -> Log:
        return Log(
            nc=nc,
            reader=reader.StreamReader(nc, self.shard),
            author=Author(types.Writer.OPERATOR.value, self.shard, self.signer),
            keyring=self.keyring,
            tenant=tenant,
            xid=xid,
        )

    def _run(self, state: State, name: str, kind: Literal["Open", "Over", "Unnamed"]) -> Run:
        return Run(
            tenant=state.tenant,
            name=name,
            xid=state.xid,
            shard=self.shard,
            kind=kind,
            events=state.seq,
            last_at=state.stored_at,
        )


def _cancel(state: State, by: str) -> Proposal | None:
    if state.is_over or state.cancelled is not None:
        return None
    if state.started is None:
        return _finish(state)
    data = types.Interruption(by=by, reason=DELETED)
    return _proposal(state, "exec.cancelled", data)


def _finish(state: State) -> Proposal | None:
    """The last event of a log that nobody goes on with."""
    if state.is_over:
        return None
    data = types.ExecFinished(
        outcome="cancelled",
        reason=DELETED,
        message="no Execution stands for it",
        steps_n=state.step,
        tokens=state.tokens,
        micro_usd=state.spent_micro_usd,
    )
    return _proposal(state, "exec.finished", data)


def _proposal(state: State, name: str, data: types.Data) -> Proposal:
    return Proposal(
        type=name,
        data=data,
        id=envelope.identifier(state.xid, name, DELETED, state.seq),
        actor="orphans",
        attempt=state.attempt,
        step=state.step,
        trace_id=state.trace_id or envelope.identifier(state.xid, "trace"),
    )


def named(runs: Sequence[Run], wanted: str) -> Run:
    """The run that a person names: `namespace/name`, or its xid where it has no name.

    Raises:
        errors.SettingsError: there is no such orphan.
    """
    for each in runs:
        if wanted in (each.xid, f"{each.tenant}/{each.name}"):
            return each
    raise errors.SettingsError(f"{wanted} is no orphan; `keelstep orphans` lists those there are")
