"""Stored messages travel byte for byte: what is unpacked is what was packed, or an error."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelstep.events import frame

MESSAGES = st.lists(
    st.builds(
        frame.Stored,
        position=st.integers(min_value=1, max_value=2**53),
        writer=st.text(max_size=8),
        stored_at=st.integers(min_value=0, max_value=2**62),
        signature=st.text(max_size=8),
        payload=st.binary(max_size=64),
    ),
    max_size=5,
)


@given(MESSAGES)
def test_what_was_packed_comes_out_byte_for_byte(messages: list[frame.Stored]) -> None:
    """The reader hashes the bytes itself, so not one may change."""
    assert list(frame.unpack(frame.pack(messages))) == messages


@given(MESSAGES.filter(bool), st.data())
def test_a_chunk_that_is_cut_short_is_never_taken_for_a_whole_one(
    messages: list[frame.Stored], data: st.DataObject
) -> None:
    """A cut is an error, or falls between two messages and leaves the ones before it whole."""
    chunk = frame.pack(messages)
    cut = data.draw(st.integers(min_value=0, max_value=len(chunk) - 1))
    try:
        found = list(frame.unpack(chunk[:cut]))
    except ValueError:
        return
    assert found == messages[: len(found)]
    assert len(frame.pack(found)) == cut


@given(st.binary(max_size=200))
def test_bytes_that_are_no_chunk_end_in_an_error_or_an_end(chunk: bytes) -> None:
    """Nothing loops and nothing else is raised."""
    with contextlib.suppress(ValueError):
        assert len(list(frame.unpack(chunk))) <= len(chunk)


def test_a_negative_size_does_not_lead_back_to_the_start() -> None:
    """A head that points behind itself would be read for ever."""
    head = b'{"position":1,"writer":"op","stored_at":1,"signature":"","size":-73}\n'
    with pytest.raises(ValueError, match="size"):
        list(frame.unpack(head))
