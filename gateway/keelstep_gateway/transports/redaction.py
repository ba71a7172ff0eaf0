"""What if a tool sends a secret back? It is blotted out before anything else sees the answer.

An answer is stored and read by a model, and tools do repeat what they were sent: in error pages, in echoes, in debug
fields. A secret is found as it is, in JSON's escapes, percent-encoded and in base64 wherever it begins. What a tool
made of a secret in any other way cannot be found here.
"""

import base64
import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

SHORTEST = 6
"""A secret of fewer characters is not looked for: it would be found everywhere."""
_MOST_JSON = 3
"""JSON in JSON in JSON: what a tool reports of a request it made is often that."""
_BLOT = b"[redacted]"


@dataclass(slots=True)
class Redaction:
    """The secrets of one call, in every form they are looked for."""

    _forms: set[bytes] = field(default_factory=set)

    def add(self, *secrets: str) -> None:
        """Look for these, too."""
        for secret in secrets:
            for line in {secret, *secret.splitlines()}:
                if len(line) >= SHORTEST:
                    self._forms |= forms(line)

    def clean(self, payload: bytes) -> bytes:
        """The bytes without the secrets."""
        for form in sorted(self._forms, key=len, reverse=True):
            if form in payload:
                payload = payload.replace(form, _BLOT)
        return payload


@functools.lru_cache(maxsize=256)
def forms(secret: str) -> frozenset[bytes]:
    """A secret as it may stand in an answer. Kept for the next call: to make them takes longer than to look for them."""
    raw = secret.encode()
    texts = {
        *_in_json(secret),
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        raw.hex(),
        *_in_base64(raw, base64.b64encode),
        *_in_base64(raw, base64.urlsafe_b64encode),
    }
    return frozenset(text.encode() for text in texts)


def _in_json(secret: str) -> set[str]:
    """The secret as it is, in a JSON text, in one that stands in a JSON text, and once more."""
    found = {secret}
    for _ in range(_MOST_JSON):
        plain = {json.dumps(text, ensure_ascii=False)[1:-1] for text in found}
        ascii_only = {json.dumps(text)[1:-1] for text in found}
        found |= plain | ascii_only | {text.replace("/", "\\/") for text in ascii_only}
    return found


def _in_base64(raw: bytes, encode: Callable[[bytes], bytes]) -> set[str]:
    """Base64 of the secret after zero, one or two other bytes, without the characters that depend on its neighbours."""
    found = set()
    for before in range(3):
        text = encode(b"\0" * before + raw).decode().rstrip("=")
        # the first characters carry bits of what stands before, the last of what follows
        is_whole = (before + len(raw)) % 3 == 0
        found.add(text[(0, 2, 3)[before] : None if is_whole else -1])
    return {text for text in found if len(text) >= SHORTEST}
