"""Which bytes stand for a JSON document whose digest must be the same wherever it is computed?

Keys sorted, no white space. Only for documents we compute digests of; stored events are never written again.
"""

import hashlib
from typing import Any

import msgspec

MOST_LEVELS = 128
"""Objects and lists inside each other; libraries give up at different depths, so we do before the first of them."""
_ENCODER = msgspec.json.Encoder(order="sorted")


def dumps(document: Any) -> bytes:
    """The canonical bytes of a JSON document.

    Raises:
        ValueError: it is nested too deeply to be written.
    """
    try:
        return _ENCODER.encode(document)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def plain(document: Any) -> Any:
    """The document with every whole number written as one: 1.0 and 1e0 mean 1, and must not look like another call."""
    if isinstance(document, float) and document.is_integer() and abs(document) < 2**53:
        return int(document)
    if isinstance(document, dict):
        return {key: plain(value) for key, value in document.items()}
    if isinstance(document, list):
        return [plain(value) for value in document]
    return document


def is_deeper(document: Any, levels: int) -> bool:
    """Does the document hold an object or list inside more than so many others?"""
    inside = [document]
    for _ in range(levels):
        inside = [
            value
            for each in inside
            if isinstance(each, dict | list)
            for value in (each.values() if isinstance(each, dict) else each)
        ]
        if not inside:
            return False
    return any(isinstance(each, dict | list) for each in inside)


def loads(payload: bytes) -> Any:
    """The document.

    Raises:
        ValueError: the bytes are not JSON, or nested so deeply that some reader would give up.
    """
    try:
        document = msgspec.json.decode(payload)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from error
    if payload.count(b"[") + payload.count(b"{") > MOST_LEVELS and is_deeper(document, MOST_LEVELS):
        raise ValueError(f"nested deeper than {MOST_LEVELS} levels")
    return document


def digest(payload: bytes) -> str:
    """SHA-256, hex."""
    return hashlib.sha256(payload).hexdigest()
