"""A name belongs to one log, whatever Kubernetes forgets."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from keelstep import errors
from keelstep.log import jetstream, names, subjects
from keelstep.log.identities import Role
from keelstep.testing.broker import RunningBroker


@pytest_asyncio.fixture(loop_scope="session")
async def register(broker: RunningBroker) -> AsyncIterator[names.Names]:
    """The names of the installation, as the operator writes them."""
    client = await broker.connect(Role.OPERATOR)
    yield names.Names(client)
    await client.close()


async def test_the_first_resource_gives_the_log_its_id(register: names.Names, tenant: str) -> None:
    """Its UID is the xid, and the record says so."""
    binding = await register.bind(tenant, "refund-7", "uid-1", "digest")
    assert (binding.xid, binding.is_adopted) == ("uid-1", False)
    entry = await register.lookup(tenant, "refund-7")
    assert entry is not None
    assert (entry.record.xid, entry.record.state, entry.position) == ("uid-1", "bound", binding.position)


async def test_the_same_resource_finds_its_binding_again(register: names.Names, tenant: str) -> None:
    """A lost acknowledgement, or an operator that starts again: asking twice writes once."""
    first = await register.bind(tenant, "refund-7", "uid-1", "digest")
    assert await register.bind(tenant, "refund-7", "uid-1", "digest") == first


async def test_an_equal_spec_under_a_new_uid_adopts_the_log(register: names.Names, tenant: str) -> None:
    """GitOps created it again, or etcd was lost: the same log, so no second set of effects."""
    await register.bind(tenant, "refund-7", "uid-1", "digest")
    again = await register.bind(tenant, "refund-7", "uid-2", "digest")
    assert (again.xid, again.is_adopted) == ("uid-1", True)


async def test_another_spec_under_the_same_name_is_refused(register: names.Names, tenant: str) -> None:
    """The person is told whose the name is and what to do."""
    await register.bind(tenant, "refund-7", "uid-1", "digest")
    with pytest.raises(errors.NameInUseError, match="belongs to run uid-1") as refused:
        await register.bind(tenant, "refund-7", "uid-2", "other digest")
    assert refused.value.reason == "NameInUse"


@pytest.mark.parametrize("payload", [b"{}", b"\xff", b'{"xid": 1}'])
async def test_what_is_no_record_is_named(register: names.Names, tenant: str, payload: bytes) -> None:
    """Whoever wrote it: nobody guesses which log the name belongs to."""
    await jetstream.publish(register.nc, subjects.name(tenant, "refund-7"), payload)
    with pytest.raises(errors.NameUnreadableError, match=f"name {tenant}/refund-7") as refused:
        await register.bind(tenant, "refund-7", "uid-1", "digest")
    assert refused.value.reason == "NameUnreadable"


async def test_a_released_name_begins_a_new_log(register: names.Names, tenant: str) -> None:
    """After an observed deletion the name is free again: even an equal spec is a new run."""
    await register.bind(tenant, "refund-7", "uid-1", "digest")
    assert await register.release(tenant, "refund-7", "uid-1", "operator")
    assert (await register.bind(tenant, "refund-7", "uid-2", "digest")).xid == "uid-2"


async def test_a_late_release_does_not_free_a_newer_binding(register: names.Names, tenant: str) -> None:
    """The deletion of the first run says nothing about the second, however often it is seen."""
    await register.bind(tenant, "refund-7", "uid-1", "digest")
    await register.release(tenant, "refund-7", "uid-1", "operator")
    await register.bind(tenant, "refund-7", "uid-2", "digest")
    assert await register.release(tenant, "refund-7", "uid-1", "operator")
    entry = await register.lookup(tenant, "refund-7")
    assert entry is not None
    assert (entry.record.xid, entry.record.state) == ("uid-2", "bound")


async def test_a_name_never_bound_has_nothing_to_release(register: names.Names, tenant: str) -> None:
    """Nothing is written for a resource that never started."""
    assert not await register.release(tenant, "never", "uid-1", "operator")
    assert await register.lookup(tenant, "never") is None


@pytest.mark.parametrize("released", [False, True])
async def test_of_twenty_at_once_one_gives_the_id(register: names.Names, tenant: str, released: bool) -> None:
    """The fence lets one record in, on a new name as on a released one; everybody learns the same xid."""
    if released:
        await register.bind(tenant, "refund-7", "uid-old", "digest")
        await register.release(tenant, "refund-7", "uid-old", "operator")
    uids = [secrets.token_hex(8) for _ in range(20)]
    bindings = await asyncio.gather(*(register.bind(tenant, "refund-7", uid, "digest") for uid in uids))
    (xid,) = {binding.xid for binding in bindings}
    assert [binding.is_adopted for binding in bindings].count(False) == 1
    assert xid in uids


async def test_the_record_survives_a_crash_of_the_broker(own_broker: RunningBroker) -> None:
    """Acknowledged is on disk: after a kill the name still has its log."""
    client = await own_broker.connect(Role.OPERATOR)
    binding = await names.Names(client).bind("t", "refund.with-dots", "uid-1", "digest")
    await own_broker.restart(kill=True)
    again = await own_broker.connect(Role.OPERATOR)
    entry = await names.Names(again).lookup("t", "refund.with-dots")
    assert entry is not None
    assert entry.position == binding.position
    assert subjects.name("t", "refund.with-dots") == "names.t.refund.with-dots"
