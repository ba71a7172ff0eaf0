"""How does the log come back, so that nothing it has forgotten happens twice?

    accounts' tokens ─► SPINE-* ─► OBJ ─► NAMES ─► every open run is held ─► CONTROL

CONTROL comes last: no gateway begins anything and no operator works before it is there, so until every open run is held
nobody goes on with one. What happened after the backup is not in the log. Whether an open run did something then, nobody
here can know, so each waits for a person (`LogRestored`); and streams say when they were restored, so that an Execution
from before that has no log is not begun as if it were new (`LogLost`).

May be done again where it was interrupted: what is there of the same backup is left, what is not is made.
"""

import asyncio
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from nats.aio.client import Client

from keelstep import errors
from keelstep.backup import folder as folders
from keelstep.backup import hold, snapshot
from keelstep.backup.folder import BackupError, Manifest, Stream
from keelstep.events import clock, signing
from keelstep.events.signing import Keyring
from keelstep.log import identities, jetstream, streams, subjects, tokens

_LOOKUP = "$SYS.REQ.ACCOUNT.{account}.CLAIMS.LOOKUP"
_UPDATE = "$SYS.REQ.CLAIMS.UPDATE"
_FROM = "keelstep.io/restored-from"
"""The backup's own digest, so that a restore that is done again knows what is its own."""
_PAUSES_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)

OnStream = Callable[[Stream], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """Whom a restore speaks as."""

    backup: Client
    system: Client
    operator: Client


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came back."""

    manifest: Manifest
    at: str
    """When, by this machine's clock: Executions from before that have no log are not begun."""
    held: int
    """Open runs that wait for a person."""
    ended: int
    """Runs that are over."""


async def restore(
    to: Connections,
    accounts: identities.Accounts,
    signer: signing.Signer,
    keyring: Keyring,
    folder: Path,
    now: int,
    *,
    on_stream: OnStream | None = None,
) -> Report:
    """Bring a backup into a broker that has none of these streams.

    Raises:
        BackupError: the folder is none, or not what it was.
        errors.Stalled: the broker has such a stream already (`StreamDiffers`).
        errors.BrokerError: the broker refused or fell silent; do it again.
    """
    manifest = folders.read(folder)
    is_from = folders.digest(folder / folders.MANIFEST)
    there = {each.name: await _metadata(to.backup, each.name) for each in manifest.streams}
    foreign = [name for name, found in there.items() if found is not None and found.get(_FROM) != is_from]
    if foreign:
        raise errors.StreamDiffersError(
            f"the broker has {', '.join(foreign)} already: a backup is brought into an empty one"
        )
    known = [found for found in there.values() if found is not None]
    at = next((found[streams.RESTORED_AT] for found in known), clock.text(now))
    metadata = {streams.RESTORED_AT: at, _FROM: is_from}
    await _push_accounts(to.system, accounts, folder)
    held = ended = 0
    for each in manifest.streams:
        if each.name == subjects.CONTROL_STREAM:
            held, ended = await _hold_all(to.operator, manifest, signer, keyring)
        if there[each.name] is None:
            await _give(to.backup, each, folder, metadata)
        await _until_whole(to.backup, each)
        if on_stream is not None:
            on_stream(each)
    return Report(manifest=manifest, at=at, held=held, ended=ended)


async def _give(nc: Client, stream: Stream, folder: Path, metadata: Mapping[str, str]) -> None:
    try:
        await snapshot.give(nc, stream.name, stream.taken, folder / stream.file, metadata)
    except errors.BrokerError:
        # the broker may end only now what an interrupted restore gave it
        found = await _metadata(nc, stream.name)
        if found is None or found.get(_FROM) != metadata[_FROM]:
            raise


async def _until_whole(nc: Client, stream: Stream) -> None:
    """All that was given can be read. Of an interrupted restore the broker shows a stream before it has read it all."""
    for pause in itertools.chain(_PAUSES_SECONDS, [None]):
        info = await jetstream.call(nc, f"STREAM.INFO.{stream.name}", type=dict[str, Any])
        found = (int(info["state"]["messages"]), int(info["state"]["last_seq"]))
        if found[0] >= stream.messages and found[1] >= stream.last:
            return
        if pause is not None:
            await asyncio.sleep(pause)
    raise errors.BrokerUnavailableError(
        f"{stream.name} has {found[0]} messages of {stream.messages}; do it again"
    )


async def _hold_all(
    nc: Client, manifest: Manifest, signer: signing.Signer, keyring: Keyring
) -> tuple[int, int]:
    held = ended = 0
    for each in manifest.streams:
        prefix = subjects.stream(0)[:-1]
        if each.name.startswith(prefix):
            shard = int(each.name.removeprefix(prefix))
            found = await hold.hold_open(nc, shard, signer, keyring)
            held, ended = held + found.held, ended + found.ended
    return held, ended


async def _metadata(nc: Client, stream: str) -> Mapping[str, str] | None:
    """What a stream says of itself; None where there is no such stream."""
    try:
        info = await jetstream.call(nc, f"STREAM.INFO.{stream}", type=dict[str, Any])
    except errors.BrokerError as error:
        if error.code == jetstream.STREAM_NOT_FOUND:
            return None
        raise
    return info["config"].get("metadata") or {}


async def _push_accounts(system: Client, accounts: identities.Accounts, folder: Path) -> None:
    """Whose identities were revoked, where the broker does not know it: it keeps the newer of two tokens."""
    kept = msgspec.json.decode((folder / folders.ACCOUNTS).read_bytes(), type=dict[str, str])
    for account in (accounts.core, accounts.run):
        token = kept.get(account)
        if token is None:
            raise BackupError(f"{folder} is another installation's: it has no account {account}")
        if _issued(token) <= _issued(
            (await jetstream.request(system, _LOOKUP.format(account=account), b"")).data.decode()
        ):
            continue
        answer = await jetstream.request(system, _UPDATE, token.encode())
        found = msgspec.json.decode(answer.data, type=dict[str, Any])
        if "error" in found or found.get("data", {}).get("code") != 200:
            raise errors.BrokerError(f"the broker did not take the account {account}: {found}")


def _issued(token: str) -> int:
    try:
        return int(tokens.read(token)["iat"])
    except (ValueError, KeyError) as error:
        raise BackupError("accounts.json holds what is no token") from error
