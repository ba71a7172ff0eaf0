"""What has happened in each execution? The logs we hold, folded as far as read.

One `spine.Log` per execution, kept while it is used. Beside the fold a few marks that decisions about people's
questions need and the fold does not keep. Nothing here decides.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from nats.aio.client import Client

from keelstep.domain import execution
from keelstep.domain.state import State
from keelstep.events import envelope, signing, types
from keelstep.events.frame import Stored
from keelstep.events.value import Value
from keelstep.log import reader, spine

log = structlog.get_logger(__name__)

MOST_LOGS = 5_000
"""Held at once; the longest unused goes first and is read again when it is needed."""


@dataclass(slots=True)
class Held:
    """One execution's log, and our marks on it."""

    log: spine.Log
    resumed_seq: int = 0
    """The last `exec.resumed`."""
    summaries: dict[int, Value] = field(default_factory=dict)
    """What the model said beside each plan, by the plan's ordinal."""
    voids: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Void messages met, by writer and reason."""

    @property
    def state(self) -> State:
        """The fold, as far as read."""
        return self.log.state


@dataclass(slots=True)
class Logs:
    """The logs of one shard's executions."""

    nc: Client
    signer: signing.Signer
    keyring: signing.Keyring
    on_void: Callable[[str, str, str], None] | None = None
    """Told tenant, xid and reason of each void message."""
    over: set[str] = field(default_factory=set)
    """Runs that are known to have ended: that stays true when their logs are let go."""
    _held: "OrderedDict[str, Held]" = field(default_factory=OrderedDict)

    def hold(self, tenant: str, xid: str, shard: int) -> Held:
        """The log of an execution."""
        held = self._held.get(xid)
        if held is None:
            held = Held(
                spine.Log(
                    nc=self.nc,
                    reader=reader.StreamReader(self.nc, shard),
                    author=spine.Author(writer=types.Writer.OPERATOR.value, shard=shard, signer=self.signer),
                    keyring=self.keyring,
                    tenant=tenant,
                    xid=xid,
                )
            )
            held.log.on_outcome = self._noting(held)
            self._held[xid] = held
            while len(self._held) > MOST_LOGS:
                self._held.popitem(last=False)
        self._held.move_to_end(xid)
        return held

    def peek(self, xid: str) -> State | None:
        """The fold as far as read, or None where we do not hold it."""
        held = self._held.get(xid)
        return held.state if held is not None else None

    def _noting(self, held: Held) -> Callable[[State, Stored, execution.Outcome], None]:
        def note(state: State, stored: Stored, outcome: execution.Outcome) -> None:
            if state.is_over:
                self.over.add(state.xid)
            if isinstance(outcome, execution.Void):
                alike = (stored.writer, outcome.reason)
                held.voids[alike] += 1
                times = held.voids[alike]
                # the 1st, 2nd, 4th, 8th …: who floods the log does not flood this one
                if times.bit_count() == 1:
                    log.warning(
                        "message_void",
                        execution=state.xid,
                        trace_id=state.trace_id,
                        tenant=state.tenant,
                        position=outcome.position,
                        writer=stored.writer,
                        reason=outcome.reason,
                        times=times,
                    )
                if self.on_void is not None:
                    self.on_void(state.tenant, state.xid, outcome.reason)
            elif isinstance(outcome, envelope.Event):
                if outcome.type == "exec.resumed":
                    held.resumed_seq = outcome.seq
                elif isinstance(outcome.data, types.PlanProposed) and outcome.data.summary is not None:
                    held.summaries[outcome.data.ordinal] = outcome.data.summary

        return note
