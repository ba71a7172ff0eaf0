"""How is something stopped, and let go on? And which rules of the platform hold now?

A kill is state: signed records per scope in the stream CONTROL, the last one counts, all are kept. A namespace's rules
are state of the same kind: what counts is what they say now, for runs that go on as for new ones. `Control` writes the
records, for the operator alone; `view.View` is how everybody else knows them. Nothing here ends a run.
"""

import asyncio
from dataclasses import dataclass
from typing import Literal

import msgspec
from nats.aio.client import Client

from keelstep import errors, points
from keelstep.events import clock, signing, types
from keelstep.log import jetstream, subjects

Scope = Literal["tenant", "strategy", "tool", "execution"]
"""What can be stopped."""
Said = Literal["policy", "budget"]
"""What a platform team says of a tenant besides: its rules, and what it may spend in a day."""

_TRIES = 50
_PAUSE_SECONDS = 0.05


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One decision to stop something, or to let it go on; or the rules of a tenant's platform."""

    scope: Scope | Said
    tenant: str
    target: str
    """The strategy's or tool's name, the execution's xid; empty for a tenant and its rules."""
    engaged: bool
    """True stops it; of rules and budgets: there is one."""
    reason: str
    by: str
    at: str
    """The writer's clock: information, nothing decides by it."""
    number: int
    """Greater than in any record before it on its subject, so that an old one written again counts for nothing."""
    rules: str = ""
    """The revision of the platform's rules, as its bytes say it; of a budget, US dollars for each day."""

    @property
    def subject(self) -> str:
        """Where it is kept."""
        return subjects.control(self.scope, self.tenant, self.target)


_DECODER = msgspec.json.Decoder(Record)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The last message on a subject."""

    position: int
    """Its sequence in the stream: what a person decides about when lifting."""
    record: Record | None
    """None where it is not a record that the operator signed."""
    payload: bytes


def verified(keyring: signing.Keyring, subject: str, header: str | None, payload: bytes) -> Record | None:
    """The record in a message, where the operator vouches for it and it is where it belongs."""
    if not keyring.vouches(header, types.Writer.OPERATOR, subject, payload):
        return None
    try:
        record = _DECODER.decode(payload)
    except msgspec.DecodeError:
        return None
    return record if record.subject == subject else None


@dataclass(frozen=True, slots=True)
class Control:
    """Engages and lifts; only the operator holds the key and may publish."""

    nc: Client
    signer: signing.Signer
    keyring: signing.Keyring

    async def engage(self, scope: Scope, tenant: str, target: str, *, reason: str, by: str) -> int:
        """Stop it; the sequence of the record that does. What is stopped already stays as it is.

        Raises:
            errors.BrokerError: it is not known whether it is stopped; ask again.
        """
        for _ in range(_TRIES):
            entry = await self.lookup(scope, tenant, target)
            if entry is not None and entry.record is not None and entry.record.engaged:
                return entry.position
            after = entry.position if entry is not None else 0
            record = _record(scope, tenant, target, engaged=True, reason=reason, by=by, after=after)
            position = await self._append(record.subject, msgspec.json.encode(record), after)
            if position:
                return position
        raise errors.BrokerUnavailableError(f"{scope} {target or tenant} could not be stopped")

    async def lift(
        self, scope: Scope, tenant: str, target: str, *, engaged_at: int, reason: str, by: str
    ) -> int:
        """Let it go on, where the record at sequence `engaged_at` still is what stops it; the new record's sequence.

        Raises:
            errors.ControlConflictError: something else stops it by now, or nothing does.
            errors.BrokerError: it is not known whether it was lifted; ask again.
        """
        record = _record(scope, tenant, target, engaged=False, reason=reason, by=by, after=engaged_at)
        payload = msgspec.json.encode(record)
        for _ in range(_TRIES):
            entry = await self.lookup(scope, tenant, target)
            if entry is not None and entry.payload == payload:
                return entry.position  # an earlier try whose acknowledgement was lost
            if not _is_stopped_by(entry, engaged_at):
                raise errors.ControlConflictError(
                    f"{scope} {target or tenant} is not stopped by record {engaged_at} any more; look again"
                )
            position = await self._append(record.subject, payload, engaged_at)
            if position:
                return position
        raise errors.BrokerUnavailableError(f"{scope} {target or tenant} could not be lifted")

    async def rule(self, tenant: str, rules: str, *, by: str, scope: Said = "policy") -> int:
        """These are a tenant's rules from now on, or its budget; none where empty. The record's sequence, 0 where it is so
        already.

        Raises:
            errors.BrokerError: it is not known which rules hold; ask again.
        """
        for _ in range(_TRIES):
            entry = await self.lookup(scope, tenant, "")
            if entry is None and not rules:
                return 0
            if entry is not None and entry.record is not None and entry.record.rules == rules:
                return 0
            after = entry.position if entry is not None else 0
            record = Record(
                scope=scope,
                tenant=tenant,
                target="",
                engaged=bool(rules),
                reason="",
                by=by,
                at=clock.text(clock.now()),
                number=after + 1,
                rules=rules,
            )
            position = await self._append(record.subject, msgspec.json.encode(record), after)
            if position:
                return position
        raise errors.BrokerUnavailableError(f"the {scope} of {tenant} could not be published")

    async def lookup(self, scope: Scope | Said, tenant: str, target: str) -> Entry | None:
        """The last message on a subject, as the stream's leader knows it.

        Raises:
            errors.BrokerError: it could not be read.
        """
        subject = subjects.control(scope, tenant, target)
        message = await jetstream.last(self.nc, subjects.CONTROL_STREAM, subject)
        if message is None:
            return None
        record = verified(self.keyring, subject, message.headers.get(signing.HEADER), message.payload)
        return Entry(position=message.position, record=record, payload=message.payload)

    async def _append(self, subject: str, payload: bytes, expected: int) -> int:
        """The sequence of the stored record, or 0 where another came first or nobody knows: look again."""
        headers = {jetstream.EXPECTED: str(expected), signing.HEADER: self.signer.sign(subject, payload)}
        points.reached("operator.before.control")
        try:
            position = await jetstream.publish(self.nc, subject, payload, headers)
        except errors.BrokerClosedError:
            raise
        except errors.BrokerUnavailableError:
            await asyncio.sleep(_PAUSE_SECONDS)
        except errors.BrokerError as error:
            if error.code not in jetstream.WRONG_SEQUENCE:
                raise
        else:
            points.reached("operator.after.control")
            return position
        return 0


def _is_stopped_by(entry: Entry | None, position: int) -> bool:
    return (
        entry is not None and entry.position == position and entry.record is not None and entry.record.engaged
    )


def _record(
    scope: Scope, tenant: str, target: str, *, engaged: bool, reason: str, by: str, after: int
) -> Record:
    return Record(
        scope=scope,
        tenant=tenant,
        target=target,
        engaged=engaged,
        reason=reason,
        by=by,
        at=clock.text(clock.now()),
        number=after + 1,  # sequences only grow
    )
