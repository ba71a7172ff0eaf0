"""What does our connection read where the library's client would read it otherwise, or more slowly?"""

import pytest
from nats.aio.client import Client

from keelstep.log.client import Connection

HEADERS = {
    "none": b"",
    "a version alone": b"NATS/1.0\r\n\r\n",
    "a stored message's": b"NATS/1.0\r\nNats-Subject: spine.0.t.x.op\r\nNats-Sequence: 7\r\n\r\n",
    "no room behind the colon, and colons in the value": b"NATS/1.0\r\nA:b:c: d\r\nE:  f \r\n\r\n",
    "the same name twice": b"NATS/1.0\r\nA: first\r\nA: last\r\n\r\n",
    "a value that is no text": b"NATS/1.0\r\nA: \xff\r\nB: c\r\n\r\n",
    "a line without a colon": b"NATS/1.0\r\nnothing\r\nB: c\r\n\r\n",
    "a status": b"NATS/1.0 503\r\n\r\n",
    "a status and what it means": b"NATS/1.0 404 No Messages\r\n\r\n",
    "a status with headers": b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 16\r\n\r\n",
}


@pytest.mark.parametrize("sentence", HEADERS)
async def test_headers_say_to_us_what_they_say_to_the_library(sentence: str) -> None:
    """Ours is quicker; what the broker's own words and a writer's headers mean is no matter of taste."""
    theirs = await Client()._process_headers(HEADERS[sentence])
    assert (await Connection()._process_headers(HEADERS[sentence]) or None) == (theirs or None)
