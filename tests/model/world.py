"""What is true at one moment? The log, what people want, and what every program is in the middle of.

Frozen values only: equal worlds are one state. What a program holds besides these is a function of the log it has read.

    idle ─► flying (published, not yet answered) ─► stored ─► claimed ─► done (answered, not yet recorded) ─► flying …
              │ its acknowledgement is lost              └─► frozen (checked, not yet sent)
              └─► looking (it reads what became of it)
"""

from typing import Literal, NamedTuple

from keelstep.domain.state import Place

NOT_STOPPED, STOPPED, ACKNOWLEDGED = range(3)
"""How far a kill has come."""
UNASKED, ASKED, APPROVED, REJECTED = range(4)
"""What a person was asked and said."""


class Call(NamedTuple):
    """A gateway: make this planned call for this attempt."""

    attempt: int
    place: Place
    tag: Literal["call"] = "call"


class Undo(NamedTuple):
    """A gateway: undo, for this attempt, what this event recorded."""

    attempt: int
    seq: int
    tag: Literal["undo"] = "undo"


class Take(NamedTuple):
    """A gateway: end this claim, whose owner is silent."""

    place: Place
    owner: str
    performances: int
    said: Literal["", "ok", "failed"] = ""
    """What a read said of it, where nobody may make it again."""
    tag: Literal["take"] = "take"


class Report(NamedTuple):
    """A gateway: record what came of a call."""

    place: Place
    claim_seq: int | None
    status: Literal["ok", "failed", "unknown", "refused"]
    attempt: int
    is_read: bool = False
    """A read said so, not the call's own answer."""
    tag: Literal["report"] = "report"


class Again(NamedTuple):
    """A gateway: try its call once more where that is allowed and can help, else record what came of it."""

    report: Report
    tag: Literal["again"] = "again"


class Situation(NamedTuple):
    """What an operator gathered besides the log."""

    is_stopped: bool
    is_cancelled: bool
    human: int
    pods: tuple[tuple[int, bool], ...]
    """Attempts that have a Pod, and whether it runs."""


class Rule(NamedTuple):
    """An operator: append the event of this type that follows from what was gathered."""

    situation: Situation
    type: str
    tag: Literal["rule"] = "rule"


class Speak(NamedTuple):
    """A runner: append what follows from the log."""

    attempt: int
    tag: Literal["speak"] = "speak"


Wish = Call | Undo | Take | Report | Again | Rule | Speak


class Letter(NamedTuple):
    """A message on its way, and the log that its writer expects to extend."""

    writer: str
    payload: bytes
    expected: int


class Idle(NamedTuple):
    """Nothing begun."""

    tag: Literal["idle"] = "idle"


class Dead(NamedTuple):
    """Its process is gone."""

    tag: Literal["dead"] = "dead"


class Flying(NamedTuple):
    """Published; nobody knows yet whether it is stored."""

    wish: Wish
    letter: Letter
    tag: Literal["flying"] = "flying"


class Looking(NamedTuple):
    """The acknowledgement did not come: it reads what became of its message."""

    wish: Wish
    letter: Letter
    tag: Literal["looking"] = "looking"


class Claimed(NamedTuple):
    """The claim is stored; nothing is sent yet. Without a claim: a read that needs none."""

    place: Place
    claim_seq: int | None
    attempt: int
    tick: int
    since: int
    """The log as it was then."""
    is_frozen: bool = False
    """All checks were passed; then the process was stopped."""
    tag: Literal["claimed"] = "claimed"


class Doubting(NamedTuple):
    """It was sent and not answered; nothing is recorded yet."""

    report: Report
    key: str
    tag: Literal["doubting"] = "doubting"


Doing = Idle | Dead | Flying | Looking | Claimed | Doubting
IDLE, DEAD = Idle(), Dead()


class Hand(NamedTuple):
    """One gateway process."""

    name: str = ""
    """The owner in its claims; empty while it has none to its name."""
    knows: bool = False
    """It has seen what CONTROL says."""
    doing: Doing = IDLE


class Law(NamedTuple):
    """The operator's process."""

    has_read: bool = True
    """It has met the run since it began."""
    doing: Doing = IDLE


class Pod(NamedTuple):
    """One attempt's runner; dead where it exited or crashed."""

    attempt: int
    doing: Doing = IDLE


class Sent(NamedTuple):
    """What a tool has seen: its own ledger."""

    effect: str
    """Which effect was meant, whatever the key says."""
    key: str
    times: int
    """How often it was sent; the most that is counted stands for more, too."""
    is_done: bool
    """The effect is there."""
    is_late: bool = False
    """The effect is still on its way."""


class Luck(NamedTuple):
    """How many faults are still to come."""

    crashes: int = 0
    """A process dies, or drops one call."""
    lost: int = 0
    """An acknowledgement does not arrive."""
    suspicions: int = 0
    """A gateway that lives is taken for silent."""
    stale: int = 0
    """A follower answers with an old end of the log."""
    freezes: int = 0
    """A gateway stops between its last check and the send."""
    forgeries: int = 0
    """A runner writes what it may not."""


class World(NamedTuple):
    """One moment."""

    head: int
    """The log, as a node of the journal."""
    luck: Luck
    hands: tuple[Hand, ...]
    law: Law = Law()
    pods: tuple[Pod, ...] = ()
    ghosts: tuple[Letter, ...] = ()
    """Messages on their way whose writer died."""
    ledger: tuple[Sent, ...] = ()
    tick: int = 0
    control: int = NOT_STOPPED
    human: int = UNASKED
    is_cancelled: bool = False


def stale(now: World) -> World:
    """The same, after a follower that was behind has answered."""
    return now._replace(luck=now.luck._replace(stale=now.luck.stale - 1))
