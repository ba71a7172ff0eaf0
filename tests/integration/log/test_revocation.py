"""A runner's identity ends when the operator says so, or at its expiry, and stays ended."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from nats.aio.client import Client

from keelstep import errors
from keelstep.events import clock
from keelstep.log import identities, jetstream, revocation, subjects, tokens
from keelstep.log.identities import Role
from keelstep.log.tokens import Credentials, Key
from keelstep.testing import eventually
from keelstep.testing.broker import RunningBroker
from tests.chaos.links import Link


@pytest_asyncio.fixture(loop_scope="session")
async def revoker(broker: RunningBroker) -> AsyncIterator[revocation.Revoker]:
    """The operator's, on the shared broker."""
    made = await a_revoker(broker)
    yield made
    await made.nc.close()


async def a_revoker(broker: RunningBroker) -> revocation.Revoker:
    """The operator's, on a broker; another one is an operator that has started again."""
    site = broker.installation
    return revocation.Revoker(await broker.connect(Role.SYSTEM), site.accounts.run, site.operator_key)


async def runner(broker: RunningBroker, credentials: Credentials, xid: str) -> Client:
    """A runner's connection."""
    return await broker.connect_as(credentials, subjects.inbox(xid, 1))


def in_an_hour() -> int:
    """An expiry."""
    return clock.now() + 3600 * clock.SECOND


async def test_a_revoked_runner_is_disconnected_for_good(
    broker: RunningBroker, revoker: revocation.Revoker, tenant: str, xid: str
) -> None:
    """Its connection is closed, it cannot come back, and its neighbour notices nothing."""
    mine, other = broker.attempt(tenant, xid), broker.attempt(tenant, "neighbour")
    client, neighbour = await runner(broker, mine, xid), await runner(broker, other, "neighbour")
    await revoker.revoke(mine.public_key, in_an_hour())
    await eventually.true(lambda: client.is_closed, "the connection is closed")
    with pytest.raises(errors.IdentityRefusedError):
        await runner(broker, mine, xid)
    assert await jetstream.publish(neighbour, subjects.spine(0, tenant, "neighbour", "a1"), b"on") > 0
    await neighbour.close()


async def test_a_runner_revoked_while_it_was_away_does_not_try_for_ever(
    broker: RunningBroker, revoker: revocation.Revoker, tenant: str, xid: str
) -> None:
    """Whether it reads the refusal or its connection is reset before: its identity will never be another one."""
    mine = broker.attempt(tenant, xid)
    link = Link("runner", 0, int(broker.url.rpartition(":")[2]))
    async with await link.serve() as server:
        port = server.sockets[0].getsockname()[1]
        client = await broker.connect_as(mine, subjects.inbox(xid, 1), url=f"nats://127.0.0.1:{port}")
        link.is_refusing = True
        await client.publish(subjects.spine(0, tenant, xid, "a1"), b"into the void")
        await eventually.true(lambda: not client.is_connected, "the connection is lost")
        assert not client.is_closed
        await revoker.revoke(mine.public_key, in_an_hour())
        link.is_refusing = False
        await eventually.true(lambda: client.is_closed, "the connection is closed")


async def test_a_revocation_survives_a_crash_of_the_broker(own_broker: RunningBroker) -> None:
    """The resolver keeps the account's token on disk, and the configuration's older one does not replace it."""
    revoker = await a_revoker(own_broker)
    mine = own_broker.attempt("t", "x")
    await revoker.revoke(mine.public_key, in_an_hour())
    await own_broker.restart(kill=True)
    with pytest.raises(errors.IdentityRefusedError):
        await runner(own_broker, mine, "x")
    assert (await runner(own_broker, own_broker.attempt("t", "y"), "y")).is_connected


async def test_an_operator_that_starts_again_keeps_earlier_revocations(
    broker: RunningBroker, revoker: revocation.Revoker, tenant: str, xid: str
) -> None:
    """The list lives in the broker: the next operator adds to it."""
    first, second = broker.attempt(tenant, xid), broker.attempt(tenant, xid, 2)
    await revoker.revoke(first.public_key, in_an_hour())
    successor = await a_revoker(broker)
    await successor.revoke(second.public_key, in_an_hour())
    assert {first.public_key, second.public_key} <= set(await revoker.revoked())
    for credentials in (first, second):
        with pytest.raises(errors.IdentityRefusedError):
            await runner(broker, credentials, xid)
    await successor.nc.close()


async def test_revocations_at_the_same_time_are_all_kept(
    broker: RunningBroker, revoker: revocation.Revoker, tenant: str, xid: str
) -> None:
    """Fifty at once: none is lost to another."""
    keys = [Key.generate("user").public for _ in range(50)]
    await asyncio.gather(*(revoker.revoke(key, in_an_hour()) for key in keys))
    assert set(keys) <= set(await revoker.revoked())


async def test_what_another_operator_dropped_is_put_back(own_broker: RunningBroker) -> None:
    """A deposed operator that wakes up may store the list as it was; whoever works mends it."""
    before, after = await a_revoker(own_broker), await a_revoker(own_broker)
    mine = own_broker.attempt("t", "x")
    old = await before._token()
    await before.revoke(mine.public_key, in_an_hour())
    await after.revoked()
    stale = identities.with_revocations(old, {}, own_broker.installation.operator_key, clock.now())
    await before._ask(revocation._UPDATE, stale.encode())
    assert mine.public_key not in _held(await after._token())

    await after.mend()

    assert mine.public_key in await after.revoked()
    await before.nc.close()
    await after.nc.close()


def _held(token: str) -> dict[str, int]:
    return revocation._revocations(tokens.read(token))


async def test_a_revocation_is_dropped_once_the_identity_has_expired(
    broker: RunningBroker, revoker: revocation.Revoker
) -> None:
    """The list does not grow for ever: its entries carry the expiry, and the next change prunes."""
    short, long = Key.generate("user").public, Key.generate("user").public
    await revoker.revoke(short, clock.now() + 10 * clock.SECOND)
    assert short in await revoker.revoked()
    later = await a_revoker(broker)
    later.now = lambda: clock.now() + 600 * clock.SECOND
    await later.revoke(long, in_an_hour())
    held = await later.revoked()
    assert short not in held
    assert long in held
    await later.nc.close()


async def test_a_change_the_broker_refuses_is_an_error(broker: RunningBroker) -> None:
    """Signed with a key the installation does not know, nothing is revoked and nobody believes it was."""
    site = broker.installation
    stranger = revocation.Revoker(
        await broker.connect(Role.SYSTEM), site.accounts.run, Key.generate("operator")
    )
    with pytest.raises(errors.BrokerError):
        await stranger.revoke(Key.generate("user").public, in_an_hour())
    await stranger.nc.close()


async def test_more_revocations_than_the_broker_keeps_are_refused_with_a_reason(
    own_broker: RunningBroker,
) -> None:
    """A person is told what is full and what to do, and what was revoked before stays so."""
    revoker = await a_revoker(own_broker)
    kept = own_broker.attempt("t", "x").public_key
    await revoker.revoke(kept, in_an_hour())
    many = {f"U{number:055d}": in_an_hour() for number in range(12_000)}
    with pytest.raises(errors.Stalled, match="revoked identities have not expired yet") as full:
        await revoker.revoke_many(many)
    assert full.value.reason == "RevocationsFull"
    assert set(await revoker.revoked()) == {kept}


async def test_an_expired_identity_is_disconnected(broker: RunningBroker, tenant: str, xid: str) -> None:
    """The broker closes the connection at the token's expiry; nobody has to revoke it."""
    client = await runner(broker, broker.attempt(tenant, xid, lasts_seconds=1), xid)
    await eventually.true(lambda: client.is_closed, "the connection is closed")
