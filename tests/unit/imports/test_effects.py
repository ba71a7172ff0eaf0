"""Side effects: the worst, unless the document says better; never the best on a name alone."""

from typing import Any

import pytest

from keelstep.imports import effects
from keelstep.kinds.contract import SideEffect

OPERATIONS: dict[str, tuple[str, str, str, SideEffect]] = {
    "a GET reads": ("GET", "/orders/{id}", "getOrder", SideEffect.READ_ONLY),
    "a GET without a telling name reads": ("GET", "/orders", "orders", SideEffect.READ_ONLY),
    "a GET that is named after an act may act": ("GET", "/x", "connectPodExec", SideEffect.IRREVERSIBLE),
    "a GET whose path ends in an act may act": ("GET", "/session/logout", "session", SideEffect.IRREVERSIBLE),
    "a GET that lists acts only reads": ("GET", "/merge", "repos/list-merges", SideEffect.READ_ONLY),
    "a GET with an act behind a slash may act": ("GET", "/x", "repos/merge", SideEffect.IRREVERSIBLE),
    "a POST may do anything": ("POST", "/orders", "searchOrders", SideEffect.IRREVERSIBLE),
    "a PUT replaces": ("PUT", "/orders/{id}", "putOrder", SideEffect.IRREVERSIBLE),
    "a PATCH changes": ("PATCH", "/orders/{id}", "patchOrder", SideEffect.IRREVERSIBLE),
    "a DELETE removes": ("DELETE", "/orders/{id}", "deleteOrder", SideEffect.IRREVERSIBLE),
}


@pytest.mark.parametrize("sentence", OPERATIONS)
def test_of_an_operation(sentence: str) -> None:
    """By method and words; the tier is the lowest of the side effect."""
    method, path, name, expected = OPERATIONS[sentence]
    found = effects.of_http(method, path, name, ["200"], [method])
    assert found.side_effect is expected
    assert found.tier == {SideEffect.READ_ONLY: 0, SideEffect.IRREVERSIBLE: 3}[expected]


HINTS = {
    "a POST that sounds like reading": ("POST", "searchOrders", ["200"], ["POST"], "ReadOnly"),
    "a POST that creates what can be deleted": (
        "POST",
        "addOrder",
        ["201"],
        ["DELETE", "POST"],
        "Reversible",
    ),
    "a PUT where there is a GET": ("PUT", "putOrder", ["200"], ["GET", "PUT"], "Reversible"),
    "an answer before the end": ("POST", "pay", ["202"], ["POST"], "202"),
}


@pytest.mark.parametrize("sentence", HINTS)
def test_what_speaks_for_less_is_told_and_not_assumed(sentence: str) -> None:
    """A person decides."""
    method, name, statuses, siblings, part = HINTS[sentence]
    found = effects.of_http(method, "/x", name, statuses, siblings)
    assert found.side_effect is SideEffect.IRREVERSIBLE
    assert part in found.why


TOOLS: dict[str, tuple[str, dict[str, Any], SideEffect]] = {
    "nothing said": ("get_it", {}, SideEffect.IRREVERSIBLE),
    "read only": ("get_it", {"readOnlyHint": True}, SideEffect.READ_ONLY),
    "read only, and a name that contradicts": (
        "delete_it",
        {"readOnlyHint": True},
        SideEffect.IRREVERSIBLE,
    ),
    "only adds to its own": (
        "note",
        {"destructiveHint": False, "openWorldHint": False},
        SideEffect.VISIBLE,
    ),
    "only adds to the world": ("mail", {"destructiveHint": False}, SideEffect.IRREVERSIBLE),
    "destroys": ("wipe", {"destructiveHint": True}, SideEffect.IRREVERSIBLE),
    "a hint that is no boolean": ("get_it", {"readOnlyHint": "yes"}, SideEffect.IRREVERSIBLE),
}


@pytest.mark.parametrize("sentence", TOOLS)
def test_of_a_tool(sentence: str) -> None:
    """A server's word counts for what it is."""
    name, hints, expected = TOOLS[sentence]
    assert effects.of_hints(name, hints).side_effect is expected
