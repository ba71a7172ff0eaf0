"""Payloads are written once and read back checked."""

import secrets

import pytest

from keelstep import errors
from keelstep.events import value as values
from keelstep.log import objects, subjects
from keelstep.log.identities import Role
from keelstep.testing.broker import RunningBroker

LARGE = secrets.token_bytes(4 * 1024 * 1024)


def sealed(payload: bytes) -> values.Value:
    """A Value that refers to the store."""
    return values.seal(payload, media_type=values.TEXT, salt=secrets.token_hex(8), inline_limit_bytes=0)


async def test_a_payload_comes_back_as_it_was(broker: RunningBroker, tenant: str, xid: str) -> None:
    """Four MiB put by a runner through the import, read by the gateway under the digest the Value names."""
    runner = await broker.connect_as(broker.attempt(tenant, xid), subjects.inbox(xid, 1))
    gateway = await broker.connect(Role.GATEWAY)
    value = sealed(LARGE)
    await objects.Objects(runner).put(tenant, xid, value, LARGE)
    assert await objects.Objects(gateway).open(tenant, xid, value) == LARGE
    assert await objects.Objects(gateway).get(tenant, xid, value.digest) == LARGE
    await runner.close()
    await gateway.close()


async def test_a_payload_put_twice_is_there_once(broker: RunningBroker, tenant: str, xid: str) -> None:
    """Already there is success: a retry after a lost acknowledgement needs no other care."""
    store = objects.Objects(await broker.connect(Role.GATEWAY))
    value = sealed(b"reply")
    await store.put(tenant, xid, value, b"reply")
    await store.put(tenant, xid, value, b"reply")
    assert await store.open(tenant, xid, value) == b"reply"
    await store.nc.close()


async def test_other_bytes_at_an_address_are_not_opened(broker: RunningBroker, tenant: str, xid: str) -> None:
    """Whoever wrote there first: the digest decides, the store is not trusted."""
    store = objects.Objects(await broker.connect(Role.GATEWAY))
    value = sealed(b"reply")
    await store.nc.publish(subjects.obj(tenant, xid, value.digest), b"forged")
    await store.put(tenant, xid, value, b"reply")
    with pytest.raises(values.MismatchError):
        await store.open(tenant, xid, value)
    await store.nc.close()


async def test_a_missing_payload_is_reported_as_missing(broker: RunningBroker, tenant: str, xid: str) -> None:
    """Neither replica nor leader has it: None from `get`, an error that names it from `open`."""
    store = objects.Objects(await broker.connect(Role.GATEWAY))
    value = sealed(b"never stored")
    assert await store.get(tenant, xid, value.digest) is None
    with pytest.raises(errors.PayloadMissingError, match=value.digest[:12]):
        await store.open(tenant, xid, value)
    await store.nc.close()


async def test_a_payload_must_match_its_value_before_it_is_stored(
    broker: RunningBroker, tenant: str, xid: str
) -> None:
    """A write-once address is never taken by the wrong bytes of an honest program."""
    store = objects.Objects(await broker.connect(Role.GATEWAY))
    value = sealed(b"right")
    with pytest.raises(values.MismatchError):
        await store.put(tenant, xid, value, b"wrong")
    assert await store.get(tenant, xid, value.digest) is None
    await store.nc.close()


async def test_a_payload_beyond_the_broker_limit_is_refused_at_once(
    broker: RunningBroker, tenant: str, xid: str
) -> None:
    """It is not tried again until the deadline: no retry makes it smaller."""
    store = objects.Objects(await broker.connect(Role.GATEWAY), deadline_seconds=600)
    payload = bytes(9 * 1024 * 1024)
    with pytest.raises(errors.BrokerError, match="too large"):
        await store.put(tenant, xid, sealed(payload), payload)
    await store.nc.close()


async def test_a_revision_is_found_by_its_digest(broker: RunningBroker, tenant: str) -> None:
    """The operator pins it, runner and gateway verify it; putting it again finds it there."""
    store = objects.Objects(await broker.connect(Role.OPERATOR))
    digest = await store.put_revision(tenant, b'{"kind":"ToolContract"}')
    assert await store.put_revision(tenant, b'{"kind":"ToolContract"}') == digest
    assert await store.get_revision(tenant, digest) == b'{"kind":"ToolContract"}'
    await store.nc.close()


async def test_a_forged_revision_is_refused(broker: RunningBroker, tenant: str) -> None:
    """Other bytes at its address: the digest an execution pinned is the only authority."""
    store = objects.Objects(await broker.connect(Role.OPERATOR))
    digest = "a" * 64
    await store.nc.publish(subjects.revision(tenant, digest), b"forged")
    with pytest.raises(errors.ObjectForgedError):
        await store.get_revision(tenant, digest)
    with pytest.raises(errors.PayloadMissingError):
        await store.get_revision(tenant, "b" * 64)
    await store.nc.close()


async def test_a_write_waits_for_a_broker_that_comes_back(own_broker: RunningBroker) -> None:
    """While the broker is down a payload is tried again, and it is stored once it is up."""
    runner = await own_broker.connect_as(own_broker.attempt("t", "x"), subjects.inbox("x", 1))
    operator = await own_broker.connect(Role.OPERATOR)
    value = sealed(b"late")
    await own_broker.restart(kill=True)
    await objects.Objects(runner).put("t", "x", value, b"late")
    assert await objects.Objects(operator).open("t", "x", value) == b"late"
