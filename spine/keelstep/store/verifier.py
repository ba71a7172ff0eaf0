"""Whose signature is it? Asked of a process of its own where there is much to check.

A check takes longer than everything else done with a message, and in a thread it waits for the interpreter twice per
message. The process is started with the first large batch, is told the public keys, and ends when its input does.

    4 bytes of length, then msgpack: the keyring's JSON first, then batches; each answer is one byte per message
"""

import asyncio
import base64
import contextlib
import signal
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import IO

import msgspec
import structlog

from keelstep.domain import validity
from keelstep.events import signing
from keelstep.store.feed import Arrival

log = structlog.get_logger(__name__)

LARGE = 64
"""Smaller batches are checked here: asking takes about as long."""
_LENGTH_BYTES = 4

Question = tuple[str, str, str, bytes]
"""Signature, writer, subject, payload."""


@dataclass(slots=True)
class Verifier:
    """Checks signatures; `close` ends its process."""

    keyring: signing.Keyring
    _process: asyncio.subprocess.Process | None = None

    async def check(self, arrivals: Sequence[Arrival]) -> Sequence[bool]:
        """Whether each message carries its writer's own signature."""
        asked = questions(arrivals)
        if len(asked) >= LARGE:
            try:
                return await self._ask(asked)
            except (OSError, EOFError, ValueError) as error:
                log.warning("verifier_ended", why=str(error) or type(error).__name__)
                await self.close()
        return await asyncio.to_thread(answers, self.keyring, asked)

    async def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _ask(self, asked: Sequence[Question]) -> Sequence[bool]:
        frame = _framed(msgspec.msgpack.encode(asked))
        process = self._process or await self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(frame)
            await process.stdin.drain()
            found = await process.stdout.readexactly(len(asked))
        except asyncio.CancelledError:
            await self.close()  # its answer would be taken for that of the next question
            raise
        return [each == 1 for each in found]

    async def _start(self) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", __name__), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        self._process = process
        assert process.stdin is not None
        process.stdin.write(_framed(_told(self.keyring)))
        return process


def questions(arrivals: Iterable[Arrival]) -> list[Question]:
    """What there is to check."""
    return [
        (each.stored.signature, each.stored.writer, each.subject, each.stored.payload) for each in arrivals
    ]


def answers(keyring: signing.Keyring, asked: Sequence[Question]) -> Sequence[bool]:
    """Check here and now."""
    return [_is_signed(keyring, *each) for each in asked]


def _is_signed(keyring: signing.Keyring, signature: str, writer: str, subject: str, payload: bytes) -> bool:
    if not signature:
        return False
    found = validity.writer_of(writer)
    return found is not None and keyring.vouches(signature, found[0], subject, payload)


def serve(given: IO[bytes], answered: IO[bytes]) -> None:
    """Answer until the input ends."""
    payload = _read(given)
    if payload is None:
        return
    keyring = signing.Keyring.parse(payload)
    decoder = msgspec.msgpack.Decoder(list[Question])
    while (payload := _read(given)) is not None:
        answered.write(bytes(answers(keyring, decoder.decode(payload))))
        answered.flush()


def _told(keyring: signing.Keyring) -> bytes:
    entries = {
        kid: signing.KeyEntry(writer=keyring.writers[kid], public_key=base64.b64encode(bytes(key)).decode())
        for kid, key in keyring.keys.items()
    }
    return msgspec.json.encode(entries)


def _framed(payload: bytes) -> bytes:
    return len(payload).to_bytes(_LENGTH_BYTES, "big") + payload


def _read(given: IO[bytes]) -> bytes | None:
    length = given.read(_LENGTH_BYTES)
    if len(length) < _LENGTH_BYTES:
        return None
    payload = given.read(int.from_bytes(length, "big"))
    return payload if len(payload) == int.from_bytes(length, "big") else None


if __name__ == "__main__":
    # a terminal sends it to both; only the end of the input ends this one
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(sys.stdin.buffer, sys.stdout.buffer)
