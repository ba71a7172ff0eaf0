"""Names, control records and objects are written once and for all, whichever server leads their stream meanwhile."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable

from keelstep.events import value as values
from keelstep.log import subjects
from keelstep.log.control import Control
from keelstep.log.identities import Role
from keelstep.log.names import Names
from keelstep.log.objects import Objects
from keelstep.testing import eventually
from keelstep.testing.cluster import RunningCluster
from tests.integration.cluster_broker import patience

WRITES = 24


async def test_names_have_one_owner_through_a_change_of_leader(cluster: RunningCluster, tenant: str) -> None:
    """Two contenders for each name: both are told of the same log, and later the same again."""
    contenders = [Names(await cluster.connect(Role.OPERATOR)) for _ in range(2)]
    owners: dict[str, set[str]] = {f"run-{number}": set() for number in range(WRITES)}

    async def bind(number: int) -> None:
        for name in owners:
            bound = await patience.patiently(contenders[number].bind, tenant, name, f"uid-{number}", "d")
            owners[name].add(bound.xid)

    await through_a_change_of_leader(
        cluster, subjects.NAMES_STREAM, lambda: len(owners["run-2"]), bind(0), bind(1)
    )
    for name, found in owners.items():
        entry = await patience.patiently(contenders[0].lookup, tenant, name)
        assert entry is not None
        assert found == {entry.record.xid}


async def test_what_was_stopped_stays_stopped_through_a_change_of_leader(
    cluster: RunningCluster, tenant: str
) -> None:
    """Every stop that was acknowledged is the last word on its subject, and there once."""
    site = cluster.installation
    control = Control(await cluster.connect(Role.OPERATOR), site.signer(Role.OPERATOR), site.keyring)
    stopped: dict[str, int] = {}

    async def engage() -> None:
        for number in range(WRITES):
            tool = f"tool-{number}"
            stopped[tool] = await patience.patiently(
                control.engage, "tool", tenant, tool, reason="danger", by="ann"
            )

    await through_a_change_of_leader(cluster, subjects.CONTROL_STREAM, lambda: len(stopped) > 2, engage())
    assert sorted(stopped.values()) == sorted(set(stopped.values()))
    for tool, position in stopped.items():
        entry = await control.lookup("tool", tenant, tool)
        assert entry is not None
        assert entry.record is not None
        assert (entry.position, entry.record.engaged) == (position, True)


async def test_objects_are_there_once_through_a_change_of_leader(
    cluster: RunningCluster, tenant: str, xid: str
) -> None:
    """What was acknowledged is read back as it was, from whichever server answers."""
    store = Objects(await cluster.connect(Role.GATEWAY))
    written: dict[str, tuple[values.Value, bytes]] = {}

    async def put() -> None:
        for _ in range(WRITES):
            payload = secrets.token_bytes(20_000)
            named = values.seal(payload, media_type=values.TEXT, salt=secrets.token_hex(8))
            await store.put(tenant, xid, named, payload)
            written[named.digest] = (named, payload)

    await through_a_change_of_leader(cluster, subjects.OBJECTS_STREAM, lambda: len(written) > 2, put())
    for named, payload in written.values():
        assert await patience.patiently(store.open, tenant, xid, named) == payload


async def through_a_change_of_leader(
    cluster: RunningCluster, stream: str, has_begun: Callable[[], object], *writing: Awaitable[None]
) -> None:
    """Kill the server that leads a stream once the writing has begun; it comes back only after all is written."""
    admin = await cluster.connect(Role.OPERATOR)
    leader = await cluster.leader_of(stream, admin)

    async def kill() -> None:
        await eventually.true(has_begun, "the first are written")
        await cluster.kill(leader)

    await asyncio.gather(kill(), *writing)
    assert await cluster.led_by_another(stream, leader, admin)
    await cluster.mend()
