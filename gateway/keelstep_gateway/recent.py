"""What was stored last on one execution, as the broker has it? So that an answer need not be read from the stream.

A run of messages without a gap, the oldest dropped first. Only a cache: who asks for more than is held reads the stream.
"""

from collections import deque
from dataclasses import dataclass, field

from keelstep.events.frame import Stored

MOST_MESSAGES = 48
MOST_BYTES = 64 * 1024


@dataclass(slots=True)
class Recent:
    """The newest messages of one execution."""

    _messages: deque[Stored] = field(default_factory=deque)
    _begin: int = 0
    """The stream sequence after which nothing is missing."""
    _size_bytes: int = 0

    def add(self, stored: Stored) -> None:
        """The next message."""
        self._messages.append(stored)
        self._size_bytes += len(stored.payload)
        while len(self._messages) > MOST_MESSAGES or self._size_bytes > MOST_BYTES:
            oldest = self._messages.popleft()
            self._begin = oldest.position
            self._size_bytes -= len(oldest.payload)

    def after(self, position: int) -> list[Stored] | None:
        """Every message after a stream sequence; None where some of them are not held any more."""
        if position < self._begin:
            return None
        return [stored for stored in self._messages if stored.position > position]
