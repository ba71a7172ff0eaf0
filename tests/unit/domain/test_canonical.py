"""Documents we compute digests of have one form, and none that a later reader gives up on."""

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelstep.domain import canonical

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS = [
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63),
    st.floats(allow_nan=False, allow_infinity=False),
]
JSON = st.recursive(
    st.one_of(*SCALARS, TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=12,
)


def shuffled(document: Any) -> Any:
    """The same document with every object's keys in another order."""
    if isinstance(document, dict):
        return {key: shuffled(document[key]) for key in reversed(list(document))}
    if isinstance(document, list):
        return [shuffled(each) for each in document]
    return document


@given(JSON)
def test_the_order_of_keys_changes_nothing(document: Any) -> None:
    """Equal documents have equal bytes."""
    assert canonical.dumps(document) == canonical.dumps(shuffled(document))


@given(JSON)
def test_what_was_written_is_what_is_read(document: Any) -> None:
    """And writing it again gives the same bytes."""
    again = canonical.loads(canonical.dumps(document))
    assert again == document
    assert canonical.dumps(again) == canonical.dumps(document)


@given(st.binary(max_size=60))
def test_bytes_are_json_or_an_error(payload: bytes) -> None:
    """Nothing else is raised."""
    with contextlib.suppress(ValueError):
        canonical.dumps(canonical.loads(payload))


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"\xff", b"NaN", b"1e400", b'"\\ud800"', b"9" * 5000, b"[" * 99_999]
)
def test_what_no_reader_would_read_alike_is_no_json(payload: bytes) -> None:
    """Infinities, half surrogates, numbers without end."""
    with pytest.raises(ValueError, match="not JSON"):
        canonical.loads(payload)


@pytest.mark.parametrize(("before", "after"), [("[", "]"), ('{"a":', "}")])
def test_a_document_is_nested_to_a_limit(before: str, after: str) -> None:
    """Libraries give up at different depths; we do before the first of them."""
    most = canonical.MOST_LEVELS
    canonical.loads((before * most + "1" + after * most).encode())
    with pytest.raises(ValueError, match="nested deeper"):
        canonical.loads((before * (most + 1) + "1" + after * (most + 1)).encode())
    wide = msgspec.json.encode([[each] for each in range(10 * most)])
    assert len(canonical.loads(wide)) == 10 * most


@pytest.mark.parametrize(
    ("document", "same"),
    [
        (1.0, 1),
        (-0.0, 0),
        (1e3, 1000),
        ([1.0, {"a": 2.0}], [1, {"a": 2}]),
        (1.5, 1.5),
        (True, True),
        ("1.0", "1.0"),
    ],
)
def test_a_whole_number_has_one_form(document: Any, same: Any) -> None:
    """1.0 and 1 are the same JSON number, and must not make two calls out of one."""
    assert msgspec.json.encode(canonical.plain(document)) == msgspec.json.encode(same)


@given(JSON)
def test_making_numbers_plain_keeps_the_document(document: Any) -> None:
    """Only the writing changes."""
    assert canonical.plain(document) == document
