"""What if a tool sends a secret back? It is blotted out before anything else sees the answer.

An answer is stored and read by a model, and tools do repeat what they were sent: in error pages, in echoes, in debug
fields. A secret is found as it is, in JSON and in addresses whichever of its characters are escaped, in hexadecimal and in
base64 wherever it begins. Letters and digits, which nobody escapes, are looked for as they are; what a tool made of a
secret in any other way cannot be found here.
"""

import base64
import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

SHORTEST = 6
"""A secret of fewer characters is not looked for: it would be found everywhere."""
_MOST_JSON = 3
"""JSON in JSON in JSON: what a tool reports of a request it made is often that."""
_MOST_ESCAPED = 128
"""Of a secret with more characters that may be escaped, only the most usual way of escaping all of them is looked for."""
_BLOT = b"[redacted]"
_NEVER_ESCAPED = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class _Looked:
    """What is looked for of one secret."""

    forms: tuple[bytes, ...]
    in_json: tuple[re.Pattern[bytes], ...] = ()
    """By level: in a JSON text, in one that stands in a JSON text, and once more."""
    in_address: re.Pattern[bytes] | None = None

    def blot(self, payload: bytes) -> bytes:
        """The bytes without it."""
        for form in self.forms:
            if form in payload:
                payload = payload.replace(form, _BLOT)
        if self.in_address is not None and b"%" in payload:
            payload = self.in_address.sub(_BLOT, payload)
        if b"\\" in payload:
            for pattern in self.in_json:
                payload = pattern.sub(_BLOT, payload)
        return payload


@dataclass(slots=True)
class Redaction:
    """The secrets of one call, in every form they are looked for."""

    _secrets: set[str] = field(default_factory=set)

    def add(self, *secrets: str) -> None:
        """Look for these, too."""
        for secret in secrets:
            self._secrets |= {line for line in {secret, *secret.splitlines()} if len(line) >= SHORTEST}

    def clean(self, payload: bytes) -> bytes:
        """The bytes without the secrets."""
        # a longer one first: it may hold another
        for secret in sorted(self._secrets, key=len, reverse=True):
            payload = _looked(secret).blot(payload)
        return payload


@functools.lru_cache(maxsize=256)
def _looked(secret: str) -> _Looked:
    """Kept for the next call: to make it takes longer than to look."""
    raw = secret.encode()
    texts = {
        secret,
        quote_plus(secret),
        raw.hex(),
        raw.hex().upper(),
        *_in_base64(raw, base64.b64encode),
        *_in_base64(raw, base64.urlsafe_b64encode),
    }
    if len(_NEVER_ESCAPED.sub("", secret)) > _MOST_ESCAPED:
        return _Looked(_forms({*texts, quote(secret), *_nested(secret)}))
    return _Looked(
        _forms(texts),
        in_json=tuple(
            _pattern(secret, functools.partial(_in_json, level=level)) for level in range(_MOST_JSON)
        ),
        in_address=_pattern(secret, _in_percent),
    )


def _forms(texts: Iterable[str]) -> tuple[bytes, ...]:
    return tuple(sorted((text.encode() for text in texts), key=len, reverse=True))


def _nested(secret: str) -> Iterator[str]:
    for _ in range(_MOST_JSON):
        secret = json.dumps(secret)[1:-1]
        yield secret


def _pattern(secret: str, written: Callable[[str], str]) -> re.Pattern[bytes]:
    """The secret, each character in any of the ways that a pattern of its own allows."""
    found = ""
    for part in re.split(f"({_NEVER_ESCAPED.pattern})", secret):
        is_plain = _NEVER_ESCAPED.fullmatch(part) is not None
        found += re.escape(part) if is_plain else "".join(map(written, part))
    return re.compile(found.encode())


def _in_json(character: str, level: int) -> str:
    """A character of a JSON text that stands in so many others, in which every part of an escape may be one again."""
    return _any_of("".join(_outside(part, level) for part in way) for way in _ways(character))


def _outside(part: str, level: int) -> str:
    """A part of an escape, in the texts around: each doubles a backslash, and may write another character in its way."""
    if part == "\\":
        return re.escape(part * (1 << level))
    if level == 0 or _NEVER_ESCAPED.fullmatch(part):
        return re.escape(part)
    return _in_json(part, level - 1)


def _ways(character: str) -> set[str]:
    """How JSON may write a character."""
    units = character.encode("utf-16-be")  # two where it has a pair of surrogates
    codes = [units[at : at + 2].hex() for at in range(0, len(units), 2)]
    found = {
        json.dumps(character, ensure_ascii=False)[1:-1],
        "".join(f"\\u{code}" for code in codes),
        "".join(f"\\u{code.upper()}" for code in codes),
    }
    return found | {"\\/"} if character == "/" else found


def _in_percent(character: str) -> str:
    """A character of an address or a form."""
    codes = [f"%{byte:02x}" for byte in character.encode()]
    found = {re.escape(character), "".join(codes), "".join(codes).upper()}
    return _any_of(found | {r"\+"} if character == " " else found)


def _any_of(patterns: Iterable[str]) -> str:
    return f"(?:{'|'.join(sorted(set(patterns)))})"


def _in_base64(raw: bytes, encode: Callable[[bytes], bytes]) -> set[str]:
    """Base64 of the secret after zero, one or two other bytes, without the characters that depend on its neighbours."""
    found = set()
    for before in range(3):
        text = encode(b"\0" * before + raw).decode().rstrip("=")
        # the first characters carry bits of what stands before, the last of what follows
        is_whole = (before + len(raw)) % 3 == 0
        found.add(text[(0, 2, 3)[before] : None if is_whole else -1])
    return {text for text in found if len(text) >= SHORTEST}
