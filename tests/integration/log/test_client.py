"""A question finds its answer, however many are asked at once; and what is published is sent, whole and in order."""

import asyncio
import functools
import itertools
from collections.abc import AsyncIterator

import nats.errors
import pytest
import pytest_asyncio
from nats.aio.msg import Msg

from keelstep.log.client import Connection
from keelstep.testing import eventually
from keelstep.testing.broker import RunningBroker

SUBJECT = "testing.questions"
LARGE = 256 * 1024


@pytest_asyncio.fixture(loop_scope="session")
async def asking(broker: RunningBroker) -> AsyncIterator[Connection]:
    """Who asks."""
    client = await broker.administrator()
    yield client
    await client.close()


@pytest_asyncio.fixture(loop_scope="session")
async def answering(broker: RunningBroker) -> AsyncIterator[Connection]:
    """Who answers."""
    client = await broker.administrator()
    yield client
    await client.close()


async def test_each_answer_finds_who_asked_in_whatever_order_they_come(
    asking: Connection, answering: Connection
) -> None:
    """All questions of a connection share one inbox."""
    heard: list[Msg] = []

    async def hear(message: Msg) -> None:
        heard.append(message)
        if len(heard) == 50:
            for question in reversed(heard):
                await answering.publish(question.reply, b"answer to " + question.data)

    await answering.subscribe(SUBJECT, cb=hear)
    await answering.flush()
    questions = [b"%d" % number for number in range(50)]
    answers = await asyncio.gather(*(asking.request(SUBJECT, each, timeout=60) for each in questions))
    assert [answer.data for answer in answers] == [b"answer to " + each for each in questions]
    assert len({question.reply.rpartition(".")[0] for question in heard}) == 1


async def test_an_answer_after_its_time_is_nobodys(asking: Connection, answering: Connection) -> None:
    """Who gave up may have asked something else meanwhile; and a second answer changes nothing."""
    heard: asyncio.Queue[Msg] = asyncio.Queue()
    await answering.subscribe(SUBJECT, cb=heard.put)
    await answering.flush()
    with pytest.raises(nats.errors.TimeoutError):
        await asking.request(SUBJECT, b"first", timeout=0.05)
    second = asyncio.create_task(asking.request(SUBJECT, b"second", timeout=60))
    first_asked, second_asked = await heard.get(), await heard.get()
    for question, answer in ((first_asked, b"late"), (second_asked, b"right"), (second_asked, b"again")):
        await answering.publish(question.reply, answer)
    assert (await second).data == b"right"


async def test_that_nobody_listens_is_said_at_once(asking: Connection) -> None:
    """The broker says so; nobody waits for the end of a patience."""
    with pytest.raises(nats.errors.NoRespondersError):
        await asking.request("testing.nobody", timeout=60)


async def test_a_connection_that_is_closed_ends_who_waits_for_an_answer(
    asking: Connection, answering: Connection
) -> None:
    """None will come; what it is for must not stand still until its patience ends."""
    heard: asyncio.Queue[Msg] = asyncio.Queue()
    await answering.subscribe(SUBJECT, cb=heard.put)
    await answering.flush()
    waiting = asyncio.create_task(asking.request(SUBJECT, timeout=600))
    await heard.get()
    await asking.close()
    async with asyncio.timeout(eventually.DEADLINE_SECONDS):
        with pytest.raises(nats.errors.ConnectionClosedError):
            await waiting


async def test_questions_are_answered_after_the_broker_came_back(own_broker: RunningBroker) -> None:
    """The inbox is one for the connection's life, through every server it meets."""
    client = await own_broker.administrator()
    assert (await client.request("$JS.API.INFO", timeout=60)).data
    for restarts in (1, 2):
        await own_broker.restart(kill=True)
        reconnected = functools.partial(_has_reconnected, client, restarts)
        await eventually.true(reconnected, "connected again")
        assert (await client.request("$JS.API.INFO", timeout=60)).data


def _has_reconnected(client: Connection, times: int) -> bool:
    return client.is_connected and client.stats["reconnects"] >= times


async def test_what_the_network_does_not_take_at_once_arrives_whole_and_in_order(
    asking: Connection, answering: Connection
) -> None:
    """More than the system's buffers hold, from several tasks: some is written at once, some waits."""
    arrived: list[tuple[int, int, int]] = []

    async def hear(message: Msg) -> None:
        writer, number = message.data[:8].split()
        arrived.append((int(writer), int(number), len(message.data)))

    await answering.subscribe(SUBJECT, cb=hear)
    await answering.flush()

    async def write(writer: int) -> None:
        for number in range(40):
            payload = b"%3d %3d " % (writer, number)
            await asking.publish(SUBJECT, payload.ljust(LARGE if number % 2 else 8, b"."))

    await asyncio.gather(*map(write, range(4)))
    await eventually.true(lambda: len(arrived) == 160, "everything to arrive")
    for writer, found in itertools.groupby(
        sorted(arrived, key=lambda each: each[0]), key=lambda each: each[0]
    ):
        assert [number for _, number, _ in found] == list(range(40)), writer
    assert {size for _, _, size in arrived} == {8, LARGE}


async def test_a_subject_that_is_no_text_deafens_nobody(asking: Connection, answering: Connection) -> None:
    """A runner chooses the last word of where its payloads lie, and the broker takes any bytes."""
    heard: list[Msg] = []

    async def hear(message: Msg) -> None:
        heard.append(message)

    await answering.subscribe("testing.>", cb=hear)
    await answering.flush()
    for last in (b"\xff\xfe", "\u20ac".encode()):
        await asking._send_command(b"PUB testing.%s 4\r\nword\r\n" % last)  # the library publishes text only
    await asking.publish("testing.after", b"more")
    await eventually.true(lambda: len(heard) == 3, "everything to arrive")
    assert [message.subject for message in heard] == [
        "testing.\ufffd\ufffd",
        "testing.\u20ac",
        "testing.after",
    ]
