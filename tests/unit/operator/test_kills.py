"""Is a scope killed, and who may lift it?"""

import pytest

from keelstep_operator.decide import kill
from keelstep_operator.decide.facts import Decision

LATCH = kill.Latch(position=7, since="2026-11-21T08:00:00Z", reason="danger")
YES, NO = Decision(approver="grace", is_approval=True), Decision(approver="grace", is_approval=False)


def wish(*, is_engaged: bool) -> kill.Wish:
    """What the resource asks for."""
    return kill.Wish(scope="Strategy", namespace="shop", name="support", is_engaged=is_engaged, reason="x")


def gate(*decisions: Decision, ask: int = 1, is_forged: bool = False, is_expired: bool = False) -> kill.Gate:
    """A recovery gate."""
    return kill.Gate(name=f"g{ask}", ask=ask, is_forged=is_forged, is_expired=is_expired, decisions=decisions)


CASES: dict[str, tuple[bool, kill.Latch | None, list[kill.Gate], str]] = {
    "nothing wants it and nothing is killed": (False, None, [], "None"),
    "somebody wants it": (True, None, [], "Engage"),
    "it is killed and nobody was asked": (True, LATCH, [], "Ask"),
    "it was taken back and nobody was asked": (False, LATCH, [], "Ask"),
    "it was taken back and people have not answered": (False, LATCH, [gate()], "Hold"),
    "people said yes and it is still wanted": (True, LATCH, [gate(YES)], "Hold"),
    "people said yes and it was taken back": (False, LATCH, [gate(YES)], "Lift"),
    "people said no": (False, LATCH, [gate(NO)], "Ask"),
    "people said no once and yes when asked again": (False, LATCH, [gate(NO), gate(YES, ask=2)], "Lift"),
    "nobody answered in time": (False, LATCH, [gate(is_expired=True)], "Ask"),
    "the gate is not ours": (False, LATCH, [gate(YES, is_forged=True)], "Hold"),
}


@pytest.mark.parametrize("sentence", CASES)
def test_a_kill_switch(sentence: str) -> None:
    """Latched: only people lift it, and only once it is taken back."""
    is_engaged, latch, gates, expected = CASES[sentence]
    found = kill.decide(wish(is_engaged=is_engaged), latch, gates)
    assert (type(found).__name__ if found is not None else "None") == expected


def test_a_lift_names_who_decided() -> None:
    """CONTROL keeps their names."""
    found = kill.decide(wish(is_engaged=False), LATCH, [gate(YES)])
    assert isinstance(found, kill.Lift)
    assert found.by == "grace"
