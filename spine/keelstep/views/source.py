"""Where do the views come from? The spine itself: the names, and each execution's messages.

What was folded once is kept, the most recently asked first, and only later messages are read again: a log only grows.
Nothing is read from Kubernetes or a database, so a view is never behind anything but a follower of the stream.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from nats.aio.client import Client

from keelstep import errors
from keelstep.events import signing, value
from keelstep.events.frame import Stored
from keelstep.events.value import Value
from keelstep.log import names, objects, reader, spine
from keelstep.views import history
from keelstep.views.history import History

MOST_KEPT_EVENTS = 50_000
"""Events of all kept histories together, about 1 KB each."""
_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAMESPACE = re.compile(rf"^{_LABEL}$")
_NAME = re.compile(rf"^{_LABEL}(\.{_LABEL})*$")
_MOST_CHARACTERS = 253
_AT_ONCE = 250
"""Messages folded before others get their turn."""


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """An Execution's name."""

    tenant: str
    name: str

    def __str__(self) -> str:
        return f"{self.tenant}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An execution as it is now."""

    name: Name
    shard: int
    history: History


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a run answered at its end."""

    named: Value
    """As the event that ends the run names it."""
    payload: bytes | None
    """Checked against its digest; None where it cannot be shown."""
    missing: str = ""
    """Why it cannot."""


@dataclass(slots=True)
class Source:
    """Reads executions; every method may raise `errors.BrokerError` where the broker cannot be asked."""

    client: Callable[[], Client]
    """The connection, if there is one just now."""
    keyring: signing.Keyring
    _kept: OrderedDict[str, History] = field(default_factory=OrderedDict)

    async def read(self, name: Name) -> Found | None:
        """The execution as it is now; None where the name was never recorded.

        Raises:
            errors.LogArchivedError: its log is not in the stream any more.
        """
        is_name = _NAMESPACE.match(name.tenant) and _NAME.match(name.name)
        if not is_name or len(name.name) > _MOST_CHARACTERS:
            return None
        entry = await names.Names(self.client()).lookup(name.tenant, name.name)
        if entry is None:
            return None
        archived = entry.record.archived
        if archived is not None:
            raise errors.LogArchivedError(
                f"the run {name.name} is over since {archived.ended_at} ({archived.phase}) and its log lies in the"
                f" archive {archived.file}; `keelstep archive show` reads it",
                entry.record.xid,
                phase=archived.phase,
                ended_at=archived.ended_at,
            )
        shard = entry.record.shard
        found = await self._history(name.tenant, entry.record.xid, shard)
        return Found(name=name, shard=shard, history=found)

    async def messages(
        self, found: Found, after: int, most: int, most_bytes: int
    ) -> tuple[Sequence[Stored], int]:
        """The next messages after a position, so many and so large at most but one at least; how many come after them."""
        state = found.history.state
        log = reader.StreamReader(self.client(), found.shard)
        page: list[Stored] = []
        size, is_all = 0, False
        while not is_all:
            batch, is_all = await log.batch(state.tenant, state.xid, after, most_bytes)
            for stored in batch:
                if stored.position > state.position:
                    return page, 0  # nothing was judged from there on
                size += len(stored.payload)
                if len(page) == most or (size > most_bytes and page):
                    return page, await log.left(state.tenant, state.xid, after)
                page.append(stored)
                after = stored.position
        return page, 0

    async def answer(self, found: Found) -> Answer | None:
        """What the run answered, from its last event or the object store; None where there is nothing."""
        state = found.history.state
        named = state.finished.output if state.finished is not None else None
        if named is None:
            return None
        try:
            payload = await objects.Objects(self.client()).open(state.tenant, state.xid, named)
        except (errors.PayloadMissingError, value.MismatchError) as error:
            return Answer(named=named, payload=None, missing=str(error))
        return Answer(named=named, payload=payload)

    async def names(self, tenant: str | None) -> list[Name]:
        """Every name that was ever recorded, of one tenant or of all, in order."""
        if tenant is not None and not _NAMESPACE.match(tenant):
            return []
        return sorted(Name(*each) for each in await names.Names(self.client()).listed(tenant))

    async def _history(self, tenant: str, xid: str, shard: int) -> History:
        """What is kept, extended by what was stored since."""
        found = self._kept.get(xid) or history.begin(tenant, xid)
        log = reader.StreamReader(self.client(), shard)
        draft = history.Draft(found, spine.vouch_with(self.keyring, tenant, xid, shard))
        is_all = False
        while not is_all:
            news, is_all = await log.batch(tenant, xid, draft.state.position)
            for start in range(0, len(news), _AT_ONCE):
                draft.add(news[start : start + _AT_ONCE])
                await asyncio.sleep(0)  # a long log must not hold up everybody else
        found = draft.history()
        self._keep(xid, found)
        return found

    def _keep(self, xid: str, found: History) -> None:
        before = self._kept.get(xid)
        if before is None or before.state.position < found.state.position:
            self._kept[xid] = found
        self._kept.move_to_end(xid)
        total = sum(each.messages for each in self._kept.values())
        while total > MOST_KEPT_EVENTS and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            total -= dropped.messages
