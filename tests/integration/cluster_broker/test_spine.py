"""The log outlives the server that leads it, and what a server that lags behind says leads to nothing wrong (DESIGN §4)."""

import asyncio
import secrets
from collections import Counter

from keelstep.domain.state import State
from keelstep.events import envelope, types
from keelstep.events.frame import Stored
from keelstep.log import subjects
from keelstep.log.identities import Role
from keelstep.log.reader import StreamReader
from keelstep.log.spine import Log, Proposal
from keelstep.testing import eventually
from keelstep.testing.cluster import RunningCluster
from tests.integration.spine import stage as stages
from tests.integration.spine.stage import Stage

SPINE = subjects.stream(0)
EXECUTIONS, EVENTS = 4, 25
"""How many executions are written to at once, and by each of two writers how many events."""
ROUNDS = 200


async def test_no_acknowledged_event_is_lost_or_doubled_when_the_leader_is_killed_under_load(
    cluster: RunningCluster, tenant: str
) -> None:
    """Two fenced writers per execution go on through it; every server then holds the same valid chains."""
    admin = await cluster.connect(Role.OPERATOR)
    acknowledged: Counter[str] = Counter()
    xids = [secrets.token_hex(16) for _ in range(EXECUTIONS)]
    writers: list[Log] = []
    for xid in xids:
        stage = Stage(cluster, tenant, xid)
        writers += [await stage.begun(), await stage.log()]

    async def write(log: Log) -> None:
        for _ in range(EVENTS):
            event = await log.append(stages.toggled)
            assert event is not None
            acknowledged[event.envelope.id] += 1

    async def kill_the_leader() -> str:
        await eventually.true(lambda: acknowledged.total() > len(writers), "some are acknowledged")
        leader = await cluster.leader_of(SPINE, admin)
        await cluster.kill(leader)
        return leader

    async with asyncio.TaskGroup() as group:
        killing = group.create_task(kill_the_leader())
        for log in writers:
            group.create_task(write(log))
    killed = killing.result()
    assert acknowledged.total() == len(acknowledged) == len(writers) * EVENTS
    await _assert_whole(cluster, tenant, xids, acknowledged)
    await cluster.start(killed)
    await cluster.settled()
    await _assert_whole(cluster, tenant, xids, acknowledged)


async def _assert_whole(
    cluster: RunningCluster, tenant: str, xids: list[str], acknowledged: Counter[str]
) -> None:
    """What is read holds every acknowledged event once, in valid chains."""
    found: Counter[str] = Counter()
    nc = await cluster.connect(Role.GATEWAY)
    for xid in xids:
        stage = Stage(cluster, tenant, xid)
        log = await stage.log(Role.GATEWAY, nc=nc)
        state = await log.refresh()
        assert (state.seq, state.voids) == (2 + 2 * EVENTS, 0)
        for stored in await StreamReader(nc, 0).read(tenant, xid, 0):
            found[_event_id(stored)] += 1
    assert set(found.values()) == {1}
    assert set(acknowledged) <= set(found)
    await nc.close()


async def test_a_decision_from_a_stale_read_ends_in_the_fence(cluster: RunningCluster, tenant: str) -> None:
    """A follower stood still and answers from before a kill: what is decided on that is refused, and decided again."""
    admin = await cluster.connect(Role.OPERATOR)
    leader = await cluster.leader_of(SPINE, admin)
    behind = cluster.others(leader)[0]
    ahead = await cluster.connect(Role.OPERATOR, url=cluster.url_of(leader))
    near = await cluster.connect(Role.GATEWAY, url=cluster.url_of(behind))
    for _ in range(ROUNDS):
        stage = Stage(cluster, tenant, secrets.token_hex(16))
        operator = await stage.log(nc=ahead)
        for first in (stages.started, stages.attempted):
            await operator.append(first)
        gateway = await stage.log(Role.GATEWAY, nc=near)
        await gateway.refresh()
        asked: list[State] = []
        cluster.freeze(behind)
        reading = asyncio.create_task(gateway.refresh())
        assert await operator.append(_killed) is not None
        cluster.thaw(behind)
        was_stale = not (await reading).is_over
        assert await gateway.append(stages.counting(_called, asked)) is None
        assert asked[-1].is_over
        assert [each.writer for each in await stage.stored()] == ["op"] * 3
        if was_stale:
            return
    raise AssertionError("no read was stale: this shows nothing")


def _event_id(stored: Stored) -> str:
    event = envelope.decode(stored.payload)
    assert isinstance(event, envelope.Event)
    return event.envelope.id


def _killed(state: State) -> Proposal:
    return stages.proposal("exec.killed", types.Interruption(by="ann", reason="danger"))


def _called(state: State) -> Proposal | None:
    return None if state.is_over else stages.called("gw-1")(state)


async def test_writers_wait_out_the_loss_of_the_majority(
    cluster: RunningCluster, tenant: str, xid: str
) -> None:
    """Two of three are gone: nothing is acknowledged, nobody gives up, and it goes on when they return."""
    stage = Stage(cluster, tenant, xid)
    log = await stage.begun()
    await cluster.settled()
    gone = cluster.others("nats-0")
    for node in gone:
        await cluster.kill(node)
    appending = asyncio.create_task(log.append(stages.toggled))
    done, _ = await asyncio.wait({appending}, timeout=3)
    assert not done, "one server alone must not acknowledge"
    for node in gone:
        await cluster.start(node)
    event = await appending
    assert event is not None
    await cluster.settled()
    state = await log.refresh()
    assert (event.seq, state.seq, state.voids) == (3, 3, 0)


async def test_the_log_survives_the_loss_of_every_disk_one_after_the_other(
    cluster: RunningCluster, tenant: str, xid: str
) -> None:
    """A server comes back empty under its name and takes everything from the others, what was written meanwhile too."""
    stage = Stage(cluster, tenant, xid)
    log = await stage.begun()
    for node in cluster.nodes:
        await cluster.kill(node)
        cluster.wipe(node)
        await log.append(stages.toggled)
        await cluster.start(node)
        await cluster.settled()
    stored = await stage.stored()
    assert (len(stored), envelope.digest(stored[-1].payload)) == (2 + len(cluster.nodes), log.state.head)
