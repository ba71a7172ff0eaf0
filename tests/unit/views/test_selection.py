"""Does a list show only what was asked for?"""

import pytest

from keelstep.views import refusals, selection
from keelstep.views.source import Name

NAMES = [Name("a", "x"), Name("a", "y"), Name("b", "x")]
SHOWN = {
    "": NAMES,
    "metadata.name=x": [Name("a", "x"), Name("b", "x")],
    "metadata.name==x": [Name("a", "x"), Name("b", "x")],
    "metadata.namespace=a": [Name("a", "x"), Name("a", "y")],
    "metadata.name=x,metadata.namespace=b": [Name("b", "x")],
    "metadata.name=x,metadata.name=y": [],
    "metadata.name=": [],
}


@pytest.mark.parametrize("selector", SHOWN)
def test_a_field_selector_leaves_the_others_out(selector: str) -> None:
    """As the kube-apiserver expects, which let the client list for the sake of it."""
    asked = selection.read({"fieldSelector": selector})
    assert [each for each in NAMES if asked.has(each)] == SHOWN[selector]


@pytest.mark.parametrize(
    "query",
    [
        {"fieldSelector": "metadata.name!=x"},
        {"fieldSelector": "status.phase=Failed"},
        {"fieldSelector": "metadata.name"},
        {"labelSelector": "team=a"},
    ],
    ids=str,
)
def test_a_selector_that_cannot_be_honoured_is_refused(query: dict[str, str]) -> None:
    """An answer that ignores it would show what was not asked for, and may not be seen."""
    with pytest.raises(refusals.Refusal, match="Selector: ") as caught:
        selection.read(query)
    assert caught.value.code == 400
