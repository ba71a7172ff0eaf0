"""Which gateways have not yet seen a control record? Asked of the gateways themselves, all at once."""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any

import msgspec
from nats.aio.client import Client

SERVICE = "keelstep-gateway"
PATIENCE_SECONDS = 5.0
"""A gateway that says nothing for so long is named to people."""
_ANSWER_SECONDS = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """Gateways that have not confirmed a record."""

    gateways: tuple[str, ...]


class _Info(msgspec.Struct, frozen=True):
    id: str
    metadata: dict[str, Any] = {}


async def behind(nc: Client, position: int) -> Behind:
    """The gateways that answer and have not yet handled the record at this position of CONTROL.

    One that does not answer is not connected, or busy: it refuses everything once its own view is too old
    (`log.view.MAX_AGE_SECONDS`).
    """
    found = await positions(nc)
    return Behind(gateways=tuple(sorted(name for name, known in found.items() if known < position)))


async def positions(nc: Client) -> dict[str, int]:
    """How far each gateway that answers has read CONTROL."""
    inbox = nc.new_inbox()
    subscription = await nc.subscribe(inbox)
    found: dict[str, int] = {}
    try:
        await nc.publish(f"$SRV.STATS.{SERVICE}", b"", reply=inbox)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ANSWER_SECONDS):
                async for message in subscription.messages:
                    with contextlib.suppress(msgspec.DecodeError):
                        info = msgspec.json.decode(message.data, type=_Info)
                        found[info.id] = _position(info)
    finally:
        await subscription.unsubscribe()
    return found


def _position(info: _Info) -> int:
    """The CONTROL position a gateway states, -1 where it states none."""
    try:
        return int(info.metadata.get("control", -1))
    except (TypeError, ValueError):
        return -1
