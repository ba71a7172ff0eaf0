"""Can this log be trusted? Its chain, its signatures, its gaps and every message that is no event, judged anew.

    Verified     every message is an event, in order, each chained to the one before, signed where it must be
    Incomplete   there is nothing yet, or something this program does not know: nothing past it was judged
    Broken       something is there that honest writers under the fence never leave: see the findings

A void message changed nothing, and the log is called Broken all the same: somebody who could write to it tried to, and
a person must look. Whether messages are missing at the end only somebody who saw them can tell: the Execution's status.
Pure: the stored messages and the public keys are all it needs.
"""

import bisect
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from keelstep.domain import validity
from keelstep.events.frame import Stored
from keelstep.views import history
from keelstep.views.history import Foreign, History

Verdict = Literal["Verified", "Incomplete", "Broken"]

MOST_FINDINGS = 200
"""Sentences; whoever may write to a log decides how many there would be."""
_OUT_OF_PLACE = ("BrokenChain", "OutOfSequence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Events that a signed message says came before it, and that are not there."""

    after_seq: int
    """The last event that is there."""
    before_seq: int
    """The event that claims to follow the missing ones."""
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was found."""

    verdict: Verdict
    events: int
    broken_at: int
    """Position of the first message that its writer signed and that does not chain to what is there; 0 for none."""
    bad_signatures: tuple[int, ...]
    """Positions of operator's and gateway's messages that neither signed."""
    gaps: tuple[Gap, ...]
    voids: tuple[Foreign, ...]
    undecidable: str
    """Type and version of an event this program does not know, else empty."""
    undecided: int
    """Messages that were not judged because of it."""
    head_seq: int
    head_digest: str
    """SHA-256 of the last event's bytes."""
    micro_usd: int
    tokens: int
    steps: int
    findings: tuple[str, ...]
    """What a person must know, one sentence each."""


def verify(messages: Iterable[Stored], vouch: validity.Vouch, *, tenant: str, xid: str) -> Verification:
    """What the whole log of an execution proves. Total: any bytes are judged, none are trusted."""
    return judge(history.extend(history.begin(tenant, xid), messages, vouch))


def judge(found: History) -> Verification:
    """What a history proves."""
    state = found.state
    displaced = [each for each in found.foreign if each.is_signed and each.reason in _OUT_OF_PLACE]
    gaps = tuple(_gaps(found))
    findings = tuple(itertools.islice(_findings(found, gaps), MOST_FINDINGS))
    if len(found.foreign) + len(gaps) > len(findings):
        findings += (f"{len(found.foreign)} messages are void, {len(gaps)} gaps; these are the first",)
    is_judged = found.entries and not state.undecidable
    return Verification(
        verdict="Broken" if found.foreign else "Verified" if is_judged else "Incomplete",
        events=len(found.entries),
        broken_at=displaced[0].position if displaced else 0,
        bad_signatures=tuple(each.position for each in found.foreign if each.is_unsigned),
        gaps=gaps,
        voids=found.foreign,
        undecidable=state.undecidable,
        undecided=found.undecided,
        head_seq=state.seq,
        head_digest=state.head if state.seq else "",
        micro_usd=state.spent_micro_usd,
        tokens=state.tokens,
        steps=state.step,
        findings=findings,
    )


def _gaps(found: History) -> Iterator[Gap]:
    """A signed event far ahead of the log says that what should stand between is gone."""
    positions = [entry.line.position for entry in found.entries]
    for each in found.foreign:
        before = bisect.bisect_left(positions, each.position)
        if each.is_signed and each.reason == "OutOfSequence" and each.claims_seq > before + 1:
            yield Gap(after_seq=before, before_seq=each.claims_seq, position=each.position)


def _findings(found: History, gaps: tuple[Gap, ...]) -> Iterator[str]:
    if not found.messages:
        yield "the log is empty"
    for gap in gaps:
        yield (
            f"events {gap.after_seq + 1} to {gap.before_seq - 1} are missing:"
            f" message {gap.position} is signed as event {gap.before_seq}"
        )
    for each in found.foreign:
        yield f"message {each.position} on subject {each.writer} is void, {each.reason}: {_MEANING[each.reason]}"
    if found.state.undecidable:
        yield (
            f"from event {found.state.seq + 1} on nothing was judged:"
            f" {found.state.undecidable} is newer than this program"
        )


_MEANING = {
    "NotAnEvent": "its bytes are no event",
    "ForeignSubject": "it names another execution",
    "OutOfSequence": "it does not continue the log",
    "BrokenChain": "it does not name the hash of the event before it",
    "WrongWriter": "this writer may not write such an event",
    "OldAttempt": "it belongs to an attempt that is not the current one",
    "Unsigned": "its writer did not sign it",
    "UnknownType": "no runner has events of that type or version",
    "NotAllowed": "it was not allowed in that state",
}
"""What each reason says, for a person."""
