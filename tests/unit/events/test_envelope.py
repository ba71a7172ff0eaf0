"""Stored bytes are an event, an event of the future, or no event; reading them never fails."""

import json

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keelstep.events import envelope, registry
from keelstep.testing import builders

RUN = builders.log().started().attempt().model().plan("orders.get", "refund.issue").result().gate(1)
PAYLOADS = [message.payload for message in RUN.messages]
DEEP = b"[" * 60_000
HUGE = b"9" * 60_000


def changed(**fields: object) -> bytes:
    """The first event's bytes with fields of its envelope changed."""
    return json.dumps({**json.loads(PAYLOADS[0]), **fields}).encode()


@given(st.binary(max_size=400))
@example(b"")
@example(DEEP)
@example(b'{"v":' + HUGE + b"}")
@example(b'{"v":NaN}')
@example(b'{"v":1e400}')
@example(b'"\\ud800"')
@example(b"\xff" * 100)
def test_arbitrary_bytes_are_no_event_and_do_not_raise(payload: bytes) -> None:
    """A dishonest writer may store anything; whoever reads it must survive."""
    assert isinstance(envelope.decode(payload), envelope.Malformed)


@given(st.sampled_from(PAYLOADS), st.data())
def test_a_changed_event_is_read_or_refused_but_never_raises(payload: bytes, data: st.DataObject) -> None:
    """Any bytes anywhere in a valid event."""
    start = data.draw(st.integers(min_value=0, max_value=len(payload)))
    end = data.draw(st.integers(min_value=start, max_value=len(payload)))
    insert = data.draw(
        st.one_of(
            st.binary(max_size=6),
            st.sampled_from(
                [DEEP, HUGE, b"null", b"-1", b"1.5", b"1e999", b'"\\ud800"', b"\\u0000", b"{", b"\xc3"]
            ),
        )
    )
    found = envelope.decode(payload[:start] + insert + payload[end:])
    assert isinstance(found, envelope.Event | envelope.Undecidable | envelope.Malformed)


@pytest.mark.parametrize(
    "fields",
    [
        {"seq": -1},
        {"seq": 2**53},
        {"seq": 1.0},
        {"seq": True},
        {"seq": None},
        {"attempt": -1},
        {"step": "1"},
        {"v": 0},
        {"v": -1},
        {"cost": {"micro_usd": -1}},
        {"cost": {"tokens_in": -1}},
        {"cost": {"tokens_out": 2**70}},
        {"data": []},
        {"data": {}},
        {"type": 3},
        {"prev": 3},
    ],
    ids=str,
)
def test_a_field_that_makes_no_sense_makes_no_event(fields: dict[str, object]) -> None:
    """Numbers are whole, never negative, and small enough that every reader of JSON reads them exactly."""
    assert isinstance(envelope.decode(changed(**fields)), envelope.Malformed)


def test_an_event_is_utf8_throughout_also_where_nobody_looks() -> None:
    """Unknown fields are ignored, but what stores and shows the bytes later must be able to read them."""
    good = changed(extra="x")
    assert isinstance(envelope.decode(good), envelope.Event)
    assert isinstance(envelope.decode(good.replace(b'"x"', b'"\xff"')), envelope.Malformed)


def test_an_unknown_field_is_ignored() -> None:
    """Adding an optional field is not a new version."""
    assert isinstance(envelope.decode(changed(later={"a": 1})), envelope.Event)


@pytest.mark.parametrize(
    "fields", [{"type": "exec.dreamt"}, {"v": 2}, {"v": 2, "type": "exec.dreamt"}], ids=str
)
def test_an_unknown_type_or_a_newer_version_is_undecidable(fields: dict[str, object]) -> None:
    """A program that does not know an event says so instead of guessing."""
    assert isinstance(envelope.decode(changed(**fields)), envelope.Undecidable)


@pytest.mark.parametrize("payload", PAYLOADS, ids=[event.type for event in RUN.events])
def test_bytes_are_hashed_as_they_are_stored(payload: bytes) -> None:
    """Writing an event again from its meaning may give other bytes; the chain is over the stored ones."""
    found = envelope.decode(payload)
    assert isinstance(found, envelope.Event)
    respaced = json.dumps(json.loads(payload), indent=1).encode()
    again = envelope.decode(respaced)
    assert isinstance(again, envelope.Event)
    assert again.data == found.data
    assert envelope.digest(respaced) != envelope.digest(payload)


def test_each_events_prev_is_the_digest_of_the_bytes_before() -> None:
    """The chain: from 64 zeros, one hash per event."""
    heads = [envelope.GENESIS, *map(envelope.digest, PAYLOADS)]
    assert [json.loads(payload)["prev"] for payload in PAYLOADS] == heads[:-1]


def test_an_id_is_the_same_wherever_the_same_fact_is_proposed() -> None:
    """Deterministic, and different for every different part, however the parts are cut."""
    assert envelope.identifier("x", "tool.called", 1, 2) == envelope.identifier("x", "tool.called", 1, 2)
    others = {
        envelope.identifier("x", "tool.called", 1, 2),
        envelope.identifier("x", "tool.called", 12),
        envelope.identifier("x", "tool.called", "1", 2, ""),
        envelope.identifier("x", "tool.result", 1, 2),
        envelope.identifier("y", "tool.called", 1, 2),
    }
    assert len(others) == 5


def test_every_data_type_survives_being_written_and_read() -> None:
    """What a writer meant is what a reader sees."""
    for message, event in zip(RUN.messages, RUN.events, strict=True):
        assert envelope.decode(message.payload) == event
        assert isinstance(event.data, registry.KINDS[event.type].data)


def apart(payload: bytes) -> object:
    """What bytes say, read in two steps: the envelope, then its data."""
    try:
        payload.decode()
        head = msgspec.json.decode(payload, type=envelope.Envelope)
    except (ValueError, RecursionError):
        return None
    kind = registry.KINDS.get(head.type)
    if kind is None or head.v != envelope.VERSION:
        return head if head.v >= 1 else None
    try:
        return head, msgspec.json.decode(head.data, type=kind.data)
    except (ValueError, RecursionError):
        return None


KEYS = [b'"type"', b'"ty\\u0070e"', b'"data"', b'"v"', b'"seq"', b'"cost"', b'"plan_seq"']
TEXTS = [
    b'"tool.result"',
    b'"exec.killed"',
    b'"tool\\u002eresult"',
    b'"x"',
    b"1",
    b"2",
    b"{}",
    b"null",
    b"[]",
]


@given(st.sampled_from(PAYLOADS), st.sampled_from(KEYS), st.sampled_from(TEXTS), st.booleans(), st.booleans())
@example(PAYLOADS[0], b'"type"', b'"exec.killed"', True, False)
def test_one_pass_over_the_bytes_says_what_two_would(
    payload: bytes, key: bytes, text: bytes, is_first: bool, is_inside: bool
) -> None:
    """Also where a dishonest writer says a field twice, or spells it oddly: all readers agree on what it says."""
    if is_inside:
        payload = payload.replace(b'"data":{', b'"data":{' + key + b":" + text + b",", 1)
    elif is_first:
        payload = b"{" + key + b":" + text + b"," + payload[1:]
    else:
        payload = payload[:-1] + b"," + key + b":" + text + b"}"
    found, wanted = envelope.decode(payload), apart(payload)
    match found:
        case envelope.Malformed():
            assert wanted is None
        case envelope.Undecidable():
            assert wanted == found.envelope
        case envelope.Event():
            assert isinstance(wanted, tuple)
            head, data = wanted
            assert (found.data, found.type) == (data, head.type)
            for name in set(found.__struct_fields__) - {"data"}:
                assert getattr(found, name) == getattr(head, name)


def test_every_events_class_has_the_envelopes_fields() -> None:
    """In every type of event; its type is the class's own."""
    for event in RUN.events:
        assert {*event.__struct_fields__, "type"} == set(envelope.Envelope.__struct_fields__)
        assert event.envelope is event
