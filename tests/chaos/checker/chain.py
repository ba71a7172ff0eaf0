"""Which stored messages are events, by hand? Place, hash, writer: walked once, in the order in which they were stored.

A table of its own says who may write what and what may follow the end; it repeats DESIGN, not the code.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.checker.evidence import Message

WRITERS = {
    "exec.started": "op",
    "exec.attempt": "op",
    "exec.suspended": "op",
    "exec.resumed": "op",
    "exec.cancelled": "op",
    "exec.killed": "op",
    "exec.unwinding": "op a",
    "exec.finished": "op a",
    "gate.decided": "op",
    "gate.requested": "a",
    "plan.proposed": "a",
    "model.called": "gw",
    "model.replied": "gw",
    "tool.called": "gw",
    "tool.retried": "gw",
    "policy.evaluated": "gw",
    "tool.result": "gw a",
    "tool.reconciled": "gw",
    "feedback.given": "op",
}
ENDS = ("exec.finished", "exec.killed")
CLOSING = ("tool.result", "model.replied", "feedback.given")
"""What may follow the end."""


@dataclass(slots=True)
class Chain:
    """The events of a log, and what is none."""

    events: list[Message] = field(default_factory=list)
    strays: list[tuple[Message, str]] = field(default_factory=list)
    head: str = "0" * 64

    @property
    def digests(self) -> set[str]:
        """SHA-256 of every event's bytes."""
        return {digest(each) for each in self.events}

    def of(self, *types: str) -> list[Message]:
        """The events of these types."""
        return [each for each in self.events if each.event["type"] in types]


def walk(messages: Sequence[Message], tenant: str, xid: str) -> Chain:
    """Follow the chain from its first message."""
    chain = Chain()
    attempt = 0
    is_over = False
    for message in messages:
        event = message.event
        why = _misplaced(chain, event, tenant, xid) or _unfit(message, attempt, is_over)
        if why:
            chain.strays.append((message, why))
            continue
        chain.events.append(message)
        chain.head = digest(message)
        if event["type"] == "exec.attempt":
            attempt = event["data"]["attempt"]
        is_over = is_over or event["type"] in ENDS
    return chain


def digest(message: Message) -> str:
    """SHA-256 of the stored bytes, hex."""
    return hashlib.sha256(message.payload).hexdigest()


def _misplaced(chain: Chain, event: Any, tenant: str, xid: str) -> str:
    if not event:
        return "it is not JSON"
    if (event.get("tenant"), event.get("execution")) != (tenant, xid):
        return "it names another run"
    if event.get("seq") != len(chain.events) + 1:
        return f"its seq is {event.get('seq')} after {len(chain.events)}"
    if event.get("prev") != chain.head:
        return "its prev is not the hash of the event before"
    return ""


def _unfit(message: Message, attempt: int, is_over: bool) -> str:
    kind = message.event["type"]
    writer = "a" if message.writer.startswith("a") else message.writer
    if writer not in WRITERS.get(kind, "").split():
        return f"{message.writer} may not write {kind}"
    if writer == "a" and (message.writer != f"a{attempt}" or message.event["attempt"] != attempt):
        return f"{message.writer} writes during attempt {attempt}"
    if kind == "exec.attempt" and message.event["data"]["attempt"] != attempt + 1:
        return f"attempt {message.event['data']['attempt']} follows {attempt}"
    if is_over and kind not in CLOSING:
        return f"{kind} follows the end"
    return ""
