"""Is an archive whole, and does the log in it hold? Judged from the file alone, as if nobody were trusted.

Every member has the digest that the manifest says; every message lies on a subject of the execution; the fold comes to
what the manifest says; every payload that an event names is there and has its digest, or is named as missing. What the
file cannot say is whose its keys are: for that, give the installation's keyring.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from keelstep.archive import file, gather
from keelstep.archive.file import ArchiveError, Manifest
from keelstep.domain import execution
from keelstep.events import clock, signing
from keelstep.events import value as values
from keelstep.events.signing import Keyring
from keelstep.events.value import Value
from keelstep.log import jetstream, spine, subjects
from keelstep.views import history, verification
from keelstep.views.history import History


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a file holds, once nothing speaks against it."""

    manifest: Manifest
    keyring: Keyring
    messages: list[jetstream.Message]
    history: History
    verification: verification.Verification


def check(path: Path, keyring: Mapping[str, signing.KeyEntry] | None = None) -> Proof:
    """Read an archive to its end and judge everything in it; with `keyring` its keys must be among those.

    Raises:
        ArchiveError: it is not what it says.
    """
    contents = file.members(path)
    frames = _next(contents, file.LOG, path)
    keys = _next(contents, file.KEYRING, path)
    sha256 = {file.LOG: file.digest(frames), file.KEYRING: file.digest(keys)}
    messages = list(file.unpack(frames))
    if not messages:
        raise ArchiveError(f"{path} holds no message")
    shard, tenant, xid = whose(messages, path)
    own = _keyring(keys, keyring, path)
    found, named = judge(messages, own, shard, tenant, xid)
    manifest: Manifest | None = None
    sizes: dict[str, int] = {}
    for name, payload in contents:
        if manifest is not None:
            raise ArchiveError(f"{path}: {name} comes after the manifest")
        if name == file.MANIFEST:
            manifest = file.parse_manifest(payload, path)
            continue
        address = name.removeprefix(file.OBJECTS)
        _fits(address, payload, named, path)
        sha256[name], sizes[address] = file.digest(payload), len(payload)
    if manifest is None:
        raise ArchiveError(f"{path} is cut short: it has no manifest")
    verdict = verification.judge(found)
    _agrees(manifest, describe(found, verdict, messages, shard), sizes, sha256, path)
    lacking = set(named) - set(sizes) - set(manifest.missing)
    if lacking:
        raise ArchiveError(f"{path} lacks the payload at {min(lacking)}")
    return Proof(manifest=manifest, keyring=own, messages=messages, history=found, verification=verdict)


def describe(
    found: History, verdict: verification.Verification, messages: Sequence[jetstream.Message], shard: int
) -> Manifest:
    """What the log of an archive came to; without what belongs to the file."""
    state = found.state
    started = state.started
    return Manifest(
        format=file.FORMAT,
        tenant=state.tenant,
        name=started.name if started is not None else "",
        execution=state.xid,
        shard=shard,
        stream=subjects.stream(shard),
        first=messages[0].position,
        last=messages[-1].position,
        messages=len(messages),
        events=verdict.events,
        head=verdict.head_digest,
        verdict=verdict.verdict,
        phase=history.phase(state),
        reason=history.reason(state),
        strategy=started.strategy if started is not None else "",
        requester=started.requester if started is not None else "",
        trace_id=state.trace_id,
        began_at=_time(state.started_at),
        ended_at=_time(state.over_at),
        tokens=state.tokens,
        micro_usd=state.spent_micro_usd,
        objects=[],
        missing=[],
        sha256={},
    )


def judge(
    messages: Sequence[jetstream.Message], keyring: Keyring, shard: int, tenant: str, xid: str
) -> tuple[History, dict[str, Value | None]]:
    """What messages come to, and the addresses that their events name, each with the Value there; None for a revision."""
    vouch = spine.vouch_with(keyring, tenant, xid, shard)
    stored = file.stored(messages)
    _, outcomes = execution.fold(execution.begin(xid, tenant), stored, vouch)
    found = history.extend(history.begin(tenant, xid), stored, vouch)
    return found, gather.addresses(tenant, xid, outcomes)


def _next(contents: Iterator[tuple[str, bytes]], wanted: str, path: Path) -> bytes:
    name, payload = next(contents, ("", b""))
    if name != wanted:
        raise ArchiveError(f"{path} is no archive of an execution: {wanted} is missing")
    return payload


def whose(messages: Sequence[jetstream.Message], path: Path) -> tuple[int, str, str]:
    """Shard, tenant and xid: the same on every message, in order.

    Raises:
        ArchiveError: they are not.
    """
    begin = messages[0].subject.rpartition(".")[0]
    parts = begin.split(".")
    if len(parts) != 4 or parts[0] != "spine" or not parts[1].isdigit():
        raise ArchiveError(f"{path}: {messages[0].subject} is no subject of an execution")
    before = 0
    for each in messages:
        if each.subject.rpartition(".")[0] != begin:
            raise ArchiveError(f"{path}: message {each.position} is another execution's: {each.subject}")
        if each.position <= before:
            raise ArchiveError(f"{path}: message {each.position} is out of order")
        before = each.position
    return int(parts[1]), parts[2], parts[3]


def _keyring(payload: bytes, trusted: Mapping[str, signing.KeyEntry] | None, path: Path) -> Keyring:
    try:
        found = msgspec.json.decode(payload, type=dict[str, signing.KeyEntry])
        keyring = Keyring.parse(payload)
    except ValueError as error:
        raise ArchiveError(f"{path}: {file.KEYRING}: {error}") from error
    for kid, entry in found.items():
        if trusted is not None and trusted.get(kid) != entry:
            raise ArchiveError(f"{path}: key {kid} is not one of this installation's")
    return keyring


def _fits(address: str, payload: bytes, named: Mapping[str, Value | None], path: Path) -> None:
    """The payload is the one that an event names there."""
    if address not in named:
        return  # a runner may store what no event names in the end: kept, and nothing is said of it
    value = named[address]
    try:
        if value is not None:
            values.check(value, payload)
        elif file.digest(payload) != address.rpartition(".")[2]:
            raise values.MismatchError("it is not the revision of that digest")
    except values.MismatchError as error:
        raise ArchiveError(f"{path}: {address}: {error}") from error


def _agrees(
    manifest: Manifest, found: Manifest, sizes: Mapping[str, int], sha256: Mapping[str, str], path: Path
) -> None:
    said = msgspec.structs.replace(manifest, objects=[], missing=[], sha256={})
    for name in Manifest.__struct_fields__:
        if name != "name" and getattr(said, name) != getattr(found, name):
            told = f"the manifest says {getattr(said, name)!r}, the log {getattr(found, name)!r}"
            raise ArchiveError(f"{path}: {name}: {told}")
    for member in sorted({*manifest.sha256, *sha256}):
        if manifest.sha256.get(member) != sha256.get(member):
            raise ArchiveError(f"{path}: {member} is missing, altered, or not in the manifest")
    if {each.address: each.size for each in manifest.objects} != sizes:
        raise ArchiveError(f"{path}: the payloads are not those of the manifest")


def _time(nanoseconds: int) -> str:
    return clock.whole(nanoseconds) if nanoseconds else ""
