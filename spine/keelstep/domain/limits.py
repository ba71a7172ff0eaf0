"""How many calls may begin now, and when may the next? A rate, a concurrency, and a tool that asked to be left alone.

One record per limit, the same for all gateways. The rate is a token bucket, kept as the one moment at which it will be
full again (GCRA), so that an idle bucket needs no refilling and a lost process loses no more than what it took:

    tokens         now >= full_at - burst * interval + interval * taken; a contract that says another rate begins another
    calls at once  each gateway's own count, good until it says so again or its time is up
    paused         a tool said when to come back (429): nobody begins before

Tokens are taken for calls that wait, as many as wait at that moment, and for no others: there are none to give back.
Pure: the clock is an argument, nothing is stored here.
"""

import hashlib
from dataclasses import dataclass

import msgspec

from keelstep.domain import canonical, egress
from keelstep.events import clock
from keelstep.kinds import limits as kinds
from keelstep.kinds.contract import ToolContractSpec

HELD_SECONDS = 30
"""A gateway that says nothing more holds its places for so long: then it is taken for gone."""
MOST_PAUSE_SECONDS = 3_600
"""No tool is left alone for longer on its own word."""


class Places(msgspec.Struct, frozen=True):
    """What one gateway has in flight."""

    count: int
    until: int
    """Nanoseconds since 1970; not counted after it."""


class Usage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is used of one limit."""

    full_at: dict[str, int] = {}
    """When the bucket is full again, nanoseconds since 1970; by the time that one call takes of it, so that a slip of a
    rate is over once it is corrected."""
    paused_until: int = 0
    """Nanoseconds since 1970."""
    places: dict[str, Places] = {}
    """By gateway."""
    by: str = ""
    """Who wrote this, and its how manieth."""


NONE = Usage()


@dataclass(frozen=True, slots=True)
class Terms:
    """What a contract says of one limit."""

    rate: kinds.Rate | None = None
    concurrency: int | None = None

    @property
    def is_none(self) -> bool:
        """True where it says nothing."""
        return self.rate is None and self.concurrency is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What may begin."""

    count: int
    usage: Usage
    """As it is after that."""
    why: str
    """What the others wait for: rate, concurrency or pause; empty where nobody does."""
    wait_ns: int
    """When it may be otherwise by itself; 0 where only the end of a call helps."""


def of_tenant(spec: ToolContractSpec) -> Terms:
    """A namespace's limits of a contract."""
    return Terms(spec.budgets.tenant_rate, spec.budgets.tenant_concurrency)


def of_tool(spec: ToolContractSpec) -> Terms:
    """The limits of a tool, all namespaces together."""
    return Terms(spec.budgets.rate, spec.budgets.concurrency)


def are_none(spec: ToolContractSpec) -> bool:
    """True where a contract says nothing of either."""
    budgets = spec.budgets
    return (
        budgets.rate is None
        and budgets.concurrency is None
        and budgets.tenant_rate is None
        and budgets.tenant_concurrency is None
    )


def tool_key(name: str, spec: ToolContractSpec) -> str:
    """What makes two contracts the same tool: their name, where they lead, and what they say of it; 32 hex digits.

    The name alone would let any namespace use up another's tool with a contract that leads nowhere, and one that says
    *a call a day*, or *ten thousand at once*, would make everybody else wait.
    """
    http, mcp = spec.transport.http, spec.transport.mcp
    url = http.url if http is not None else mcp.http.url if mcp is not None and mcp.http is not None else None
    where: object = spec.transport.wire()
    if url is not None:
        try:
            where = egress.target(url).origin
        except egress.AddressError:
            where = url
    said = {"rate": spec.budgets.rate and spec.budgets.rate.wire(), "concurrency": spec.budgets.concurrency}
    return hashlib.sha256(canonical.dumps([name, canonical.plain(where), said])).hexdigest()[:32]


def take(
    usage: Usage, terms: Terms, owner: str, *, held: int, wanted: int, now: int, heir_of: str = ""
) -> Taken:
    """As many of the wanted calls as may begin; `held` are in flight at this owner, counted here alone.

    One that is taken over from a lost gateway (`heir_of`) has its place already, and brings it along.
    """
    count, why, wait = wanted, "", 0
    if now < usage.paused_until:
        count, why, wait = 0, "pause", usage.paused_until - now
    others = _others(usage, owner, now)
    staying = _without_one(others, heir_of)
    if terms.concurrency is not None:
        room = max(0, terms.concurrency - held - sum(each.count for each in staying.values()))
        if room < count:
            count, why = room, "concurrency"
            wait = min((each.until - now for each in others.values()), default=0)
    buckets = {name: full_at for name, full_at in usage.full_at.items() if full_at > now}
    if terms.rate is not None:
        interval = terms.rate.per_seconds * clock.SECOND // terms.rate.calls
        full_at = max(buckets.get(str(interval), 0), now)
        there = max(0, (now + terms.rate.burst * interval - full_at) // interval)
        if there < count:
            count, why = there, "rate"
        if count:
            full_at = buckets[str(interval)] = full_at + count * interval
        if why == "rate":
            wait = max(1, full_at + interval - terms.rate.burst * interval - now)
    mine = held + (count if terms.concurrency is not None else 0)
    others = staying if count else others
    places = {**others, owner: Places(mine, now + HELD_SECONDS * clock.SECOND)} if mine else others
    return Taken(
        count=count,
        usage=msgspec.structs.replace(usage, full_at=buckets, places=places),
        why=why,
        wait_ns=wait,
    )


def paused(usage: Usage, now: int, milliseconds: int) -> Usage:
    """The tool wants to be left alone for so long."""
    until = now + min(milliseconds, MOST_PAUSE_SECONDS * 1000) * 1_000_000
    return msgspec.structs.replace(usage, paused_until=max(usage.paused_until, until))


def is_due(usage: Usage, owner: str, held: int, now: int) -> bool:
    """Must an owner say again what it holds, because that changed or its time is half over?"""
    said = usage.places.get(owner)
    if said is None:
        return held > 0
    return said.count != held or (held > 0 and said.until - now < HELD_SECONDS * clock.SECOND // 2)


def _without_one(places: dict[str, Places], owner: str) -> dict[str, Places]:
    """The same places with one less of this owner's."""
    found = places.get(owner)
    if found is None:
        return places
    rest = {name: each for name, each in places.items() if name != owner}
    return {**rest, owner: Places(found.count - 1, found.until)} if found.count > 1 else rest


def _others(usage: Usage, owner: str, now: int) -> dict[str, Places]:
    return {name: each for name, each in usage.places.items() if name != owner and each.until > now}
