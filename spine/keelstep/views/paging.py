"""Where does the next page begin? Opaque tokens that stay good while a log grows.

A token names what it belongs to: one of another execution, kind, or log is refused. Pure.
"""

import base64
import binascii
from collections.abc import Mapping

import msgspec

from keelstep.views import refusals

MOST = 5_000
"""The largest page of events or messages."""
MOST_EXECUTIONS = 500
"""The largest page of a list: each execution's log is folded for it."""


class Token(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was shown last."""

    of: str
    """The log's id, or what a list is of."""
    after: int = 0
    """An event's seq, or a message's position."""
    name: str = ""
    """The last execution shown, in a list."""

    def text(self) -> str:
        """As clients carry it."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")


def limit(query: Mapping[str, str], most: int) -> int:
    """How many items are wanted; as many as a page may hold where the client does not say.

    Raises:
        refusals.Refusal: it is no number.
    """
    text = query.get("limit", "") or "0"
    if not (text.isascii() and text.isdigit()):
        raise refusals.bad_request(f"limit: expected a number of items, got {text!r}")
    return min(int(text[:9]) or most, most)


def token(query: Mapping[str, str], of: str) -> Token:
    """Where to go on; the beginning where the client does not say.

    Raises:
        refusals.Refusal: it is no token of ours, or one of another log.
    """
    text = query.get("continue", "")
    if not text:
        return Token(of=of)
    try:
        found = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=Token)
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise refusals.bad_request("continue: not a token of this server; begin again without it") from error
    if found.of != of:
        raise refusals.expired("continue: the token belongs to another log; begin again without it")
    return found
