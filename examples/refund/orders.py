"""What has the shop sold? The orders every example and test can count on.

Seed data only: nothing changes an order. The ledger says what was paid back.
"""

from collections.abc import Sequence
from typing import Literal

import pydantic


class Item(pydantic.BaseModel):
    """One line of an order."""

    model_config = pydantic.ConfigDict(frozen=True)

    name: str
    quantity: int
    price: str
    """Price of one. Unit: US dollars, a decimal string."""


class Order(pydantic.BaseModel):
    """One order as `GET /orders/{id}` shows it."""

    model_config = pydantic.ConfigDict(frozen=True)

    id: str
    customer: str
    items: Sequence[Item]
    amount: str
    """What was paid. Unit: US dollars, a decimal string."""
    status: Literal["paid", "shipped", "delivered"]
    delivered_at: str | None
    """When it arrived (RFC 3339); null before that."""
    ticket: str
    """The support ticket about this order."""


def _order(
    number: str,
    customer: str,
    amount: str,
    *items: tuple[str, int, str],
    status: Literal["paid", "shipped", "delivered"] = "delivered",
    delivered_at: str | None = "2026-01-12T10:30:00Z",
) -> Order:
    return Order(
        id=number,
        customer=customer,
        items=[Item(name=name, quantity=quantity, price=price) for name, quantity, price in items],
        amount=amount,
        status=status,
        delivered_at=delivered_at,
        ticket=f"T-{number}",
    )


ORDERS = {
    order.id: order
    for order in (
        _order("1042", "Lena Brandt", "24.50", ("Enamel mug", 2, "12.25")),
        _order("1063", "Tomas Ferro", "36.00", ("Linen tea towel", 3, "12.00")),
        _order("1071", "Priya Nair", "189.00", ("Pour-over kettle", 1, "189.00")),
        _order("1088", "Jonas Weber", "249.00", ("Burr grinder", 1, "249.00")),
        _order("1105", "Mei Tanaka", "1450.00", ("Espresso machine", 1, "1450.00")),
        _order(
            "1119",
            "Omar Haddad",
            "58.90",
            ("Coffee beans, 1 kg", 2, "29.45"),
            status="shipped",
            delivered_at=None,
        ),
    )
}
"""Every order by its id."""

TICKETS = {order.ticket: order for order in ORDERS.values()}
"""Every order by its ticket."""
