"""What does every reconcile work with? The connections, the cache, the queue, and a few indexes.

One for each process, made in `main`. It holds things together and decides nothing.
"""

import asyncio
import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from nats.aio.client import Client

from keelstep import errors
from keelstep.domain import revision
from keelstep.events import clock
from keelstep.kinds.contract import ToolContractSpec
from keelstep.kinds.strategy import AgentStrategySpec
from keelstep.kube import Kube, Object
from keelstep.log import drifts as drift_notes
from keelstep.log.control import Control
from keelstep.log.limits import Board
from keelstep.log.names import Binding, Names, Record
from keelstep.log.objects import Objects
from keelstep.log.revocation import Revoker
from keelstep.log.view import View
from keelstep_operator.cache import Cache
from keelstep_operator.decide import facts
from keelstep_operator.identity import Identities
from keelstep_operator.logs import Logs
from keelstep_operator.metrics import Metrics
from keelstep_operator.queue import Key, Queue
from keelstep_operator.recorder import Recorder
from keelstep_operator.scopes import Scopes
from keelstep_operator.settings import Settings
from keelstep_operator.status import Statuses
from keelstep_operator.tally import Tally

S = TypeVar("S", AgentStrategySpec, ToolContractSpec)


@dataclass(slots=True, kw_only=True)
class Done:
    """What this process did and worked out for one log; lost with it, all of that may be done again."""

    questions: dict[int, facts.Gate] = field(default_factory=dict)
    """Questions to people, once computed, by the event that asked."""
    revoked: set[int] = field(default_factory=set)
    """Attempts whose identity is ended at the broker."""
    cut_off: set[int] = field(default_factory=set)
    """The same before its log was read, for as long as that may take."""
    dropped: set[int] = field(default_factory=set)
    """Attempts whose Secret is deleted."""
    secrets: dict[int, str] = field(default_factory=dict)
    """UIDs of the Secrets that hold the attempts' identities, as far as we made or met them."""
    unmade: int = 0
    """The attempt whose Pod could not be made so far; 0 for none."""


@dataclass(slots=True, kw_only=True)
class Runs:
    """Which log belongs to which name, as far as this process has met them."""

    by_key: dict[Key, tuple[str, Binding]] = field(default_factory=dict)
    """The resource's UID and its log."""
    by_xid: dict[str, Key] = field(default_factory=dict)
    deletions: dict[Key, set[str]] = field(default_factory=dict)
    """Deletions that were observed and not yet acted on: the logs that they may end, by xid."""
    expired: set[Key] = field(default_factory=set)
    """Those of them that only mean that the time after the end was up."""
    refused: dict[str, str] = field(default_factory=dict)
    """Whose log a resource met under its name and must not use, by the resource's UID."""
    recorded: dict[Key, tuple[int, Record | None]] = field(default_factory=dict)
    """Which log a name had when it had so many records; none where it was free."""
    orphans: set[Key] = field(default_factory=set)
    _done: dict[str, Done] = field(default_factory=dict)

    def done(self, xid: str) -> Done:
        """What was done for a log."""
        return self._done.setdefault(xid, Done())

    def bind(self, key: Key, uid: str, binding: Binding) -> None:
        """Remember which log a resource has."""
        self.by_key[key] = (uid, binding)
        self.by_xid[binding.xid] = key

    def note_deletion(self, key: Key, found: Object, now: int) -> None:
        """The resource is gone: the log that it stood for is to end, and no other that has its name by then."""
        uid = found["metadata"]["uid"]
        if _has_expired(found, now):
            self.expired.add(key)
        meant = {uid, found.get("status", {}).get("executionID", ""), self.refused.pop(uid, "")}
        known = self.by_key.get(key)
        if known is not None and known[0] == uid:
            meant.add(known[1].xid)
        self.deletions.setdefault(key, set()).update(meant - {""})

    def forget(self, key: Key) -> None:
        """The name is free."""
        known = self.by_key.pop(key, None)
        if known is not None:
            self.by_xid.pop(known[1].xid, None)
            self._done.pop(known[1].xid, None)
        self.recorded.pop(key, None)
        self.deletions.pop(key, None)
        self.expired.discard(key)
        self.orphans.discard(key)


def _has_expired(found: Object, now: int) -> bool:
    """Its time after the end is up: whoever deleted it, it was to go."""
    kept = found["spec"].get("ttlSecondsAfterFinished")
    finished = found.get("status", {}).get("finishedAt")
    return kept is not None and bool(finished) and now >= clock.parse(finished) + kept * clock.SECOND


def _readable(load: Callable[[bytes], tuple[str, S]], payload: bytes) -> S:
    try:
        return load(payload)[1]
    except revision.RevisionError as error:
        raise errors.Stalled("RevisionInvalid", str(error)) from error


@dataclass(slots=True, kw_only=True)
class Revisions:
    """Pinned contents, read once: they are immutable."""

    objects: Objects
    _strategies: dict[str, AgentStrategySpec] = field(default_factory=dict)
    _contracts: dict[str, ToolContractSpec] = field(default_factory=dict)
    stored: set[tuple[str, str]] = field(default_factory=set)
    """UID and digest of what was stored and has its ControllerRevision."""

    async def strategy(self, tenant: str, digest: str) -> AgentStrategySpec:
        """A pinned strategy.

        Raises:
            errors.PayloadMissingError: it is not in the store.
            errors.Stalled: it is not what it should be.
            errors.BrokerError: the store could not be asked.
        """
        if digest not in self._strategies:
            payload = await self.objects.get_revision(tenant, digest)
            self._strategies[digest] = _readable(revision.load_strategy, payload)
        return self._strategies[digest]

    async def contract(self, tenant: str, digest: str) -> ToolContractSpec:
        """A pinned contract.

        Raises:
            errors.PayloadMissingError: it is not in the store.
            errors.Stalled: it is not what it should be.
            errors.BrokerError: the store could not be asked.
        """
        if digest not in self._contracts:
            payload = await self.objects.get_revision(tenant, digest)
            self._contracts[digest] = _readable(revision.load_contract, payload)
        return self._contracts[digest]


@dataclass(slots=True, kw_only=True)
class Context:
    """Everything a reconcile works with."""

    settings: Settings
    kube: Kube
    nc: Client
    logs: Logs
    objects: Objects
    names: Names
    control: Control
    view: View
    board: Board
    drifts: drift_notes.Board
    revoker: Revoker
    identities: Identities
    keyring: bytes
    """What runners get to verify signatures with."""
    authority: bytes
    """What they get to verify the broker's certificate with; empty where that is the system's business."""
    cache: Cache
    queue: Queue
    recorder: Recorder
    statuses: Statuses
    metrics: Metrics
    revisions: Revisions
    runs: Runs = field(default_factory=Runs)
    scopes: Scopes = field(default_factory=Scopes)
    tally: Tally = field(default_factory=Tally)
    watched: set[str] = field(default_factory=set)
    """Kinds of which the watch has told us something."""
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    """Set with each thing that the watch tells."""
    rules_deleted: set[Key] = field(default_factory=set)
    """ConfigMaps of rules whose deletion was observed and not yet acted on."""
    rules_problem: dict[str, str] = field(default_factory=dict)
    """What is wrong with a namespace's rules; empty where nothing is."""
    restored_at: int = 0
    """When the log last came from a backup, nanoseconds since 1970; 0 where it never did."""
    revoked: set[str] = field(default_factory=set)
    """Public keys that the broker had revoked when this process started."""
    now: Callable[[], int] = clock.now
    """Nanoseconds since 1970."""

    def __copy__(self) -> "Context":
        # kopf copies its memo for each object; there is one context
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Context":
        return self

    def unexpired_identities(self, now: int) -> int:
        """Of every tenant: as many as we know of, or as the broker holds revoked of such as nobody's any more."""
        return max(self.tally.total(now), self.revoker.held)

    def is_over(self, key: Key) -> bool:
        """Has this run's log been read to its end? Nothing begins or ends it any more."""
        known = self.runs.by_key.get(key)
        return known is not None and known[1].xid in self.logs.over

    def keep(self, found: Object) -> None:
        """Keep what the API server just answered, as the watch would."""
        self.cache.put(copy.copy(found))
