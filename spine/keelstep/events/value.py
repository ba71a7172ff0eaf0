"""How does an event name what was said without holding it?

Arguments, prompts, replies, outputs and goals stand in events as Values: a salted digest and a size, with the payload
inline where it is small, else in the object store under its digest. Erasing the payload (or shredding the key that
`key` names) leaves every digest, and so the hash chain, valid. Nothing here reads or writes a store.
"""

import hashlib
from typing import Annotated, NewType

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
"""A whole number that is never negative and that every reader of JSON reads exactly."""

Number = Annotated[int, msgspec.Meta(ge=-(2**53 - 1), le=2**53 - 1)]
"""A whole number that every reader of JSON reads exactly; nothing is decided by it."""

Digest = NewType("Digest", str)
"""SHA-256, 64 hex digits."""

INLINE_LIMIT_BYTES = 8 * 1024
"""Payloads whose JSON form is larger go to the object store."""
JSON = "application/json"
TEXT = "text/plain"
_ENCODER = msgspec.json.Encoder()


class Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A payload by reference."""

    digest: str
    """SHA-256 over salt and payload, hex."""
    size: Count
    """Bytes of the payload."""
    media_type: str
    """`application/json` or `text/plain`."""
    salt: str
    """Random, hex; keeps a guessable payload from being found by its digest."""
    key: str = "none"
    """The encryption key's name; `none` says the payload is not encrypted."""
    inline: str | None = None
    """The payload, where it is small."""
    ref: str | None = None
    """The object's address, where it is not: the digest."""


class MismatchError(ValueError):
    """A payload is not the one its Value names: the store or its writer is not to be trusted."""


def digest(salt: str, payload: bytes) -> Digest:
    """SHA-256 over salt and payload, hex."""
    return Digest(hashlib.sha256(salt.encode() + payload).hexdigest())


def seal(
    payload: bytes, *, media_type: str, salt: str, inline_limit_bytes: int = INLINE_LIMIT_BYTES
) -> Value:
    """The Value of a payload. Where it comes back with `ref`, store the payload before any event names it."""
    found = digest(salt, payload)
    text = _text(payload, inline_limit_bytes)
    return Value(
        digest=found,
        size=len(payload),
        media_type=media_type,
        salt=salt,
        inline=text,
        ref=None if text is not None else found,
    )


def open_inline(value: Value) -> bytes | None:
    """The payload, checked, or None where it is in the store.

    Raises:
        MismatchError: the inline payload is not the one the digest names.
    """
    if value.inline is None:
        return None
    return check(value, value.inline.encode())


def check(value: Value, payload: bytes) -> bytes:
    """The payload, once it is the one the Value names.

    Raises:
        MismatchError: it is not.
    """
    if len(payload) != value.size or digest(value.salt, payload) != value.digest:
        raise MismatchError(f"payload does not match digest {value.digest[:12]}…")
    return payload


def _text(payload: bytes, limit_bytes: int) -> str | None:
    """The payload as text, where it is text and its JSON form keeps the limit: escapes can make it six times as long."""
    if len(payload) > limit_bytes:
        return None
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return None
    return text if len(_ENCODER.encode(text)) - len('""') <= limit_bytes else None
