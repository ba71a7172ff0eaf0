"""Drift: any part of what was reviewed counts, nothing else does, and a person sees the place."""

from typing import Any

import pytest

from keelstep.domain import drift
from keelstep.domain.drift import Change, How, Part

TOOL: dict[str, Any] = {
    "name": "refund",
    "title": "Refund",
    "description": "Pay money back.",
    "inputSchema": {"type": "object", "properties": {"amount": {"type": "number", "maximum": 100}}},
    "outputSchema": {"type": "object"},
    "annotations": {"title": "Refund", "destructiveHint": True},
}
PINNED = drift.digest(drift.read(TOOL))

DRIFTED: dict[str, tuple[dict[str, Any], list[Part]]] = {
    "another description": ({"description": "Pay everything back."}, [Part.DESCRIPTION]),
    "no description": ({"description": None}, [Part.DESCRIPTION]),
    "a higher bound": (
        {"inputSchema": {"type": "object", "properties": {"amount": {"type": "number", "maximum": 1000}}}},
        [Part.INPUT],
    ),
    "no output": ({"outputSchema": None}, [Part.OUTPUT]),
    "a hint turned round": ({"annotations": {"destructiveHint": False}}, [Part.ANNOTATIONS]),
    "all of it": (
        {"description": "", "inputSchema": {}, "outputSchema": {}, "annotations": {}},
        list(Part),
    ),
}


@pytest.mark.parametrize("sentence", DRIFTED)
def test_a_tool_has_drifted_by(sentence: str) -> None:
    """The parts are named."""
    changes, expected = DRIFTED[sentence]
    assert list(drift.parts(PINNED, drift.read({**TOOL, **changes}))) == expected


SAME: dict[str, dict[str, Any]] = {
    "another title": {"title": "Money back", "annotations": {"title": "x", "destructiveHint": True}},
    "icons": {"icons": [{"src": "x"}]},
    "another order, and a number written otherwise": {
        "inputSchema": {"properties": {"amount": {"maximum": 100.0, "type": "number"}}, "type": "object"}
    },
    "a hint that is null": {"annotations": {"destructiveHint": True, "readOnlyHint": None}},
}


@pytest.mark.parametrize("sentence", SAME)
def test_a_tool_is_the_same_with(sentence: str) -> None:
    """What is no term is not pinned."""
    assert drift.parts(PINNED, drift.read({**TOOL, **SAME[sentence]})) == ()


def test_the_places_that_differ_are_told() -> None:
    """Within the part, with what was there and what is."""
    live = {
        **TOOL,
        "description": "Pay.",
        "inputSchema": {
            "type": "object",
            "required": ["amount"],
            "properties": {"amount": {"type": "number"}},
        },
    }
    assert drift.compare(drift.read(TOOL), drift.read(live)) == [
        Change(part=Part.DESCRIPTION, place="", how=How.CHANGED, before="Pay money back.", after="Pay."),
        Change(part=Part.INPUT, place="properties.amount.maximum", how=How.REMOVED, before=100),
        Change(part=Part.INPUT, place="required", how=How.ADDED, after=["amount"]),
    ]


def test_a_tool_that_is_another_altogether_is_told_in_so_many_places() -> None:
    """A list without end helps nobody."""
    many = {**TOOL, "inputSchema": {f"k{number}": number for number in range(drift.MOST_CHANGES * 2)}}
    assert len(drift.compare(drift.read(TOOL), drift.read(many))) == drift.MOST_CHANGES
