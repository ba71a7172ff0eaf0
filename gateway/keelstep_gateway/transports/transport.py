"""What must a transport offer? One call, and an honest account of whether its first byte left."""

from collections.abc import Mapping
from typing import Any, Protocol

from keelstep.domain.outcome import Seen
from keelstep.kinds.contract import ToolContractSpec


class Transport(Protocol):
    """A way to reach tools."""

    async def call(
        self,
        spec: ToolContractSpec,
        args: Mapping[str, Any],
        *,
        key: str,
        secret: str | None,
        timeout_seconds: float,
    ) -> Seen:
        """Make one call with these arguments; never raises for what the other side does."""
        ...

    async def close(self) -> None:
        """Let go of every connection."""
        ...
