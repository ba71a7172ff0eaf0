"""Which logs leave the stream, and in which order, so that nothing is lost wherever this dies?

    over, settled, and its Execution gone ─► archive written ─► read back and proven ─► the projector has passed it
      ─► the name says `archived` (fenced) ─► payloads purged ─► log purged

Each step may be done again: what was written is proven anew instead of written, the name is told once, a purge takes
only what the archive holds. A log that a death left half purged is found again and joined with its archive.

What stands in Kubernetes stays in the stream: an Execution's log leaves after its resource did, never before. And where
an equal Execution would go on with a log (`expired`), the name says that it is archived before the log goes.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import msgspec
from nats.aio.client import Client

from keelstep.archive import compose, file, gather, proof, stream
from keelstep.archive.file import ArchiveError, Manifest
from keelstep.archive.proof import Proof
from keelstep.archive.stream import Held, Register
from keelstep.domain.state import State
from keelstep.events import clock, signing
from keelstep.events.signing import Keyring
from keelstep.log import connection, jetstream, names, subjects

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of one log."""

    tenant: str
    name: str
    """The Execution's; empty where nobody knows it."""
    xid: str
    outcome: Literal["Purged", "Archived", "Due", "Kept", "Failed"]
    why: str = ""
    file: str = ""
    messages: int = 0


OnReport = Callable[[Report], None]


class KeptError(Exception):
    """A log stays where it is; the message says why."""


@dataclass(slots=True, kw_only=True)
class Archivist:
    """Archives the logs of one shard into a folder."""

    nc: Client
    """As `identities.Role.ARCHIVIST`."""
    keys: Mapping[str, signing.KeyEntry]
    folder: Path
    shard: int = 0
    purges: bool = True
    """False archives only."""
    awaits_projector: bool = True
    """False where an installation has none."""
    _keyring: Keyring = field(init=False)

    def __post_init__(self) -> None:
        self._keyring = Keyring.parse(msgspec.json.encode(dict(self.keys)))

    async def run(
        self, older_than_seconds: float, *, only_show: bool = False, on_report: OnReport | None = None
    ) -> list[Report]:
        """Archive every log in which nothing was stored for so long, by the broker's clock; what became of each.

        With `only_show` nothing is written, and what would be archived is Due.

        Raises:
            errors.Stalled: there is no projector (`ProjectorMissing`).
            errors.BrokerError: the broker did not answer; run it again.
        """
        before = await connection.broker_time(self.nc) - int(older_than_seconds * clock.SECOND)
        projected = None
        if self.purges and self.awaits_projector:
            projected = await stream.projected(self.nc, self.shard)
        register = await stream.register(self.nc)
        spoken = await stream.last_words(self.nc, self.shard)
        reports: list[Report] = []
        for tenant, xid in sorted(key for key, at in spoken.items() if at < before):
            held = register.by_log.get((tenant, xid))
            about = Report(tenant=tenant, name=held.name if held else "", xid=xid, outcome="Kept")
            try:
                found = await self._one(about, held, register, projected, only_show)
            except KeptError as kept:
                found = replace(about, why=str(kept))
            except ArchiveError as error:
                found = replace(about, outcome="Failed", why=error.message)
            except gather.TooLargeError as error:
                found = replace(about, outcome="Failed", why=str(error))
            reports.append(found)
            if on_report is not None:
                on_report(found)
        return reports

    async def _one(
        self, about: Report, held: Held | None, register: Register, projected: int | None, only_show: bool
    ) -> Report:
        tenant, xid = about.tenant, about.xid
        if not (_TOKEN.fullmatch(tenant) and _TOKEN.fullmatch(xid)):
            raise KeptError("its subject is none of ours")
        path = self.folder / tenant / f"{xid}{file.SUFFIX}"
        known = await asyncio.to_thread(_known, path, self.keys)
        there = await gather.messages(self.nc, self.shard, tenant, xid)
        messages = _joined(known, there, path)
        found, _ = await asyncio.to_thread(proof.judge, messages, self._keyring, self.shard, tenant, xid)
        state = found.state
        name = about.name or (state.started.name if state.started is not None else "")
        _may_leave(state, held, (tenant, name), register)
        about = replace(about, name=name, file=str(path), messages=len(messages))
        if only_show:
            return replace(about, outcome="Due")
        if known is None or len(known.messages) != len(messages):
            await compose.write(self.nc, path, name, messages, self.keys, known)
        proven = await asyncio.to_thread(proof.check, path, self.keys)
        if not self.purges:
            return replace(about, outcome="Archived")
        last = proven.manifest.last
        if projected is not None and projected < last:
            raise KeptError(f"the projector is at message {projected} of the stream, this log ends at {last}")
        if held is not None:
            await self._say_archived(tenant, held, path, proven.manifest)
        elif await self._is_bound(tenant, name, xid):
            raise KeptError("its name has just been given to it")
        await self._purge(proven.manifest)
        return replace(about, outcome="Purged")

    async def _say_archived(self, tenant: str, held: Held, path: Path, manifest: Manifest) -> None:
        """The name says so before the log goes, unless it belongs to somebody again.

        Raises:
            KeptError: it does.
            errors.BrokerError: it is not known whether it says so; do it again.
        """
        sha256 = await asyncio.to_thread(file.digest_of, path)
        book = names.Names(self.nc, by="archivist")
        entry: names.Entry | None = held.entry
        while entry is not None and entry.record.xid == manifest.execution:
            state, known = entry.record.state, entry.record.archived
            if state == "bound":
                raise KeptError("its Execution is there again")
            if known is not None and known.sha256 == sha256:
                return
            archived = names.Archived(
                was=known.was if known is not None else "expired" if state == "expired" else "released",
                file=f"{tenant}/{path.name}",
                sha256=sha256,
                phase=manifest.phase,
                reason=manifest.reason,
                ended_at=manifest.ended_at,
            )
            if await book.archive(tenant, held.name, entry, archived):
                return
            entry = await book.lookup(tenant, held.name)

    async def _is_bound(self, tenant: str, name: str, xid: str) -> bool:
        entry = await names.Names(self.nc).lookup(tenant, name)
        return entry is not None and entry.record.xid == xid

    async def _purge(self, manifest: Manifest) -> None:
        """Payloads first: a log without them is found again, payloads without a log are not."""
        tenant, xid = manifest.tenant, manifest.execution
        own = [each for each in manifest.objects if each.address.split(".")[2] != subjects.REVISIONS]
        if own:
            up_to = max(each.position for each in own)
            await stream.purge(self.nc, subjects.OBJECTS_STREAM, subjects.obj(tenant, xid, "*"), up_to)
        pattern = subjects.spine(manifest.shard, tenant, xid, "*")
        await stream.purge(self.nc, subjects.stream(manifest.shard), pattern, manifest.last)


def _may_leave(state: State, held: Held | None, name: stream.Key, register: Register) -> None:
    """Is nothing of it left to happen, and does nobody look at it in Kubernetes?

    Raises:
        KeptError: it stays.
    """
    if state.undecidable:
        raise KeptError(f"it holds {state.undecidable}, which this program does not know: upgrade it")
    if not state.is_over:
        raise KeptError("it is not over")
    if state.claims or state.open_model_call is not None:
        raise KeptError("a call of it is open: its gateway still records the outcome")
    if held is not None and held.entry.record.state == "bound":
        raise KeptError(
            "its Execution is there, or vanished unseen; delete it, or set ttlSecondsAfterFinished"
        )
    if name in register.unreadable:
        raise KeptError(
            f"what is recorded under the name {name[1]} is no record: nobody can tell whose it is"
        )
    if held is None and name not in register.known:
        raise KeptError("no name was ever recorded for it; see `keelstep orphans`")


def _known(path: Path, keys: Mapping[str, signing.KeyEntry]) -> Proof | None:
    """The archive that an earlier run left.

    Raises:
        ArchiveError: there is a file, and it is none.
    """
    if not path.exists():
        return None
    found = proof.check(path, keys)
    if path.name != f"{found.manifest.execution}{file.SUFFIX}":
        raise ArchiveError(f"{path} is the archive of another execution, {found.manifest.execution}")
    return found


def _joined(known: Proof | None, there: list[jetstream.Message], path: Path) -> list[jetstream.Message]:
    """What the archive holds and what is left in the stream, in order: a death may have come in the middle of a purge.

    Raises:
        ArchiveError: the two tell different stories.
    """
    whole = {each.position: each for each in known.messages} if known is not None else {}
    for each in there:
        before = whole.get(each.position)
        if before is not None and (before.subject, before.payload) != (each.subject, each.payload):
            raise ArchiveError(f"{path} holds another message {each.position} than the stream")
        whole[each.position] = each
    return [whole[position] for position in sorted(whole)]
