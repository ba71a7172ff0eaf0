"""A verdict that is asked for again holds while nothing has changed, and no longer."""

from dataclasses import dataclass, field, replace

import pytest
from msgspec import structs

from keelstep.domain import call, cel, policy
from keelstep.domain.state import State
from keelstep.events import clock
from keelstep_gateway.hold import FRESH_SECONDS
from keelstep_gateway.law import Word
from keelstep_gateway.wishes import Wish

STATE = State(xid="x", tenant="shop")
WORD = Word(stop=None, platform=None, now=0, at=0)
LATER = {
    "an event": (structs.replace(STATE, position=1), WORD),
    "a stop": (STATE, replace(WORD, stop=call.Stop(scope="tenant", reason="enough"))),
    "nobody knows what is stopped": (
        STATE,
        replace(WORD, stop=call.Unknowable(reason="ControlUnavailable", message="not connected")),
    ),
    "other rules of the platform": (STATE, replace(WORD, platform=policy.Platform(digest="d"))),
    "a pause of this process": (STATE, replace(WORD, at=int(FRESH_SECONDS * clock.SECOND) + 1)),
}


@dataclass
class Asked:
    """Decides, and counts how often."""

    wish: Wish = field(init=False)
    times: int = 0

    def __post_init__(self) -> None:
        self.wish = Wish(place=(1, 0), tool="t", args={}, contracts={}, decide=self.decide, doubted="")

    def decide(self, state: State, word: Word, evaluate: cel.Evaluate) -> call.Verdict:
        """A verdict of its own each time."""
        self.times += 1
        return call.Refuse(reason="Superseded", message=str(self.times))


def test_a_verdict_holds_while_nothing_came_between() -> None:
    """It is the same object, however often it is asked for on the way to an append."""
    asked = Asked()
    verdicts = [asked.wish.verdict(STATE, replace(WORD, at=at), cel.here) for at in (0, 1_000, 5_000_000)]
    assert asked.times == 1
    assert all(each is verdicts[0] for each in verdicts)


@pytest.mark.parametrize("between", LATER)
def test_a_verdict_is_asked_for_anew_after(between: str) -> None:
    """What it rested on is not so any more, or may not be."""
    asked = Asked()
    asked.wish.verdict(STATE, WORD, cel.here)
    asked.wish.verdict(*LATER[between], cel.here)
    assert asked.times == 2
