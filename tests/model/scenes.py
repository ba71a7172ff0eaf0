"""What is explored? Small worlds, each with everything that can go wrong in it, up to stated bounds."""

from dataclasses import dataclass

from tests.model import cast
from tests.model.world import Luck


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One world and its bounds."""

    name: str
    about: str
    plan: tuple[tuple[str, int], ...]
    """The planned calls: tool and argument."""
    luck: Luck
    """What may go wrong, in every combination, while nobody waits long for the answer."""
    deep: Luck
    """What may go wrong on demand."""
    ticks: int = 1
    """How often time passes: each time, claims and approvals of before are over. In the last tick nobody crashes."""
    attempts: int = 1
    """The last attempt that is begun."""
    gateways: int = 2
    is_killed: bool = False
    """Somebody may kill the run, at any time."""
    is_cancelled: bool = False
    """Somebody may cancel it, at any time."""


SCENES = (
    Scene(
        name="kill", about="a call that honours a key; a kill and a crash at any moment",
        plan=((cast.KEYED, 1),), is_killed=True, luck=Luck(crashes=1), deep=Luck(crashes=1, lost=1, suspicions=1),
    ),
    Scene(
        name="take-over", about="a call that honours a key; a crash, a lost acknowledgement, a false suspicion",
        plan=((cast.KEYED, 1),), luck=Luck(crashes=1, lost=1, suspicions=1),
        deep=Luck(crashes=2, lost=1, suspicions=1),
    ),
    Scene(
        name="once", about="a call that promises nothing; a kill, a crash, a freeze between check and send",
        plan=((cast.ONCE, 1),), is_killed=True, luck=Luck(crashes=1, freezes=1),
        deep=Luck(crashes=1, lost=1, suspicions=1, freezes=1),
    ),
    Scene(
        name="gate", about="a call that a person must approve: park, a second attempt, a crash",
        plan=((cast.GATED, 1),), attempts=2, luck=Luck(crashes=1), deep=Luck(crashes=2, lost=1),
    ),
    Scene(
        name="forger", about="the same with a runner that forges an approval or an attempt",
        plan=((cast.GATED, 1),), attempts=2, luck=Luck(forgeries=1), deep=Luck(forgeries=1, crashes=1),
    ),
    Scene(
        name="late forger",
        about="a killed run whose runner writes on",
        plan=((cast.ONCE, 1),),
        is_killed=True,
        gateways=1,
        luck=Luck(forgeries=1),
        deep=Luck(forgeries=1, crashes=1, lost=1),
    ),
    Scene(
        name="equal", about="two equal calls, one key; a crash, a false suspicion",
        plan=((cast.KEYED, 1), (cast.KEYED, 1)), luck=Luck(crashes=1, suspicions=1),
        deep=Luck(crashes=1, suspicions=1, lost=1),
    ),
    Scene(
        name="again", about="a call that is tried again: refused, silent or answered each time; a crash at any moment",
        plan=((cast.AGAIN, 1),), luck=Luck(crashes=1), deep=Luck(crashes=1, lost=1, suspicions=1),
    ),
    Scene(
        name="find out", about="a call that promises nothing, of which a read finds out; its effect may come late",
        plan=((cast.FOUND, 1),), luck=Luck(crashes=1), deep=Luck(crashes=1, lost=1, suspicions=1),
    ),
    Scene(
        name="ask again", about="a call that promises nothing and came to nothing; a person, a second attempt, a crash",
        plan=((cast.PLEAD, 1),), attempts=2, gateways=1, luck=Luck(crashes=1), deep=Luck(crashes=1, lost=1),
    ),
    Scene(
        name="unwind", about="two calls that can be undone; a failure or a cancel, a person",
        plan=((cast.MAKE, 1), (cast.MAKE, 2)), is_cancelled=True, attempts=2, gateways=1, ticks=0,
        luck=Luck(), deep=Luck(lost=1),
    ),
    Scene(
        name="undo", about="one call that can be undone; a failure, a person, a crash, a second attempt",
        plan=((cast.MAKE, 1),), attempts=2, gateways=1, luck=Luck(crashes=1), deep=Luck(crashes=1, suspicions=1),
    ),
    Scene(
        name="attempts", about="a free read, then a claim; a second attempt after a crash",
        plan=((cast.READ, 1), (cast.KEYED, 1)), attempts=2, luck=Luck(crashes=1),
        deep=Luck(crashes=2, lost=1),
    ),
    Scene(
        name="cancel", about="the same with a cancel and reads from a follower that is behind",
        plan=((cast.READ, 1), (cast.KEYED, 1)), is_cancelled=True, luck=Luck(stale=1),
        deep=Luck(stale=1, crashes=1),
    ),
)  # fmt: skip
"""Every scene of one run."""
