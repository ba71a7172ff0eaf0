"""What does this gateway hold of each execution? The fold of its log, the pinned revisions, and its calls in flight.

A hold is a cache: dropping it loses nothing, so the oldest go first. Nothing here decides.

One flight per call: whoever asks for a call that this process is making waits for it, and its end is the log's word.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import structlog
from nats.aio.client import Client

from keelstep import errors
from keelstep.domain import canonical, revision
from keelstep.domain.state import State
from keelstep.events import clock, signing, types, value
from keelstep.kinds.contract import ToolContractSpec
from keelstep.kinds.strategy import AgentStrategySpec
from keelstep.log.objects import Objects
from keelstep.log.reader import StreamReader
from keelstep.log.spine import Author, Log

log = structlog.get_logger(__name__)

FRESH_SECONDS = 0.02
"""A fold read longer ago than this is read again before anything is sent: this process may have been frozen."""
_REVISIONS_CACHED = 2_000
_ARGUMENTS_CACHED = 64


@dataclass(slots=True)
class Hold:
    """This gateway's hold on one execution."""

    tenant: str
    xid: str
    log: Log
    turn: asyncio.Semaphore
    """Bounds what all holds together have in flight."""
    flights: dict[Hashable, "asyncio.Task[None]"] = field(default_factory=dict)
    """Calls this process is making, by place or by model ordinal."""
    arguments: OrderedDict[str, bytes] = field(default_factory=OrderedDict)
    """Loaded arguments by digest."""
    pinned: revision.Pinned | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Something was stored."""
        self._changed.set()

    async def wait_change(self, within_seconds: float) -> None:
        """Return once something is stored, or after so long."""
        self._changed.clear()
        try:
            async with asyncio.timeout(within_seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    async def fresh(self, read_at: int) -> State:
        """The fold, read again where it was read too long ago (boot-time nanoseconds).

        The broker answers on the connection that control records come on, so what was stopped while this process was
        frozen is known by then.

        Raises:
            errors.BrokerUnavailableError: it could not be read now.
        """
        if clock.boot() - read_at > FRESH_SECONDS * clock.SECOND:
            return await self.log.refresh()
        return self.log.state

    async def fly(self, key: Hashable, work: Callable[[], Awaitable[None]]) -> None:
        """Do this work once at a time, to its end even where the asker goes away.

        Raises:
            Exception: whatever the work raises.
        """
        flight = self.flights.get(key)
        if flight is None:
            flight = asyncio.create_task(self._fly(work))
            self.flights[key] = flight
            flight.add_done_callback(lambda done: self._land(key, done))
        await asyncio.shield(flight)

    async def landed(self, key: Hashable) -> bool:
        """Wait for the flight of this key; false where there is none."""
        flight = self.flights.get(key)
        if flight is None:
            return False
        await asyncio.wait({flight})
        return True

    async def _fly(self, work: Callable[[], Awaitable[None]]) -> None:
        async with self.turn:
            await work()

    def _land(self, key: Hashable, done: "asyncio.Task[None]") -> None:
        self.flights.pop(key, None)
        if not done.cancelled() and (error := done.exception()) is not None:
            reason = error.reason if isinstance(error, errors.KeelstepError) else type(error).__name__
            log.warning("call_interrupted", execution=self.xid, call=str(key), reason=reason)


@dataclass(slots=True, kw_only=True)
class Executions:
    """The holds, the least recently used first to go."""

    nc: Client
    reader: StreamReader
    objects: Objects
    signer: signing.Signer
    keyring: signing.Keyring
    shard: int
    most: int
    """Holds that are kept."""
    concurrency: int
    """Calls in flight at once; more wait their turn, before anything is claimed."""
    _holds: OrderedDict[tuple[str, str], Hold] = field(default_factory=OrderedDict)
    _revisions: OrderedDict[str, Any] = field(default_factory=OrderedDict)
    _turn: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._turn = asyncio.Semaphore(self.concurrency)

    def hold(self, tenant: str, xid: str) -> Hold:
        """The hold on an execution; a new one knows nothing yet."""
        key = (tenant, xid)
        found = self._holds.get(key)
        if found is None:
            author = Author(types.Writer.GATEWAY.value, self.shard, self.signer)
            own = Log(
                nc=self.nc,
                reader=self.reader,
                author=author,
                keyring=self.keyring,
                tenant=tenant,
                xid=xid,
            )
            found = self._holds[key] = Hold(tenant, xid, own, self._turn)
            self._forget_oldest()
        self._holds.move_to_end(key)
        return found

    def held(self, tenant: str, xid: str) -> Hold | None:
        """The hold on an execution, where there is one."""
        return self._holds.get((tenant, xid))

    def forget(self, tenant: str, xid: str) -> None:
        """Drop the hold on an execution, unless a call is in flight."""
        found = self._holds.get((tenant, xid))
        if found is not None and not found.flights:
            del self._holds[tenant, xid]

    def flights(self) -> set["asyncio.Task[None]"]:
        """Every call in flight."""
        return {flight for hold in self._holds.values() for flight in hold.flights.values()}

    async def pinned(self, hold: Hold, state: State) -> revision.Pinned:
        """The revisions a run pinned, checked against their digests.

        Raises:
            errors.PayloadMissingError: one is not in the store.
            errors.Stalled: one is not what its digest or kind says.
            errors.BrokerError: one could not be read.
        """
        if hold.pinned is not None:
            return hold.pinned
        started = state.started
        assert started is not None
        name, strategy = await self._strategy(hold.tenant, started.strategy_digest)
        contracts = {
            contract: await self._contract(hold.tenant, pin.digest)
            for contract, pin in started.contracts.items()
        }
        hold.pinned = revision.Pinned(
            strategy_name=name,
            strategy_digest=started.strategy_digest,
            strategy=strategy,
            contracts=contracts,
        )
        return hold.pinned

    async def arguments(self, hold: Hold, sealed: value.Value) -> tuple[dict[str, Any], str]:
        """A planned call's arguments; where they cannot be used, why.

        Raises:
            errors.BrokerError: they could not be read.
        """
        payload = hold.arguments.get(sealed.digest)
        if payload is None:
            try:
                payload = await self.objects.open(hold.tenant, hold.xid, sealed)
            except errors.PayloadMissingError:
                return {}, "they are not in the object store"
            except value.MismatchError:
                return {}, "they do not match their digest"
            hold.arguments[sealed.digest] = payload
            if len(hold.arguments) > _ARGUMENTS_CACHED:
                hold.arguments.popitem(last=False)
        try:
            document = canonical.loads(payload)
        except ValueError:
            return {}, "they are not JSON"
        return (document, "") if isinstance(document, dict) else ({}, "they are not a JSON object")

    async def _strategy(self, tenant: str, digest: str) -> tuple[str, AgentStrategySpec]:
        found: tuple[str, AgentStrategySpec] = await self._revision(tenant, digest, revision.load_strategy)
        return found

    async def _contract(self, tenant: str, digest: str) -> ToolContractSpec:
        found: tuple[str, ToolContractSpec] = await self._revision(tenant, digest, revision.load_contract)
        return found[1]

    async def _revision(self, tenant: str, digest: str, load: Callable[[bytes], Any]) -> Any:
        known = self._revisions.get(digest)
        if known is not None:
            self._revisions.move_to_end(digest)
            return known
        payload = await self.objects.get_revision(tenant, digest)
        try:
            found = load(payload)
        except revision.RevisionError as error:
            raise errors.Stalled("RevisionInvalid", str(error)) from error
        self._revisions[digest] = found
        if len(self._revisions) > _REVISIONS_CACHED:
            self._revisions.popitem(last=False)
        return found

    def _forget_oldest(self) -> None:
        """Drop the oldest idle holds beyond the limit; one with a call in flight stays."""
        excess = len(self._holds) - self.most
        if excess <= 0:
            return
        for key in [key for key, hold in self._holds.items() if not hold.flights][:excess]:
            del self._holds[key]
