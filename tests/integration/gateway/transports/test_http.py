"""Does the HTTP transport tell the truth about what left and what came back?"""

import secrets
import socket
from typing import Any

import pytest
import structlog

from keelstep.domain import canonical, outcome
from keelstep_gateway.transports.egress import MAX_RESPONSE_BYTES, Egress
from tests.integration.gateway.transports import caller
from tests.integration.gateway.transports.caller import Caller, contract, http
from tests.integration.gateway.transports.server import Server


async def test_a_response_is_read_up_to_its_bound(calls: Caller, web: Server) -> None:
    """One byte more is cut off, and said to be."""
    whole = await calls.answer(contract(http(f"{web.url}/largest")))
    assert (len(whole.body), whole.is_cut) == (MAX_RESPONSE_BYTES, False)
    spec = contract(http(f"{web.url}/large"))
    cut = await calls.answer(spec)
    assert (cut.status, cut.body, cut.is_cut) == (200, b"", True)
    judged = outcome.judge(spec, cut)
    assert judged.error is not None
    assert judged.error.reason == "ResponseTooLarge"


async def test_a_bomb_is_not_unpacked_beyond_the_bound(calls: Caller, web: Server) -> None:
    """None was asked for; fifty times the bound must not arise in memory."""
    found = await calls.answer(contract(http(f"{web.url}/bomb")))
    assert found.is_cut  # ResponseTooLarge


async def test_packed_bytes_that_become_nothing_are_counted(calls: Caller, web: Server) -> None:
    """What is never unpacked to anything is read and held all the same."""
    found = await calls.answer(contract(http(f"{web.url}/hollow")))
    assert found.is_cut  # ResponseTooLarge


async def test_an_answer_that_goes_on_after_its_end_is_none(calls: Caller, web: Server) -> None:
    """Bytes after the end of the compression belong to nothing, and are not read."""
    found = await calls.none(contract(http(f"{web.url}/trailing")))
    assert (found.reason, found.was_sent) == ("OutputInvalid", True)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_packed_answer_within_the_bound_is_unpacked(calls: Caller, web: Server, coding: str) -> None:
    """Some servers pack whatever they were asked."""
    found = await calls.answer(contract(http(f"{web.url}/packed/{coding}")))
    assert canonical.loads(found.body) == {"a": 1}


async def test_an_unknown_packing_is_no_answer(calls: Caller, web: Server) -> None:
    """Nobody asked for it, and nobody guesses."""
    found = await calls.none(contract(http(f"{web.url}/packed/br")))
    assert (found.reason, found.was_sent) == ("OutputInvalid", True)


async def test_another_type_than_json_is_named(calls: Caller, web: Server) -> None:
    """The author reads what came instead."""
    spec = contract(http(f"{web.url}/html"))
    judged = outcome.judge(spec, await calls.answer(spec))
    assert judged.error is not None
    assert judged.error.reason == "OutputInvalid"
    assert judged.error.message == "the tool's answer cannot be read: it is text/html, not JSON"


@pytest.mark.parametrize(("path", "reason"), [("drip", "Timeout"), ("half", "ConnectionFailed")])
async def test_an_answer_that_never_ends_well_is_none_after_the_first_byte(
    calls: Caller, web: Server, path: str, reason: str
) -> None:
    """The time counts to the last byte; half a body is no body."""
    found = await calls.none(contract(http(f"{web.url}/{path}")), timeout_seconds=1.0)
    assert (found.reason, found.was_sent) == (reason, True)


async def test_a_connection_that_is_refused_sent_nothing(calls: Caller) -> None:
    """Nobody listens there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        found = await calls.none(contract(http(f"http://127.0.0.1:{taken.getsockname()[1]}/")))
    assert (found.reason, found.was_sent) == ("ConnectionFailed", False)


async def test_a_name_that_does_not_resolve_sent_nothing(calls: Caller) -> None:
    """No address, no byte."""
    found = await calls.none(contract(http("http://nowhere.invalid/")))
    assert (found.reason, found.was_sent) == ("ConnectionFailed", False)


async def test_a_connection_that_does_not_open_in_time_sent_nothing(calls: Caller) -> None:
    """A full backlog answers nobody; the first byte never left."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        callers = [socket.socket() for _ in range(8)]
        try:
            for caller in callers:
                caller.setblocking(False)
                caller.connect_ex(("127.0.0.1", port))
            found = await calls.none(contract(http(f"http://127.0.0.1:{port}/")), timeout_seconds=0.5)
        finally:
            for caller in callers:
                caller.close()
    assert (found.reason, found.was_sent) == ("Timeout", False)


async def test_a_write_that_is_cut_off_is_sent_once(calls: Caller, web: Server) -> None:
    """Not even the library repeats what may not be repeated, whatever its method."""
    spec = contract(http(f"{web.url}/cut", "PUT"), sideEffect="Visible", consequenceTier=2)
    for _ in range(2):
        found = await calls.none(spec)
        assert (found.reason, found.was_sent) == ("ConnectionFailed", True)
    assert len(web.received) == 2


async def test_a_fault_of_our_own_is_told_as_no_answer_without_its_words(web: Server) -> None:
    """Whatever a library makes of an answer, the call may have been made; what is logged says where, not what."""
    words = secrets.token_hex(8)

    async def broken(*_: Any) -> list[str]:
        raise RuntimeError(words)

    async with caller.calling(Egress(resolve=broken)) as calls:
        with structlog.testing.capture_logs() as logged:
            found = await calls.none(contract(http("http://shop.example/")))
    assert (found.reason, found.was_sent) == ("Fault", True)
    (line,) = [each for each in logged if each["event"] == "transport_failed"]
    assert (line["kind"], words in str(line)) == ("RuntimeError", False)


BODIES: dict[str, tuple[dict[str, Any], str, bytes]] = {
    "a form": (
        {"encoding": "Form", "body": '{"a": args.a, "b": [1, 2], "c": true, "d": "x&y= z"}'},
        "application/x-www-form-urlencoded",
        b"a=%C3%BC&b=1&b=2&c=true&d=x%26y%3D+z",
    ),
    "a JSON document": ({"body": '{"a": args.a}'}, "application/json", '{"a":"ü"}'.encode()),
}


@pytest.mark.parametrize("case", BODIES.values(), ids=BODIES.keys())
async def test_a_body_is_written_as(
    calls: Caller, web: Server, case: tuple[dict[str, Any], str, bytes]
) -> None:
    """In the encoding that the contract names."""
    described, media_type, body = case
    await calls.answer(contract(http(f"{web.url}/echo", "POST", **described)), {"a": "ü"})
    assert (web.last.headers["Content-Type"], web.last.body) == (media_type, body)


async def test_a_multipart_body_carries_texts_and_files(calls: Caller, web: Server) -> None:
    """A file is an object of name, content in base64 and type; a name cannot break out of its header."""
    described = {"encoding": "Multipart"}
    args = {
        "note": "line\r\n--x",
        "file": {"filename": 'a"\r\nX: y.txt', "content": "AAEC", "mediaType": "text/plain"},
    }
    await calls.answer(contract(http(f"{web.url}/echo", "POST", **described)), args)
    media_type, _, boundary = web.last.headers["Content-Type"].partition("; boundary=")
    assert media_type == "multipart/form-data"
    parts = web.last.body.split(f"--{boundary}".encode())
    assert parts[1] == b'\r\nContent-Disposition: form-data; name="note"\r\n\r\nline\r\n--x\r\n'
    assert parts[2] == (
        b'\r\nContent-Disposition: form-data; name="file"; filename="a%22%0D%0AX: y.txt"\r\n'
        b"Content-Type: text/plain\r\n\r\n\x00\x01\x02\r\n"
    )
    assert parts[3:] == [b"--\r\n"]
