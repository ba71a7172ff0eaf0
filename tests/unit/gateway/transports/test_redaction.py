"""Is a secret found in an answer however a tool writes it down, and is nothing else touched?"""

import base64
import json
from urllib.parse import quote, quote_plus

import pytest

from keelstep_gateway.transports.redaction import Redaction

SECRET = 'cnry-"7+/=\\Zx%&qü'

WRITTEN = {
    "as it is": SECRET,
    "in JSON": json.dumps({"a": SECRET}),
    "in JSON, beyond ASCII": json.dumps({"a": SECRET}, ensure_ascii=False),
    "in JSON with escaped slashes": json.dumps({"a": SECRET}).replace("/", "\\/"),
    "in JSON in JSON": json.dumps({"a": json.dumps({"b": SECRET})}),
    "percent-encoded": quote(SECRET),
    "percent-encoded to the last": quote(SECRET, safe=""),
    "as a form": quote_plus(SECRET),
    "in hexadecimal": SECRET.encode().hex(),
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


def test_every_line_of_a_secret_is_one() -> None:
    """A tool may repeat any."""
    redaction = Redaction()
    redaction.add("first line\nsecond line")
    assert redaction.clean(b"the second line") == b"the [redacted]"
