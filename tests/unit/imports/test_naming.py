"""Names: as Kubernetes takes them, each once, told where they are not the document's own."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelstep.imports import naming

NAMES = {
    "humps": ("listOrdersByID", "list-orders-by-id"),
    "humps after a short word in capitals": ("HTTPGetV2", "http-get-v2"),
    "dots stay": ("orders.list", "orders.list"),
    "slashes are dots": ("repos/get-content", "repos.get-content"),
    "a path": ("get/orders/{order_id}/items", "get.orders.order-id.items"),
    "underscores": ("list_incidents", "list-incidents"),
    "what no name may hold": ("Größe (neu)!", "gr-e-neu"),
    "nothing that is left": ("…", ""),
}


@pytest.mark.parametrize("sentence", NAMES)
def test_a_name_is_written_in_kebab(sentence: str) -> None:
    """Words apart, lower case."""
    text, expected = NAMES[sentence]
    assert naming.kebab(text) == expected


@given(st.lists(st.text(max_size=90), max_size=8))
def test_every_name_is_one_of_its_own_that_kubernetes_takes(texts: list[str]) -> None:
    """At most 63 characters, labels that begin and end with a letter or digit, no name twice."""
    found = [name for name, _ in naming.distinct((naming.kebab(text), text) for text in texts)]
    assert len(set(found)) == len(texts)
    for name in found:
        assert len(name) <= naming.MOST
        assert all(re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", label) for label in name.split("."))


def test_a_collision_is_told() -> None:
    """The second gets a number, and a note that names the first."""
    found = naming.distinct([("get-order", "GET /order"), ("get-order", "GET /orders/{id}")])
    assert found == [
        ("get-order", ""),
        ("get-order-2", "GET /order is called get-order, too; name it better"),
    ]


def test_a_long_name_is_cut_and_told() -> None:
    """Two long names with the same beginning stay apart."""
    (first, note), (second, _) = naming.distinct([("a" * 70 + "-x", "one"), ("a" * 70 + "-y", "two")])
    assert first != second
    assert (len(first), note) == (naming.MOST, f"shortened from {'a' * 70}-x")
