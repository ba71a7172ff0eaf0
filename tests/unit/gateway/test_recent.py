"""What does a gateway still hold of what was stored last? A run without a gap, or it says that it does not know."""

from keelstep.events.frame import Stored
from keelstep_gateway import recent
from keelstep_gateway.recent import Recent


def stored(position: int, size: int = 1) -> Stored:
    """A message."""
    return Stored(position=position, writer="gw", stored_at=position, payload=b"x" * size)


def positions(held: Recent, after: int) -> list[int] | None:
    """Where what it holds after a position lies."""
    found = held.after(after)
    return None if found is None else [each.position for each in found]


def test_everything_after_a_position_is_held_in_order() -> None:
    """Positions of one execution have gaps: others write to the stream, too."""
    held = Recent()
    for position in (3, 5, 9):
        held.add(stored(position))
    assert positions(held, 0) == [3, 5, 9]
    assert positions(held, 4) == [5, 9]
    assert positions(held, 9) == []


def test_what_was_dropped_is_not_known() -> None:
    """The oldest go first; who asks for one of them must read."""
    held = Recent()
    for position in range(1, recent.MOST_MESSAGES + 3):
        held.add(stored(position))
    assert positions(held, 1) is None
    assert positions(held, 2) == list(range(3, recent.MOST_MESSAGES + 3))


def test_it_holds_no_more_bytes_than_its_bound() -> None:
    """One large message drops all before it; one larger than the bound is not held at all."""
    held = Recent()
    held.add(stored(1))
    held.add(stored(2, recent.MOST_BYTES))
    assert positions(held, 0) is None
    assert positions(held, 1) == [2]
    held.add(stored(3, recent.MOST_BYTES + 1))
    assert positions(held, 2) is None
    assert positions(held, 3) == []
