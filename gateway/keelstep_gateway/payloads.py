"""Which loaded payloads are kept? Those that were used last, up to so many bytes of all runs together.

Only a cache: what is not held is loaded again.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

MOST_BYTES = 64 * 1024 * 1024

Key = tuple[str, str, str]
"""Tenant, execution and digest: a run never sees another's by naming its digest."""


@dataclass(slots=True)
class Payloads:
    """The payloads."""

    most_bytes: int = MOST_BYTES
    _held: OrderedDict[Key, bytes] = field(default_factory=OrderedDict)
    _size_bytes: int = 0

    def get(self, key: Key) -> bytes | None:
        """A payload, where it is held."""
        found = self._held.get(key)
        if found is not None:
            self._held.move_to_end(key)
        return found

    def keep(self, key: Key, payload: bytes) -> None:
        """Hold a payload, and let go of the oldest for it."""
        self._size_bytes += len(payload) - len(self._held.pop(key, b""))
        self._held[key] = payload
        while self._size_bytes > self.most_bytes:
            _, oldest = self._held.popitem(last=False)
            self._size_bytes -= len(oldest)
