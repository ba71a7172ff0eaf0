"""Is a secret found in an answer however a tool writes it down, and is nothing else touched?"""

import base64
import json
from urllib.parse import quote, quote_plus

import pytest

from keelstep_gateway.transports.redaction import Redaction

SECRET = 'cnry-"7+/=\\Zx%&<qü🜚'


def escaped(text: str, digits: str = "04x") -> str:
    """A JSON text in which every character is an escape, but for letters and digits."""
    return "".join(
        each if each.isascii() and (each.isalnum() or each == "-") else _escape(each, digits) for each in text
    )


def _escape(character: str, digits: str) -> str:
    units = character.encode("utf-16-be")
    pairs = [int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2)]
    return "".join(f"\\u{unit:{digits}}" for unit in pairs)


def as_go(text: str) -> str:
    """A JSON text as encoders write it that fear for HTML: three characters are escaped."""
    found = json.dumps(text, ensure_ascii=False)[1:-1]
    for each in "&<>":
        found = found.replace(each, f"\\u{ord(each):04x}")
    return found


WRITTEN = {
    "as it is": SECRET,
    "in JSON": json.dumps({"a": SECRET}),
    "in JSON, beyond ASCII": json.dumps({"a": SECRET}, ensure_ascii=False),
    "in JSON with escaped slashes": json.dumps({"a": SECRET}).replace("/", "\\/"),
    "in JSON in JSON": json.dumps({"a": json.dumps({"b": SECRET})}),
    "in JSON of escapes": f'{{"a": "{escaped(SECRET)}"}}',
    "in JSON of escapes with large digits": f'{{"a": "{escaped(SECRET, "04X")}"}}',
    "in JSON of escapes in JSON": json.dumps(f'{{"a": "{escaped(SECRET)}"}}'),
    "in JSON that fears for HTML": f'{{"a": "{as_go(SECRET)}"}}',
    "in JSON that fears for HTML in such JSON": as_go(f'{{"a": "{as_go(SECRET)}"}}'),
    "in JSON that escapes slashes but nothing else": json.dumps(SECRET, ensure_ascii=False).replace(
        "/", "\\/"
    ),
    "in JSON after a backslash": f'{{"a": "\\\\{escaped(SECRET)}"}}',
    "percent-encoded": quote(SECRET),
    "percent-encoded with small digits": quote(SECRET, safe="").replace("%2F", "%2f").replace("%3D", "="),
    "percent-encoded to the last": quote(SECRET, safe=""),
    "as a form": quote_plus(SECRET),
    "in hexadecimal": SECRET.encode().hex(),
    "in hexadecimal with large digits": SECRET.encode().hex().upper(),
    **{
        f"in base64 after {len(before)} bytes": base64.b64encode(f"{before}{SECRET}{after}".encode()).decode()
        for before, after in (("", ""), ("a", ""), ("ab", "c"), ("abc", "cd"), ("user:", "cde"))
    },
    "in base64 for addresses": base64.urlsafe_b64encode(SECRET.encode()).decode(),
}


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN.keys())
def test_a_secret_is_blotted_out(text: str) -> None:
    """Before anything else sees the answer; what stands around it stays, and JSON stays JSON."""
    redaction = Redaction()
    redaction.add(SECRET)
    around = json.dumps({"before": 1, "said": text, "after": [2]}).encode()
    cleaned = redaction.clean(around)
    assert b"[redacted]" in cleaned
    assert text.encode() not in cleaned
    found = json.loads(cleaned)
    assert (found["before"], found["after"]) == (1, [2])


def test_an_answer_without_a_secret_stays_as_it_is() -> None:
    """To the byte; and one that is too short to be told from other words is not looked for."""
    redaction = Redaction()
    redaction.add(SECRET, "abc", "")
    assert redaction.clean(b'{"abc": "abc"}') == b'{"abc": "abc"}'


def test_a_secret_of_nothing_but_strange_characters_is_found_as_most_would_write_it() -> None:
    """To look for every way of writing thousands of them would take seconds."""
    secret = '"' * 5000
    redaction = Redaction()
    redaction.add(secret)
    for written in (secret, json.dumps(secret), json.dumps(json.dumps(secret)), quote(secret)):
        assert b"[redacted]" in redaction.clean(written.encode())


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": "\\u0026 \\ud83d \\\\u0026 \\/"}',
        b'{"a": "' + b"\\\\" * 1000 + b'"}',
        b"\\" * 1001 + b"u002",
    ],
    ids=["escapes", "backslashes", "no JSON"],
)
def test_escapes_that_hide_nothing_stay_as_they_are(body: bytes) -> None:
    """An answer is not rewritten for what might have stood in it."""
    redaction = Redaction()
    redaction.add(SECRET)
    assert redaction.clean(body) == body


def test_every_line_of_a_secret_is_one() -> None:
    """A tool may repeat any."""
    redaction = Redaction()
    redaction.add("first line\nsecond line")
    assert redaction.clean(b"the second line") == b"the [redacted]"
