"""Which bytes stand for a JSON document whose digest must be the same wherever it is computed?

Keys sorted, no white space. Only for documents we compute digests of; stored events are never written again.
"""

import hashlib
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder(order="sorted")


def dumps(document: Any) -> bytes:
    """The canonical bytes of a JSON document."""
    return _ENCODER.encode(document)


def loads(payload: bytes) -> Any:
    """The document.

    Raises:
        ValueError: the bytes are not JSON.
    """
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from error


def digest(payload: bytes) -> str:
    """SHA-256, hex."""
    return hashlib.sha256(payload).hexdigest()
