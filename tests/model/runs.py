"""Which explorations are there, and which defect is shown by which?"""

from collections.abc import Sequence
from typing import NamedTuple

from tests.model import invariants as never
from tests.model import scenes
from tests.model.defects import Defect
from tests.model.explorer import Explored, explore
from tests.model.journal import Journal
from tests.model.name import Bounds
from tests.model.naming import NamingProtocol
from tests.model.protocol import Protocol

MOST_STATES, MOST_STATES_DEEP = 400_000, 8_000_000
_NAMES = {
    "name": ("a name whose resource is deleted, vanishes, is applied again; an operator that crashes",
             Bounds(crashes=1, lost=1, vanishings=1), Bounds(crashes=2, lost=1, vanishings=1, uids=3)),
    "two operators": ("the same under two operators, one of which may be deposed and not know it",
                      Bounds(operators=2), Bounds(operators=2, crashes=1, lost=1, vanishings=1)),
}  # fmt: skip
_SCENES = {scene.name: scene for scene in scenes.SCENES}
SYSTEMS = {name: scene.about for name, scene in _SCENES.items()} | {
    name: told for name, (told, _, _) in _NAMES.items()
}
"""What is explored, by name, and what is in it."""


class Case(NamedTuple):
    """A defect, where it shows, and as what."""

    defect: Defect
    system: str
    invariant: str


CASES = (
    Case(Defect.NO_FENCE, "kill", never.NEVER_VOID),
    Case(Defect.CLAIM_LAST, "once", never.ONE_SEND),
    Case(Defect.WRONG_KEY, "equal", never.ONE_EFFECT),
    Case(Defect.STALE_APPEND, "kill", never.NEVER_VOID),
    Case(Defect.TAKE_UNCHECKED, "once", never.ONE_SEND),
    Case(Defect.MINE_BY_ID, "take-over", never.OWN_BYTES),
    Case(Defect.RESULT_YIELDS, "attempts", never.RECORDED),
    Case(Defect.SEND_UNCHECKED, "kill", never.KNOWN_STOP),
    Case(Defect.ACCEPT_VOID, "forger", never.ONE_USE),
    Case(Defect.ACCEPT_VOID, "late forger", never.THE_END),
    Case(Defect.EXPIRY_IN_FOLD, "gate", never.NEVER_VOID),
    Case(Defect.CERTAIN, "again", never.FAILED),
    Case(Defect.UNCOUNTED, "again", never.COUNTED),
    Case(Defect.HASTY_NO, "find out", never.FAILED),
    Case(Defect.NOBODY_ASKED, "ask again", never.NEVER_VOID),
    Case(Defect.END_UNDONE, "undo", never.UNDONE),
    Case(Defect.UNDO_ALIVE, "undo", never.NEVER_VOID),
    Case(Defect.NO_SWEEP, "kill", never.CLOSES),
    Case(Defect.ACKNOWLEDGE_EARLY, "kill", never.NOT_AFTER_KILL),
    Case(Defect.ACKNOWLEDGE_UNSEEN, "kill", never.NOT_AFTER_KILL),
    Case(Defect.ADOPT_BY_NAME, "name", never.AS_ASKED),
    Case(Defect.BIND_UNFENCED, "two operators", never.ONE_LOG),
    Case(Defect.MISSING_IS_DELETED, "name", never.OWN_DELETION),
    Case(Defect.DELETION_OF_ANY, "name", never.OWN_DELETION),
    Case(Defect.RELEASE_UNSEALED, "two operators", never.ONE_LOG),
    Case(Defect.FORGET_DELETION, "name", never.FREED),
)
"""Every defect, and every invariant."""


def run(
    name: str, defect: Defect | None = None, *, is_deep: bool = False
) -> tuple[Explored, Sequence[Journal]]:
    """Explore one system: what was found, and every log that came to be.

    Raises:
        explorer.TooLargeError: it has more states than are allowed.
    """
    most = MOST_STATES_DEEP if is_deep else MOST_STATES
    if name in _NAMES:
        _, bounds, deep = _NAMES[name]
        naming = NamingProtocol(defect, deep if is_deep else bounds)
        return explore(naming, most_states=most), list(naming.journals.values())
    protocol = Protocol(_SCENES[name], defect, is_deep=is_deep)
    return explore(protocol, most_states=most), [protocol.journal]
