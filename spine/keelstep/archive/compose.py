"""How does an execution's log become a file? Messages, keys, and every payload, one after the other.

A payload that an earlier archive of the same log holds and the store does not any more is taken from there.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
from nats.aio.client import Client

from keelstep.archive import file, gather, proof, stream
from keelstep.archive.proof import Proof
from keelstep.events import signing
from keelstep.events.signing import Keyring
from keelstep.log import jetstream
from keelstep.views import verification


async def write(
    nc: Client,
    path: Path,
    name: str,
    messages: Sequence[jetstream.Message],
    keys: Mapping[str, signing.KeyEntry],
    known: Proof | None,
) -> None:
    """The archive of these messages, in the place of the one that is `known`.

    Raises:
        errors.BrokerError: a payload could not be read.
    """
    shard, tenant, xid = proof.whose(messages, path)
    used = {kid: entry for kid, entry in keys.items() if kid in _signers(messages)}
    text = msgspec.json.format(msgspec.json.encode(used, order="sorted"), indent=1) + b"\n"
    found, named = await asyncio.to_thread(proof.judge, messages, Keyring.parse(text), shard, tenant, xid)
    before = {each.address: each for each in known.manifest.objects} if known is not None else {}
    wanted = sorted({*named, *await stream.addresses(nc, tenant, xid), *before})
    objects: list[file.Object] = []
    with file.Writer(path) as writer:
        await asyncio.to_thread(writer.add, file.LOG, file.pack(messages))
        await asyncio.to_thread(writer.add, file.KEYRING, text)
        for address in wanted:
            about, payload = await _payload(nc, address, path, before.get(address))
            if about is not None:
                await asyncio.to_thread(writer.add, file.OBJECTS + address, payload)
                objects.append(about)
        lying = {each.address for each in objects}
        manifest = msgspec.structs.replace(
            proof.describe(found, verification.judge(found), messages, shard),
            name=name,
            objects=objects,
            missing=[address for address in wanted if address not in lying],
            sha256=dict(writer.sha256),
        )
        await asyncio.to_thread(writer.finish, manifest)


async def _payload(
    nc: Client, address: str, path: Path, before: file.Object | None
) -> tuple[file.Object | None, bytes]:
    """What lies at an address, in the store or in the earlier archive."""
    found = await gather.payload(nc, address)
    if found is not None:
        about = file.Object(
            address=address, size=len(found.payload), position=found.position, stored_at=found.stored_at
        )
        return about, found.payload
    if before is None:
        return None, b""
    kept = await asyncio.to_thread(file.member, path, file.OBJECTS + address)
    return before, kept or b""


def _signers(messages: Iterable[jetstream.Message]) -> set[str]:
    """The ids of the keys that messages say they are signed with."""
    return {each.headers.get(signing.HEADER, "").partition(":")[0] for each in messages}
