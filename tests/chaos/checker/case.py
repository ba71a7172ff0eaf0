"""What is a rule given, and what does it tell? Plain data, shared by all rules."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.chaos.checker.chain import Chain
from tests.chaos.checker.evidence import Booking, Evidence, Message


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One broken promise."""

    name: str
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What is known from outside about what was done to the run."""

    tenant: str
    effects: Mapping[str, int]
    """How often each booking may stand in the books."""
    stored: Sequence[str]
    """Digests of what programs believe to be stored."""
    tokens: Sequence[str]
    """Public names of the tokens that runners held."""
    stopped_at: int = 0
    """When a kill was acknowledged, nanoseconds since 1970; 0 where none was."""
    stopped_tool: str = ""
    """The one tool that it was about, which is also the kind of its bookings; empty where it was about everything."""
    may_be_unknown: bool = True
    """A gateway, the shop or the way between was disturbed."""
    may_send_late: bool = False
    """A gateway stood still between its last check and the send: the residue that DESIGN names."""


@dataclass(frozen=True, slots=True)
class Case:
    """What every rule is given."""

    seen: Evidence
    chain: Chain
    beside: Sequence[Chain]
    """The logs of the tenant's other runs."""
    expected: Expected

    def everywhere(self, *types: str) -> list[Message]:
        """The events of these types of all the tenant's runs, in the order in which they were stored."""
        found = [each for chain in (self.chain, *self.beside) for each in chain.of(*types)]
        return sorted(found, key=lambda each: each.position)

    def booked(self, claim: Message) -> list[Booking]:
        """The bookings that a claim can account for."""
        data = claim.event["data"]
        if data["tool"] == "reply":
            message = json.loads(data["args"]["inline"])["message"]
            return [each for each in self.seen.bookings if each.what == f"reply {message}"]
        return [each for each in self.seen.bookings if each.key == data["idempotency_key"]]


Rule = Callable[[Case], Iterator[Finding]]
