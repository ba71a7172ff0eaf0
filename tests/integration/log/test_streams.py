"""The streams are what the spine needs, or nobody starts."""

import pytest

from keelstep import errors
from keelstep.log import jetstream, streams, subjects
from keelstep.log.identities import Role
from keelstep.testing.broker import RunningBroker

SHARD = 7


async def test_streams_that_are_there_are_found_again(broker: RunningBroker) -> None:
    """Ensuring twice changes nothing, and what was created verifies: the broker keeps every setting we ask for."""
    operator = await broker.connect(Role.OPERATOR)
    await streams.ensure(operator)
    await streams.verify(operator)
    await operator.close()


async def test_a_missing_stream_is_named(broker: RunningBroker) -> None:
    """Whoever only verifies is told which stream is missing and who creates it."""
    gateway = await broker.connect(Role.GATEWAY)
    with pytest.raises(errors.StreamDiffersError, match="SPINE-99 does not exist"):
        await streams.verify(gateway, [99])
    await gateway.close()


@pytest.mark.parametrize(
    ("setting", "bent"),
    [
        ("allow_rollup_hdrs", {"allow_rollup_hdrs": True, "deny_purge": False}),
        ("allow_msg_ttl", {"allow_msg_ttl": True}),
        ("allow_msg_schedules", {"allow_msg_schedules": True, "discard": "old"}),
        ("max_msg_size", {"max_msg_size": 100}),
        ("republish", {"republish": {"src": ">", "dest": "copy.>"}}),
    ],
)
async def test_a_stream_that_could_be_bent_is_refused(
    own_broker: RunningBroker, setting: str, bent: dict[str, object]
) -> None:
    """A stream that somebody made differently is named with the setting, and nothing is changed."""
    operator = await own_broker.connect(Role.OPERATOR)
    made = {**streams.spine(SHARD, 1), **bent}
    await jetstream.call(operator, f"STREAM.CREATE.{subjects.stream(SHARD)}", made, type=dict)
    with pytest.raises(errors.StreamDiffersError, match=setting):
        await streams.ensure(operator, [SHARD])


async def test_no_program_of_ours_may_delete_or_purge_a_stream(broker: RunningBroker) -> None:
    """Not even the operator's permissions reach that far."""
    for role in (Role.OPERATOR, Role.GATEWAY, Role.PROJECTOR, Role.READER):
        client = await broker.connect(role)
        for what in ("DELETE", "PURGE", "UPDATE"):
            with pytest.raises(errors.BrokerUnavailableError):
                await jetstream.call(client, f"STREAM.{what}.NAMES", {}, type=dict, timeout=0.2)
        await client.close()


@pytest.mark.parametrize(
    ("role", "writer"),
    [
        (Role.GATEWAY, "op"),
        (Role.GATEWAY, "a1"),
        (Role.OPERATOR, "gw"),
        (Role.OPERATOR, "a1"),
        (Role.PROJECTOR, "op"),
        (Role.READER, "gw"),
    ],
)
async def test_each_program_writes_as_itself_only(
    broker: RunningBroker, tenant: str, xid: str, role: Role, writer: str
) -> None:
    """The broker enforces who is who: the writer token is the last of the subject."""
    client = await broker.connect(role)
    with pytest.raises(errors.BrokerUnavailableError):
        await jetstream.request(client, subjects.spine(0, tenant, xid, writer), b"{}", timeout=0.2)
    operator = await broker.connect(Role.OPERATOR)
    assert await jetstream.last(operator, subjects.stream(0), subjects.spine(0, tenant, xid, "*")) is None
    await client.close()
    await operator.close()


async def test_the_fence_covers_every_writer_of_an_execution(
    broker: RunningBroker, tenant: str, xid: str
) -> None:
    """An append that has not seen another writer's message is refused, and told which sequence to read up to."""
    operator, gateway = await broker.connect(Role.OPERATOR), await broker.connect(Role.GATEWAY)
    every = {"Nats-Expected-Last-Subject-Sequence-Subject": subjects.spine(0, tenant, xid, "*")}
    by_operator, by_gateway = (subjects.spine(0, tenant, xid, writer) for writer in ("op", "gw"))
    first = await jetstream.publish(operator, by_operator, b"1", {**every, jetstream.EXPECTED: "0"})
    second = await jetstream.publish(gateway, by_gateway, b"2", {**every, jetstream.EXPECTED: str(first)})
    with pytest.raises(errors.BrokerError, match=f"wrong last sequence: {second}") as refused:
        await jetstream.publish(operator, by_operator, b"3", {**every, jetstream.EXPECTED: str(first)})
    assert refused.value.code in jetstream.WRONG_SEQUENCE
    await operator.close()
    await gateway.close()
