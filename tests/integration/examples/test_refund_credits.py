"""Can credit be found, and revoked?"""

from examples.refund import testing
from tests.integration.examples import asking


async def test_a_credit_is_found_by_its_order_until_it_is_revoked(shop: testing.Shop) -> None:
    """With the key it was booked under; revoking it is an effect of its own, once per key."""
    keys = {kind: asking.key() for kind in ("credit", "revocation")}
    _, made, _ = await asking.ask(
        shop, "POST", "/credits", {"order": "1063", "amount": "2.00"}, key=keys["credit"]
    )
    _, found, _ = await asking.ask(shop, "GET", "/orders/1063/credits")
    assert {"id": made["id"], "amount": "2.00", "reference": keys["credit"], "state": "granted"} in found[
        "credits"
    ]
    _, other, _ = await asking.ask(shop, "GET", "/orders/1063/credits?reference=another")
    assert other["credits"] == []
    path = f"/credits/{made['id']}/revoke"
    status, revoked, _ = await asking.ask(shop, "POST", path, key=keys["revocation"])
    assert (status, revoked["state"]) == (201, "revoked")
    assert (await asking.ask(shop, "POST", path, key=keys["revocation"]))[2]
    assert len(await asking.booked(shop, keys["revocation"])) == 1
    _, left, _ = await asking.ask(shop, "GET", "/orders/1063/credits")
    assert made["id"] not in [each["id"] for each in left["credits"]]
    assert (await asking.ask(shop, "POST", "/credits/CR-999999/revoke", key=asking.key()))[0] == 404
