"""In which order do calls of several tenants have their turns?"""

import asyncio

from keelstep.domain.limits import Terms
from keelstep_gateway.limits.line import Ticket, Turns


def queue(*tenants: str) -> tuple[Turns, list[Ticket]]:
    """Tickets of these tenants, in the order in which they came."""
    loop = asyncio.new_event_loop()
    turns = Turns()
    tickets = [Ticket(tenant, Terms(), loop.create_future()) for tenant in tenants]
    for ticket in tickets:
        turns.put(ticket)
    loop.close()
    return turns, tickets


def order(turns: Turns) -> list[str]:
    """Whose turn it is, until nobody waits."""
    return [turns.pop().tenant for _ in range(len(turns))]


def test_tenants_take_turns_whoever_has_more_calls() -> None:
    """One that floods the line does not hold up another's only call."""
    turns, _ = queue("many", "many", "many", "many", "one", "two", "two")
    assert order(turns) == ["many", "one", "two", "many", "two", "many", "many"]


def test_a_tenants_own_calls_keep_their_order() -> None:
    """First come, first served."""
    turns, tickets = queue("a", "b", "a", "a")
    mine = [turns.pop() for _ in range(4)]
    assert [each for each in mine if each.tenant == "a"] == [tickets[0], tickets[2], tickets[3]]


def test_who_leaves_the_line_is_passed_over() -> None:
    """And its tenant with it, where it has no other call."""
    turns, tickets = queue("a", "b", "a")
    turns.remove(tickets[1])
    turns.remove(tickets[0])
    assert order(turns) == ["a"]


def test_looking_at_the_line_shows_the_order_of_the_turns() -> None:
    """What is looked at first is served first."""
    turns, _ = queue("many", "many", "one", "two", "many")
    seen = [ticket.tenant for ticket in turns]
    assert seen == order(turns)
