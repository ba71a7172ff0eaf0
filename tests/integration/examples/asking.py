"""How does a test ask the shop, and what does its ledger say?"""

import secrets
from collections.abc import Mapping
from typing import Any

import aiohttp

from examples.refund import testing


async def ask(
    shop: testing.Shop,
    method: str,
    path: str,
    body: object = None,
    *,
    key: str | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_seconds: float = 10,
) -> tuple[int, dict[str, Any], bool]:
    """Status, JSON body, and whether it was a replay."""
    given = dict(shop.headers if headers is None else headers)
    if key is not None:
        given["Idempotency-Key"] = key
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_seconds)) as session,
        session.request(method, shop.url + path, json=body, headers=given) as response,
    ):
        return response.status, await response.json(), "Idempotent-Replayed" in response.headers


async def booked(shop: testing.Shop, key: str) -> list[dict[str, Any]]:
    """What the ledger holds under a key."""
    return [each for each in await shop.ledger() if each["key"] == key]


def key() -> str:
    """Nobody else's."""
    return secrets.token_hex(8)
