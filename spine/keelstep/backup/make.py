"""In which order is the log copied, so that what comes back holds together?

    SPINE-* ─► OBJ ─► NAMES ─► CONTROL ─► the accounts' tokens

Each later one holds everything that the earlier ones rest on: a payload lies in OBJ before the event that names it, a name
is bound before its log begins, and a kill is in CONTROL before it is in any log. Programs go on working meanwhile.
"""

import asyncio
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
from nats.aio.client import Client

from keelstep import errors
from keelstep.backup import folder as folders
from keelstep.backup import snapshot
from keelstep.backup.folder import Manifest, Stream
from keelstep.events import clock
from keelstep.log import connection, identities, jetstream, subjects

_LOOKUP = "$SYS.REQ.ACCOUNT.{account}.CLAIMS.LOOKUP"

OnStream = Callable[[Stream], None]


class _Names(msgspec.Struct, frozen=True):
    streams: list[str] | None = None


async def backup(
    nc: Client,
    system: Client,
    accounts: identities.Accounts,
    keyring: bytes,
    into: Path,
    *,
    on_stream: OnStream | None = None,
) -> Manifest:
    """Copy everything into a new folder, which appears when it is whole.

    `nc` is a connection as `Role.BACKUP`, `system` one as `Role.SYSTEM`.

    Raises:
        errors.SettingsError: the folder exists.
        errors.BrokerError: the broker refused or fell silent; nothing appears.
        OSError: the folder cannot be written.
    """
    if await asyncio.to_thread(into.exists):
        raise errors.SettingsError(f"{into} exists; a backup is written into a folder of its own")
    draft = into.with_name(f".{into.name}.{secrets.token_hex(4)}")
    await asyncio.to_thread(draft.mkdir, mode=0o700, parents=True)
    try:
        manifest = await _copy(nc, system, accounts, keyring, draft, on_stream)
        await asyncio.to_thread(_write, draft / folders.MANIFEST, _json(manifest))
        await asyncio.to_thread(draft.rename, into)
        await asyncio.to_thread(_sync, into.parent)
    finally:
        await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)
    return manifest


async def _copy(
    nc: Client,
    system: Client,
    accounts: identities.Accounts,
    keyring: bytes,
    draft: Path,
    on_stream: OnStream | None,
) -> Manifest:
    at = clock.text(await connection.broker_time(nc))
    streams: list[Stream] = []
    for name in await _order(nc):
        file = f"{name}.snapshot"
        taken = await snapshot.take(nc, name, draft / file)
        state = taken.state
        found = Stream(
            name=name,
            file=file,
            messages=int(state["messages"]),
            last=int(state["last_seq"]),
            config=taken.config,
            state=state,
        )
        streams.append(found)
        if on_stream is not None:
            on_stream(found)
    tokens = {public: await _token(system, public) for public in (accounts.core, accounts.run)}
    await asyncio.to_thread(_write, draft / folders.ACCOUNTS, _json(tokens))
    await asyncio.to_thread(_write, draft / folders.KEYRING, keyring)
    files = [folders.ACCOUNTS, folders.KEYRING, *(each.file for each in streams)]
    sha256 = {name: await asyncio.to_thread(folders.digest, draft / name) for name in files}
    return Manifest(format=folders.FORMAT, at=at, streams=streams, sha256=sha256)


async def _order(nc: Client) -> list[str]:
    """The streams, those first that rest on others.

    Raises:
        errors.Stalled: one is missing (`StreamDiffers`).
    """
    found = set((await jetstream.call(nc, "STREAM.NAMES", {}, type=_Names)).streams or [])
    shards = sorted(name for name in found if name.startswith(subjects.stream(0)[:-1]))
    rest = [subjects.OBJECTS_STREAM, subjects.NAMES_STREAM, subjects.CONTROL_STREAM]
    missing = [name for name in rest if name not in found] or ([] if shards else [subjects.stream(0)])
    if missing:
        raise errors.StreamDiffersError(f"there is no stream {', '.join(missing)}: nothing to back up")
    return [*shards, *rest]


async def _token(system: Client, account: str) -> str:
    answer = await jetstream.request(system, _LOOKUP.format(account=account), b"")
    return answer.data.decode()


def _json(content: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n"


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
