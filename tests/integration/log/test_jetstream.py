"""A request is answered, refused or given up; and a task that asks can always be ended."""

import asyncio

import pytest

from keelstep import errors
from keelstep.log import jetstream
from keelstep.log.identities import Role
from keelstep.testing.broker import RunningBroker


async def test_a_cancelled_task_ends_though_its_answer_came_at_that_moment(broker: RunningBroker) -> None:
    """Cancelled at any turn of the loop between question and answer: a swallowed one would keep a program alive."""
    client = await broker.connect(Role.OPERATOR)

    async def ask_for_ever() -> None:
        while True:
            await jetstream.call(client, "INFO", type=dict)

    for turns in range(100):
        task = asyncio.create_task(ask_for_ever())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task], timeout=60)
        assert task.cancelled(), f"cancelled after {turns} turns of the loop"
    await client.close()


async def test_a_refusal_carries_its_code(broker: RunningBroker) -> None:
    """Callers decide by code; the message is for people."""
    client = await broker.connect(Role.OPERATOR)
    with pytest.raises(errors.BrokerError, match="stream not found") as refused:
        await jetstream.call(client, "STREAM.INFO.NONE", type=dict)
    assert refused.value.code == jetstream.STREAM_NOT_FOUND
    await client.close()


async def test_a_subject_without_a_stream_is_unavailable_not_stored(broker: RunningBroker) -> None:
    """Nobody answers: the caller may not believe it was stored."""
    client = await broker.connect(Role.OPERATOR)
    with pytest.raises(errors.BrokerUnavailableError):
        await jetstream.publish(client, "spine.99.t.x.op", b"{}")
    await client.close()


async def test_a_closed_connection_says_so(broker: RunningBroker) -> None:
    """Closed for good is not the same as away: the program must end."""
    client = await broker.connect(Role.OPERATOR)
    await client.close()
    with pytest.raises(errors.BrokerClosedError):
        await jetstream.call(client, "INFO", type=dict)


async def test_the_callers_headers_are_left_alone(broker: RunningBroker) -> None:
    """The client library adds its own to a dict that it is given: not to ours."""
    client = await broker.connect(Role.OPERATOR)
    headers = {"Nats-Expected-Stream": "NAMES"}
    await jetstream.publish(client, "names.t.headers", b"{}", headers)
    assert headers == {"Nats-Expected-Stream": "NAMES"}
    await client.close()
