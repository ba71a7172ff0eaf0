"""What is stopped is known for sure, or nothing begins."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from keelstep import errors
from keelstep.events import clock, signing
from keelstep.log import control, jetstream, subjects, view
from keelstep.log.identities import Role
from keelstep.testing import eventually
from keelstep.testing.broker import RunningBroker


@dataclass(slots=True)
class Clock:
    """A boot clock that a test may move on."""

    ahead: int = 0

    def boot(self) -> int:
        """Nanoseconds."""
        return clock.boot() + self.ahead


@pytest_asyncio.fixture(loop_scope="session")
async def law(broker: RunningBroker) -> AsyncIterator[control.Control]:
    """The operator's hand on the shared broker."""
    law = await the_law(broker)
    yield law
    await law.nc.close()


async def the_law(broker: RunningBroker) -> control.Control:
    """The operator's hand on a broker."""
    site = broker.installation
    return control.Control(await broker.connect(Role.OPERATOR), site.signer(Role.OPERATOR), site.keyring)


@contextlib.asynccontextmanager
async def watching(broker: RunningBroker, boot: Clock | None = None) -> AsyncIterator[view.View]:
    """A gateway's view, current."""
    client = await broker.connect(Role.GATEWAY)
    seen = view.View(client, broker.installation.keyring, boot=(boot or Clock()).boot)
    task = asyncio.create_task(seen.run())
    try:
        await seen.wait_current()
        yield seen
        assert not task.done()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await client.close()


def is_stopped(seen: view.View, tenant: str, strategy: str = "s", tool: str = "t", xid: str = "x") -> bool:
    """What a gateway asks before anything begins."""
    return seen.check(tenant, strategy, tool, xid) is not None


@pytest.mark.parametrize(
    ("scope", "target"),
    [("tenant", ""), ("strategy", "support"), ("tool", "refund.issue"), ("execution", "xid")],
)
async def test_each_scope_stops_what_it_covers(
    broker: RunningBroker, law: control.Control, tenant: str, scope: control.Scope, target: str
) -> None:
    """Engaged, it stops that call and no other tenant's; lifted by its number, the call is free again."""
    async with watching(broker) as seen:
        call = (tenant, "support", "refund.issue", "xid")
        assert seen.check(*call) is None
        engaged_at = await law.engage(scope, tenant, target, reason="drill", by="ann")
        found = await eventually.true(lambda: seen.check(*call), "the stop is seen")
        assert found is not None
        assert (found.scope, found.reason, found.by) == (scope, "drill", "ann")
        assert seen.check(f"{tenant}-2", *call[1:]) is None
        await law.lift(scope, tenant, target, engaged_at=engaged_at, reason="over", by="bob")
        await eventually.true(lambda: seen.check(*call) is None, "the lift is seen")


async def test_a_view_that_starts_later_knows_it_too(
    broker: RunningBroker, law: control.Control, tenant: str
) -> None:
    """Kill is state: a gateway that was not there when it was engaged refuses from its first call."""
    await law.engage("strategy", tenant, "s", reason="drill", by="ann")
    async with watching(broker) as seen:
        assert is_stopped(seen, tenant)


async def test_what_is_stopped_stays_as_it_is(law: control.Control, tenant: str) -> None:
    """Engaging again is no second record: the first reason and number stand."""
    first = await law.engage("tenant", tenant, "", reason="drill", by="ann")
    assert await law.engage("tenant", tenant, "", reason="again", by="bob") == first


async def test_a_lift_is_for_one_stop_only(law: control.Control, tenant: str) -> None:
    """A decision about an earlier stop lifts no later one, and nothing is lifted twice."""
    first = await law.engage("tenant", tenant, "", reason="one", by="ann")
    await law.lift("tenant", tenant, "", engaged_at=first, reason="over", by="bob")
    with pytest.raises(errors.ControlConflictError):
        await law.lift("tenant", tenant, "", engaged_at=first, reason="again", by="bob")
    second = await law.engage("tenant", tenant, "", reason="two", by="ann")
    with pytest.raises(errors.ControlConflictError):
        await law.lift("tenant", tenant, "", engaged_at=first, reason="late", by="bob")
    entry = await law.lookup("tenant", tenant, "")
    assert entry is not None
    assert entry.position == second


async def test_of_many_at_once_one_record_stops_it(law: control.Control, tenant: str) -> None:
    """Engaged by ten at once: all are told of the same record."""
    told = await asyncio.gather(
        *(law.engage("tool", tenant, "t", reason=f"{number}", by="ann") for number in range(10))
    )
    assert len(set(told)) == 1


async def test_a_forged_record_lifts_nothing_and_makes_everybody_refuse(own_broker: RunningBroker) -> None:
    """Unsigned, it changes no state; it may hide a stop, so nothing begins until the operator writes there again."""
    law = await the_law(own_broker)
    async with watching(own_broker) as seen:
        engaged_at = await law.engage("tenant", "t", "", reason="drill", by="ann")
        await eventually.true(lambda: is_stopped(seen, "t"), "the stop is seen")
        entry = await law.lookup("tenant", "t", "")
        assert entry is not None
        forged = entry.payload.replace(b'"engaged":true', b'"engaged":false')
        assert forged != entry.payload
        await jetstream.publish(
            law.nc, subjects.control("tenant", "t"), forged, {signing.HEADER: "op-1:AAAA"}
        )
        await eventually.true(lambda: not seen.is_current, "the forgery is seen")
        assert seen.stopped("t", "s", "tool", "x") is not None
        with pytest.raises(errors.ControlUnavailableError, match="does not verify"):
            seen.check("other", "s", "tool", "x")
        with pytest.raises(errors.ControlConflictError):
            await law.lift("tenant", "t", "", engaged_at=engaged_at, reason="over", by="bob")
        again = await law.engage("tenant", "t", "", reason="drill", by="ann")
        await eventually.true(lambda: seen.is_current, "a record of the operator's heals it")
        assert again > engaged_at
        assert is_stopped(seen, "t")


async def test_an_old_lift_written_again_lifts_nothing(own_broker: RunningBroker) -> None:
    """Its signature is good and its number is not: a later view that reads the whole history refuses it too."""
    law = await the_law(own_broker)
    first = await law.engage("tenant", "t", "", reason="one", by="ann")
    lift = await law.lift("tenant", "t", "", engaged_at=first, reason="over", by="bob")
    subject = subjects.control("tenant", "t")
    old = await jetstream.last(law.nc, subjects.CONTROL_STREAM, subject)
    assert old is not None
    assert old.position == lift
    await law.engage("tenant", "t", "", reason="two", by="ann")
    async with watching(own_broker) as seen:
        replay = {signing.HEADER: old.headers[signing.HEADER]}
        await jetstream.publish(law.nc, subject, old.payload, replay)
        await eventually.true(lambda: not seen.is_current, "the replay is seen")
        assert seen.stopped("t", "", "", "") is not None
    late = view.View(await own_broker.connect(Role.GATEWAY), own_broker.installation.keyring)
    task = asyncio.create_task(late.run())
    await eventually.true(lambda: late.position > lift + 1, "the history is read")
    assert late.stopped("t", "", "", "") is not None
    with pytest.raises(errors.ControlUnavailableError):
        late.check("t", "", "", "")
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_a_view_without_recent_proof_refuses(broker: RunningBroker, tenant: str) -> None:
    """Two seconds by the boot clock: a process that was stopped for longer asks again before anything begins."""
    boot = Clock()
    async with watching(broker, boot) as seen:
        assert not is_stopped(seen, tenant)
        boot.ahead = 3 * clock.SECOND
        with pytest.raises(errors.ControlUnavailableError, match="last known"):
            is_stopped(seen, tenant)
        await seen.wait_current()
        assert not is_stopped(seen, tenant)


async def test_a_view_of_a_broker_that_does_not_answer_refuses(own_broker: RunningBroker) -> None:
    """The connection is open and silent: after two seconds nobody may begin; when it answers again, they may."""
    async with watching(own_broker) as seen:
        own_broker.freeze()
        await eventually.true(lambda: not seen.is_current, "the silence is noticed")
        own_broker.thaw()
        await seen.wait_current()


async def test_a_view_refuses_while_disconnected_and_recovers(own_broker: RunningBroker) -> None:
    """No broker, no beginning; back again, it knows what was engaged while it was away."""
    async with watching(own_broker) as seen:
        await own_broker.kill()
        await eventually.true(lambda: not seen.nc.is_connected, "the connection is lost")
        with pytest.raises(errors.ControlUnavailableError, match="not connected"):
            is_stopped(seen, "t")
        await own_broker.start()
        law = await the_law(own_broker)
        await law.engage("tenant", "t", "", reason="drill", by="ann")
        await seen.wait_current(20)
        assert is_stopped(seen, "t")


async def test_a_view_that_never_caught_up_refuses(broker: RunningBroker) -> None:
    """Before the first proof nothing is known, so nothing begins."""
    client = await broker.connect(Role.GATEWAY)
    seen = view.View(client, broker.installation.keyring)
    with pytest.raises(errors.ControlUnavailableError, match="not caught up"):
        seen.check("t", "s", "tool", "x")
    await client.close()
