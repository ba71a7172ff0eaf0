"""How much of a tenant's day may a gateway spend? In slices, taken from the day's budget and spent locally.

    the day's budget ──taken, at most a twentieth at a time──► a gateway's purse ──reserved──► one call
                     ◄──what is left, at the end────────────                    ◄──settled──

What was taken and never given back (a gateway that died) counts as spent until the day is over, so that the sum of what
calls have spent and reserved is within the budget at any moment. Days are UTC. Pure.
"""

import msgspec

from keelstep.events import clock

PARTS = 20
"""A slice is at most this part of the day's budget."""


class Day(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What gateways have taken of one day."""

    taken_micro_usd: int = 0
    by: str = ""
    """Who wrote this, and its how manieth."""


NONE = Day()


def name(now: int) -> str:
    """The day of a moment, `2026-11-21`."""
    return clock.text(now)[:10]


def slice_micro_usd(day: Day, cap_micro_usd: int, missing_micro_usd: int) -> int:
    """What a gateway takes that misses so much; 0 where the day's budget does not cover that.

    Whole slices, and no more of them than are missing; at the end of the day's budget what is left of it.
    """
    left = cap_micro_usd - day.taken_micro_usd
    if missing_micro_usd > left:
        return 0
    one = max(1, cap_micro_usd // PARTS)
    return min(left, -(-missing_micro_usd // one) * one)


def taken(day: Day, micro_usd: int) -> Day:
    """After a gateway took so much, or gave it back where it is negative."""
    return msgspec.structs.replace(day, taken_micro_usd=max(0, day.taken_micro_usd + micro_usd))
