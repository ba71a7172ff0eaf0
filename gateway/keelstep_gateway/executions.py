"""What does this gateway hold of each execution? The fold of its log, the pinned revisions, and its calls in flight.

Everything here is a cache: dropping it loses nothing, so the oldest go first. Nothing here decides.
"""

import asyncio
import secrets
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from nats.aio.client import Client

from keelstep import errors
from keelstep.domain import canonical, present, revision
from keelstep.domain.state import State
from keelstep.events import signing, types, value
from keelstep.events.frame import Stored
from keelstep.kinds.contract import ToolContractSpec
from keelstep.kinds.strategy import AgentStrategySpec
from keelstep.log import follow, subjects
from keelstep.log.objects import Objects
from keelstep.log.reader import StreamReader
from keelstep.log.spine import Author, Log
from keelstep_gateway.hold import Hold
from keelstep_gateway.metrics import Metrics
from keelstep_gateway.payloads import Payloads

log = structlog.get_logger(__name__)

_REVISIONS_CACHED = 2_000
MOST_ARGUMENTS_BYTES = 256 * 1024
"""Arguments that are larger are not loaded."""
_PAUSE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class _Counted:
    """A reader whose reads are counted."""

    reader: StreamReader
    metrics: Metrics

    async def batch(self, tenant: str, xid: str, after: int) -> tuple[Sequence[Stored], bool]:
        """The next messages of an execution after a stream sequence."""
        self.metrics.reads.inc()
        return await self.reader.batch(tenant, xid, after)


@dataclass(slots=True, kw_only=True)
class Executions:
    """The holds, the least recently used first to go."""

    nc: Client
    reader: StreamReader
    objects: Objects
    signer: signing.Signer
    keyring: signing.Keyring
    metrics: Metrics
    shard: int
    most: int
    """Holds that are kept."""
    concurrency: int
    """Calls in flight at once; more wait their turn, before anything is claimed."""
    _holds: OrderedDict[tuple[str, str], Hold] = field(default_factory=OrderedDict)
    _alive: "weakref.WeakValueDictionary[tuple[str, str], Hold]" = field(
        default_factory=weakref.WeakValueDictionary
    )
    """Those and every other that somebody still works with: two holds on one execution would not know each other's
    flights."""
    _revisions: OrderedDict[str, Any] = field(default_factory=OrderedDict)
    _payloads: Payloads = field(default_factory=Payloads)
    """Planned arguments, and revisions as runners ask for them."""
    _turn: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._turn = asyncio.Semaphore(self.concurrency)

    def hold(self, tenant: str, xid: str) -> Hold:
        """The hold on an execution; a new one knows nothing yet."""
        key = (tenant, xid)
        found = self._alive.get(key)
        if found is None:
            author = Author(types.Writer.GATEWAY.value, self.shard, self.signer)
            own = Log(
                nc=self.nc,
                reader=_Counted(self.reader, self.metrics),
                author=author,
                keyring=self.keyring,
                tenant=tenant,
                xid=xid,
                does_hear=True,
            )
            found = self._alive[key] = Hold(tenant, xid, own, self._turn, self.metrics)
        self._holds[key] = found
        self._holds.move_to_end(key)
        self._forget_oldest()
        return found

    def hear(self, heard: follow.Heard) -> None:
        """Something was stored; it matters where the execution is held."""
        found = self._alive.get((heard.tenant, heard.xid))
        if found is not None:
            found.hear(heard.position, heard.stored_at)

    def is_held(self, tenant: str, xid: str) -> bool:
        """Is there a hold on this execution?"""
        return (tenant, xid) in self._holds

    def forget(self, tenant: str, xid: str) -> None:
        """Drop the hold on an execution, unless a call is in flight."""
        found = self._holds.get((tenant, xid))
        if found is not None and not found.flights:
            del self._holds[tenant, xid]

    def __len__(self) -> int:
        return len(self._holds)

    def flights(self) -> set["asyncio.Task[None]"]:
        """Every call in flight."""
        return {flight for hold in list(self._alive.values()) for flight in hold.flights.values()}

    def waits(self, tenant: str, xid: str) -> list[str]:
        """What calls of an execution wait for that are not sent yet."""
        found = self._alive.get((tenant, xid))
        return [why for wait in found.waits if (why := wait())] if found is not None else []

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

    async def revision(self, tenant: str, digest: str) -> bytes:
        """A revision's bytes, checked against their digest: what is kept stays true, and every run of an agent asks for it.

        Raises:
            errors.PayloadMissingError: it is not in the store.
            errors.ObjectForgedError: other bytes lie at its address.
            errors.BrokerError: it could not be read.
        """
        key = (tenant, subjects.REVISIONS, digest)
        payload = self._payloads.get(key)
        if payload is None:
            payload = await self.objects.get_revision(tenant, digest)
            self._payloads.keep(key, payload)
        return payload

    async def arguments(self, hold: Hold, sealed: value.Value) -> tuple[dict[str, Any], str]:
        """A planned call's arguments; where they cannot be used, why.

        Raises:
            errors.BrokerError: they could not be read.
        """
        if sealed.size > MOST_ARGUMENTS_BYTES:
            return {}, f"they are {sealed.size} bytes; at most {MOST_ARGUMENTS_BYTES}"
        key = (hold.tenant, hold.xid, sealed.digest)
        payload = self._payloads.get(key)
        if payload is None:
            try:
                payload = await self.objects.open(hold.tenant, hold.xid, sealed)
            except errors.PayloadMissingError:
                return {}, "they are not in the object store"
            except value.MismatchError:
                return {}, "they do not match their digest"
            self._payloads.keep(key, payload)
        try:
            document = canonical.loads(payload)
        except ValueError:
            return {}, "they are not JSON"
        return (document, "") if isinstance(document, dict) else ({}, "they are not a JSON object")

    async def seal(self, hold: Hold, payload: bytes, media_type: str = value.JSON) -> value.Value:
        """The Value of something that happened, stored before any event names it, however long that takes.

        Raises:
            errors.BrokerClosedError: the connection is closed for good.
        """
        sealed = value.seal(payload, media_type=media_type, salt=secrets.token_hex(16))
        while sealed.ref is not None:
            try:
                await self.objects.put(hold.tenant, hold.xid, sealed, payload)
                break
            except errors.BrokerUnavailableError:
                await asyncio.sleep(_PAUSE_SECONDS)
        return sealed

    async def keep(
        self, hold: Hold, spec: ToolContractSpec, output: bytes | None
    ) -> tuple[value.Value | None, types.Shown | None]:
        """An output and what the model is shown of it, both stored as by `seal`; none for the second where it is all.

        Raises:
            errors.BrokerClosedError: the connection is closed for good.
        """
        if output is None:
            return None, None
        sealed = await self.seal(hold, output)
        if spec.present.select is None:
            shown = present.show(spec, output)
        else:  # half a second at worst, in which others' calls go on
            shown = await asyncio.to_thread(present.show, spec, output)
        if shown is None or shown.payload is None:
            return sealed, shown.recorded(None) if shown is not None else None
        return sealed, shown.recorded(await self.seal(hold, shown.payload, shown.media_type))

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
        payload = await self.revision(tenant, digest)
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
