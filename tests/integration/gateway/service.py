"""What does a gateway say about itself? Its answers to the micro protocol's questions, as anybody of CORE may ask."""

from typing import Any

import msgspec
from nats.aio.client import Client

from keelstep_gateway import presence


async def info(nc: Client, owner: str) -> dict[str, Any]:
    """One gateway's INFO."""
    message = await nc.request(f"$SRV.INFO.{presence.NAME}.{owner}", timeout=60)
    found: dict[str, Any] = msgspec.json.decode(message.data)
    return found
