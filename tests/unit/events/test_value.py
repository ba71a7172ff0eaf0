"""An event names what was said by a salted digest, and holds it only where it is small."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from keelstep.events import value


def sealed(payload: bytes, limit: int = value.INLINE_LIMIT_BYTES) -> value.Value:
    """The Value of a payload."""
    return value.seal(payload, media_type=value.TEXT, salt="5a17", inline_limit_bytes=limit)


@given(st.binary(max_size=300), st.integers(min_value=0, max_value=300))
def test_a_payload_is_inline_or_named_by_reference_never_both_and_never_neither(
    payload: bytes, limit: int
) -> None:
    """A Value says where its payload lies, and its inline payload is the payload itself."""
    found = sealed(payload, limit)
    assert (found.inline is None) != (found.ref is None)
    assert found.ref in (None, found.digest)
    assert value.check(found, payload) == payload
    assert value.open_inline(found) in (None, payload)


@given(st.text(max_size=200), st.integers(min_value=0, max_value=400))
def test_what_stands_inline_takes_no_more_of_an_event_than_the_limit(text: str, limit: int) -> None:
    """Escapes make a payload longer: the limit counts what the event really grows by."""
    found = sealed(text.encode(), limit)
    if found.inline is not None:
        assert len(msgspec.json.encode(found.inline)) - 2 <= limit


def test_a_payload_that_is_no_text_goes_to_the_store() -> None:
    """Bytes that are not UTF-8 cannot stand in JSON."""
    assert sealed(b"\xff").ref is not None


@pytest.mark.parametrize(
    "change",
    [{"inline": "other"}, {"size": 1}, {"salt": "other"}, {"digest": "0" * 64}, {"inline": "payloae"}],
)
def test_a_payload_that_is_not_the_one_its_value_names_is_refused(change: dict[str, object]) -> None:
    """Whoever reads a payload checks salt, size and digest: the store is not trusted."""
    with pytest.raises(value.MismatchError):
        value.open_inline(structs.replace(sealed(b"payload"), **change))


def test_equal_payloads_with_different_salts_have_different_digests() -> None:
    """A guessable payload cannot be found by its digest."""
    assert value.digest("a" * 32, b"yes") != value.digest("b" * 32, b"yes")
