"""Is a scope killed, and who may lift it? Kill is state, latched.

    spec engaged ──► engaged in CONTROL ──► asks people (recovery gate) ──approved, and spec taken back──► lifted
                          ▲                        │ rejected, expired: a new gate asks
                          └────────────────────────┘

Taking the spec back lifts nothing by itself; an approval alone lifts nothing while the spec still wants the kill.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from keelstep_operator.decide.facts import Decision

Scope = Literal["Tenant", "Strategy", "Tool"]

REQUIRED = 1
"""How many people lift a kill. Two come with governance."""
GATE_DAYS = 365
"""A question whether to lift stays open so long, then it is asked anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the resource asks for."""

    scope: Scope
    namespace: str
    name: str
    is_engaged: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Latch:
    """The kill in force, as CONTROL says."""

    position: int
    since: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One recovery gate of this latch."""

    name: str
    ask: int
    """1 for the first of this latch."""
    is_forged: bool
    is_expired: bool
    decisions: Sequence[Decision]


@dataclass(frozen=True, slots=True, kw_only=True)
class Engage:
    """Stop the scope in CONTROL."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Create the recovery gate of this number."""

    ask: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """Let the scope go on, as these people decided."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """The kill stands."""

    gate: Gate
    is_forged: bool = False


Verdict = Engage | Ask | Lift | Hold | None


def decide(wish: Wish, latch: Latch | None, gates: Sequence[Gate]) -> Verdict:
    """What to do about a scope's kill switch; None where nothing is killed and nothing wants it."""
    if latch is None:
        return Engage(reason=wish.reason or "kill switch engaged") if wish.is_engaged else None
    if not gates:
        return Ask(ask=1)
    last = max(gates, key=lambda gate: gate.ask)
    if last.is_forged:
        return Hold(gate=last, is_forged=True)
    answer = outcome(last)
    if answer in ("rejected", "expired"):
        return Ask(ask=last.ask + 1)
    if answer == "approved" and not wish.is_engaged:
        people = [given for given in last.decisions if given.is_approval]
        reasons = "; ".join(given.reason for given in people if given.reason)
        return Lift(by=", ".join(given.approver for given in people), reason=reasons or "approved")
    return Hold(gate=last)


def outcome(gate: Gate) -> str:
    """approved, rejected, expired, or pending."""
    if any(not given.is_approval for given in gate.decisions):
        return "rejected"
    if len({given.approver for given in gate.decisions}) >= REQUIRED:
        return "approved"
    return "expired" if gate.is_expired else "pending"
