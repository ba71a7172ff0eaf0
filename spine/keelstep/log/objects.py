"""Where do payloads lie that are too large for an event?

In the stream OBJ under their digest, once: a second write to an address is refused by the broker, which means that it
is already there. A revision of a strategy or contract is kept the same way under its tenant. Nothing is deleted here.
"""

import asyncio
import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import structlog
from nats.aio.client import Client

from keelstep import errors
from keelstep.events import value as values
from keelstep.events.value import Value
from keelstep.log import jetstream, subjects

log = structlog.get_logger(__name__)

_STREAM = subjects.OBJECTS_STREAM
DEADLINE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Objects:
    """The payloads of an installation. A runner may only put its own; reading takes an identity of the account CORE."""

    nc: Client
    deadline_seconds: float = DEADLINE_SECONDS
    """How long a write is tried again before its caller is told."""

    async def put(self, tenant: str, owner: str, value: Value, payload: bytes) -> None:
        """Store the payload of a Value that refers to the store; acknowledged when it returns.

        Raises:
            values.MismatchError: the payload is not the one the Value names.
            errors.BrokerUnavailableError: it could not be stored in time.
            errors.BrokerError: it is larger than the broker takes.
        """
        values.check(value, payload)
        await self._write(subjects.obj(tenant, owner, value.digest), payload)

    async def get(self, tenant: str, owner: str, digest: str) -> bytes | None:
        """The payload at an address, unchecked; None where there is none.

        Raises:
            errors.BrokerError: it could not be read.
        """
        return await self._read(subjects.obj(tenant, owner, digest))

    async def open(self, tenant: str, owner: str, value: Value) -> bytes:
        """The payload of a Value, wherever it lies, checked against its digest.

        Raises:
            values.MismatchError: it is not the one the Value names.
            errors.PayloadMissingError: it is not in the store.
            errors.BrokerError: it could not be read.
        """
        inline = values.open_inline(value)
        if inline is not None:
            return inline
        payload = await self.get(tenant, owner, value.digest)
        if payload is None:
            raise errors.PayloadMissingError(f"payload {value.digest[:12]}… of {owner} is not in the store")
        return values.check(value, payload)

    async def put_revision(self, tenant: str, payload: bytes) -> str:
        """Store a revision and return its digest, the SHA-256 of its bytes.

        Raises:
            errors.ObjectForgedError: other bytes lie at its address.
            errors.BrokerUnavailableError: it could not be stored in time.
        """
        digest = hashlib.sha256(payload).hexdigest()
        subject = subjects.revision(tenant, digest)
        if await self._write(subject, payload) and await self._read(subject) != payload:
            raise errors.ObjectForgedError(f"other bytes lie at revision {digest[:12]}… of tenant {tenant}")
        return digest

    async def get_revision(self, tenant: str, digest: str) -> bytes:
        """A revision's bytes, checked against its digest.

        Raises:
            errors.PayloadMissingError: it is not in the store.
            errors.ObjectForgedError: other bytes lie at its address.
            errors.BrokerError: it could not be read.
        """
        payload = await self._read(subjects.revision(tenant, digest))
        if payload is None:
            raise errors.PayloadMissingError(
                f"revision {digest[:12]}… of tenant {tenant} is not in the store"
            )
        if hashlib.sha256(payload).hexdigest() != digest:
            raise errors.ObjectForgedError(f"other bytes lie at revision {digest[:12]}… of tenant {tenant}")
        return payload

    async def _write(self, subject: str, payload: bytes) -> bool:
        """Write once; True where something lay there before, possibly our own earlier try."""
        deadline = time.monotonic() + self.deadline_seconds
        for pause in _pauses():
            try:
                await jetstream.publish(self.nc, subject, payload)
            except errors.BrokerError as error:
                if jetstream.is_already_there(error):
                    return True
                if error.code == jetstream.TOO_LARGE or isinstance(error, errors.BrokerClosedError):
                    raise
                if time.monotonic() + pause > deadline:
                    raise errors.BrokerUnavailableError(
                        f"{subject} was not stored: {error.message}"
                    ) from error
                log.info("object_write_repeated", subject=subject, why=error.message)
                await asyncio.sleep(pause)
            else:
                return False
        raise AssertionError("pauses never end")

    async def _read(self, subject: str) -> bytes | None:
        """Any replica's copy; where that one has none, the leader's word is final."""
        message = await jetstream.last_from_any(self.nc, _STREAM, subject)
        if message is None:
            message = await jetstream.last(self.nc, _STREAM, subject)
        return message.payload if message is not None else None


def _pauses() -> Iterator[float]:
    """Waits between tries in seconds, doubling up to one, without end."""
    pause = 0.05
    while True:
        yield pause
        pause = min(pause * 2, 1.0)
