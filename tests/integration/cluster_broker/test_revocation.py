"""A revoked runner is refused by every server, also by one that was away when it was revoked."""

import pytest

from keelstep import errors
from keelstep.events import clock
from keelstep.log import revocation, subjects
from keelstep.log.identities import Role
from keelstep.log.tokens import Credentials
from keelstep.testing import eventually
from keelstep.testing.cluster import RunningCluster


async def a_revoker(cluster: RunningCluster, url: str = "") -> revocation.Revoker:
    """The operator's; another one is an operator that has started again."""
    site = cluster.installation
    nc = await cluster.connect(Role.SYSTEM, url=url)
    return revocation.Revoker(nc, site.accounts.run, site.operator_key)


def in_an_hour() -> int:
    """An expiry."""
    return clock.now() + 3600 * clock.SECOND


async def is_refused(cluster: RunningCluster, node: str, who: Credentials, xid: str) -> bool:
    """Whether this server does not take that runner."""
    try:
        nc = await cluster.connect_as(who, subjects.inbox(xid, 1), url=cluster.url_of(node))
    except errors.IdentityRefusedError:
        return True
    await nc.close()
    return False


async def _revokes(revoker: revocation.Revoker, who: Credentials) -> bool:
    """Whether the broker took it, asked once."""
    try:
        await revoker.revoke(who.public_key, in_an_hour())
    except errors.BrokerUnavailableError:
        return False
    return True


async def test_a_revocation_is_everywhere_when_it_is_confirmed(
    cluster: RunningCluster, tenant: str, xid: str
) -> None:
    """Wherever the runner was connected it is cut off, and no server takes it again; its neighbour stays."""
    revoker = await a_revoker(cluster)
    mine, other = cluster.attempt(tenant, xid), cluster.attempt(tenant, "neighbour")
    clients = [
        await cluster.connect_as(mine, subjects.inbox(xid, 1), url=cluster.url_of(node))
        for node in cluster.nodes
    ]
    await revoker.revoke(mine.public_key, in_an_hour())
    for node, client in zip(cluster.nodes, clients, strict=True):
        assert await is_refused(cluster, node, mine, xid)
        assert not await is_refused(cluster, node, other, "neighbour")
        await eventually.true(lambda client=client: client.is_closed, f"{node} cut it off")  # type: ignore[misc]


@pytest.mark.parametrize("wiped", [False, True], ids=["kept its disk", "lost its disk"])
async def test_a_server_that_was_away_learns_of_a_revocation_when_it_is_back(
    cluster: RunningCluster, tenant: str, xid: str, wiped: bool
) -> None:
    """The servers compare what they hold; a crash afterwards changes nothing."""
    revoker = await a_revoker(cluster, cluster.url_of("nats-0"))
    mine = cluster.attempt(tenant, xid)
    await cluster.kill("nats-2")
    if wiped:
        cluster.wipe("nats-2")
    await revoker.revoke(mine.public_key, in_an_hour())
    await cluster.start("nats-2")
    await eventually.awaited(lambda: is_refused(cluster, "nats-2", mine, xid), "nats-2 refuses the runner")
    await cluster.kill("nats-2")
    await cluster.start("nats-2")
    assert await is_refused(cluster, "nats-2", mine, xid)


async def test_without_a_majority_nobody_says_that_an_identity_is_revoked(
    cluster: RunningCluster, tenant: str, xid: str
) -> None:
    """A list that one server alone holds could be dropped by whoever asks the other two."""
    revoker = await a_revoker(cluster, cluster.url_of("nats-0"))
    mine = cluster.attempt(tenant, xid)
    await cluster.kill("nats-1")
    await cluster.kill("nats-2")
    with pytest.raises(errors.BrokerUnavailableError, match="1 servers answered, 2 must"):
        await revoker.revoke(mine.public_key, in_an_hour())
    await cluster.start("nats-1")
    await eventually.awaited(lambda: _revokes(revoker, mine), "a majority to take it")
    assert await is_refused(cluster, "nats-1", mine, xid)


@pytest.mark.parametrize("answers_first", ["nats-0", "nats-1"])
async def test_an_operator_that_asks_a_server_that_was_away_drops_nobodys_revocation(
    cluster: RunningCluster, tenant: str, xid: str, answers_first: str
) -> None:
    """A new operator knows only what the broker tells it: a majority, of which each knows something."""
    first, second = cluster.attempt(tenant, xid), cluster.attempt(tenant, xid, 2)
    revoker = await a_revoker(cluster, cluster.url_of("nats-1"))
    await cluster.kill("nats-0")
    await revoker.revoke(first.public_key, in_an_hour())
    await cluster.start("nats-0")
    successor = await a_revoker(cluster, cluster.url_of(answers_first))
    await successor.revoke(second.public_key, in_an_hour())
    for node in cluster.nodes:
        assert await is_refused(cluster, node, second, xid)
        await eventually.awaited(
            lambda node=node: is_refused(cluster, node, first, xid),  # type: ignore[misc]
            f"{node} refuses the first runner",
        )
