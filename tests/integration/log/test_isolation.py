"""A runner can append to its own log and ask the gateway, and nothing else, whatever it sends."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from nats.aio.msg import Msg

from keelstep import errors
from keelstep.log import follow, jetstream, subjects
from keelstep.log.identities import Role
from keelstep.log.reader import StreamReader
from keelstep.log.tail import Tail
from keelstep.testing import eventually
from keelstep.testing.broker import RunningBroker
from tests.integration.log import attacks
from tests.integration.log.stage import DIGEST, Stage, stage


@pytest_asyncio.fixture(loop_scope="session")
async def played(broker: RunningBroker, tenant: str, xid: str) -> AsyncIterator[Stage]:
    """An attacker beside a victim."""
    async with stage(broker, tenant, xid) as ready:
        yield ready


@pytest.mark.parametrize("what", attacks.SAY)
async def test_a_runner_may_not_publish_anywhere_else(played: Stage, what: str) -> None:
    """The broker refuses each of these by the identity's permissions, and says so."""
    before = await played.others()
    await played.say(attacks.SAY[what](played))
    await played.settle()
    assert any("permissions violation" in refusal.lower() for refusal in played.refusals)
    assert await played.others() == before
    assert not played.intruded


@pytest.mark.parametrize("what", attacks.HEAR)
async def test_a_runner_may_not_listen_anywhere_else(played: Stage, what: str) -> None:
    """The broker refuses each of these subscriptions, and nothing is heard on it."""
    await played.listen(attacks.HEAR[what](played))
    await played.settle()
    assert any("permissions violation" in refusal.lower() for refusal in played.refusals)
    assert not played.overheard


@pytest.mark.parametrize("what", attacks.REPLY)
async def test_the_answer_to_an_append_cannot_be_sent_to_do_harm(played: Stage, what: str) -> None:
    """The broker answers an append without asking whether the runner may speak there: the answer stays in its account."""
    before = await played.others()
    await played.say(played.event(), reply=attacks.REPLY[what](played))
    await played.settle()
    assert await played.others() == before
    assert not played.intruded


@pytest.mark.parametrize("what", attacks.REPLY)
async def test_the_answer_to_a_call_cannot_be_sent_to_do_harm(played: Stage, what: str) -> None:
    """A gateway's answer, of bytes the runner chose, stays in the runner's account too."""
    before = await played.others()
    for payload in (b"", b"{}"):
        await played.say(played.call(), payload, reply=attacks.REPLY[what](played))
    assert await _ask(played, b"ping") == b"ping", "the gateway has answered what came before"
    await played.settle()
    assert await played.others() == before
    assert not played.intruded


@pytest.mark.parametrize("what", attacks.HEADERS)
async def test_a_header_cannot_erase_or_forge(played: Stage, what: str) -> None:
    """On the runner's own subject too, the stream refuses whatever is more than an append."""
    before, own = await played.others(), await played.stored(played.event())
    with pytest.raises(errors.BrokerError) as refused:
        await jetstream.publish(played.attacker, played.event(), b"{}", attacks.HEADERS[what])
    assert refused.value.code > 0, "refused, not unanswered"
    assert await played.others() == before
    assert await played.stored(played.event()) == own


UNREADABLE = {
    "a status that is no text": b"XXXXXXXX \xff\xff\xffYY",
    "nothing behind the version": b"NATS/1.0",
    "a version alone": b"NATS/1.0\r\n",
    "a description that is no text": b"NATS/1.0 100 \xff\xfe\r\n\r\n",
    "bytes": b"\xff" * 40,
    "a name that is no text": b"NATS/1.0\r\n\xff\xfe: 1\r\n\r\n",
    "no line's end": b"NATS/1.0\r\nName: value",
}


@pytest.mark.parametrize("sentence", UNREADABLE)
async def test_headers_that_nobody_can_read_deafen_nobody(played: Stage, sentence: str) -> None:
    """A runner sends whatever bytes it likes for headers; who follows the shard or reads the log goes on."""
    heard: list[int] = []
    following = asyncio.create_task(follow.follow(played.operator, 0, lambda one: heard.append(one.position)))
    try:
        await eventually.awaited(lambda: _is_heard(played, heard), "the follower to hear")
        headers = UNREADABLE[sentence]
        sent = b"HPUB %s %d %d\r\n%sx\r\n" % (
            played.event().encode(),
            len(headers),
            len(headers) + 1,
            headers,
        )
        played.attacker._transport.write(sent)  # type: ignore[union-attr]  # the library would refuse such headers
        await played.attacker.flush()
        last = await jetstream.publish(played.operator, played.event(writer="op"), b"afterwards")
        await eventually.true(lambda: last in heard, "what comes afterwards is heard")
    finally:
        following.cancel()
    found = await StreamReader(played.operator, 0).read(played.tenant, played.own, 0)
    assert found[-1].payload == b"afterwards"
    assert found[-2].payload == b"x"


async def _is_heard(played: Stage, heard: list[int]) -> bool:
    """Of one message after the other, until any is heard: an answer may come before what it is about."""
    await jetstream.publish(played.operator, played.event(writer="op"), b"before")
    return bool(heard)


@pytest.mark.parametrize("status", ["100", "204", "404", "503"])
async def test_a_header_cannot_hide_what_comes_after_it(played: Stage, status: str) -> None:
    """A runner that writes the broker's own word into its event's headers blinds no reader of its log."""
    await jetstream.publish(played.attacker, played.event(), b"first", {"Status": status})
    await jetstream.publish(played.attacker, played.event(), b"second")
    found = await StreamReader(played.operator, 0).read(played.tenant, played.own, 0)
    assert [each.payload for each in found][-2:] == [b"first", b"second"]
    heard: list[int] = []
    following = Tail(
        nc=played.operator,
        stream=subjects.stream(0),
        subjects=[played.event(writer="*")],
        handle=lambda delivery: heard.append(delivery.position),
        start="last_per_subject",
    )
    task = asyncio.create_task(following.run())
    try:
        await eventually.true(lambda: found[-1].position in heard)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_an_object_cannot_be_replaced_or_rolled_up(played: Stage) -> None:
    """The first bytes at an address stay, whatever headers come with the second."""
    address = subjects.obj(played.tenant, played.own, DIGEST)
    for headers in ({}, {"Nats-Rollup": "sub"}, {"Nats-Rollup": "all"}, {"Nats-TTL": "1"}):
        with pytest.raises(errors.BrokerError):
            await jetstream.publish(played.attacker, address, b"other", headers)
    found = await jetstream.last(played.operator, subjects.OBJECTS_STREAM, address)
    assert found is not None
    assert found.payload == b"payload"


async def test_an_event_beyond_64_kib_is_refused(played: Stage) -> None:
    """The stream refuses it although the broker takes messages of that size."""
    with pytest.raises(errors.BrokerError) as refused:
        await jetstream.publish(played.attacker, played.event(), b"x" * 70_000)
    assert refused.value.code == jetstream.TOO_LARGE


async def test_a_runner_appends_to_its_own_log_and_learns_where(played: Stage) -> None:
    """What a runner is for: an append through the import is acknowledged with its sequence."""
    position = await jetstream.publish(played.attacker, played.event(), b"mine")
    found = await jetstream.last(played.operator, subjects.stream(0), played.event())
    assert found is not None
    assert (found.position, found.payload) == (position, b"mine")


async def test_a_runner_hears_several_answers_to_one_call(played: Stage) -> None:
    """A gateway sends heartbeats and chunks before its reply: the service is exported with a response stream."""
    gateway = await played.broker.connect(Role.GATEWAY)

    async def answer(message: Msg) -> None:
        for number in range(5):
            await gateway.publish(message.reply, str(number).encode())

    await gateway.subscribe(subjects.call_of_all(0, "model"), cb=answer)
    await gateway.flush()
    heard: list[bytes] = []

    async def hear(message: Msg) -> None:
        heard.append(message.data)

    inbox = played.attacker.new_inbox()
    await played.attacker.subscribe(inbox, cb=hear)
    await played.attacker.publish(
        subjects.call(0, played.tenant, played.own, 1, "model"), b"ask", reply=inbox
    )
    await eventually.true(lambda: len(heard) == 5, "five answers")
    assert heard == [b"0", b"1", b"2", b"3", b"4"]
    await gateway.close()


async def test_within_one_account_the_same_trick_deletes_a_stream(own_broker: RunningBroker) -> None:
    """Why there are two accounts, and why every user of CORE is trusted: a mere reader can delete a stream."""
    reader = await own_broker.connect(Role.READER)
    operator = await own_broker.connect(Role.OPERATOR)
    await reader.publish("$JS.API.DIRECT.GET.NAMES.names.none", b"", reply="$JS.API.STREAM.DELETE.CONTROL")

    async def is_gone() -> bool:
        try:
            await jetstream.call(operator, "STREAM.INFO.CONTROL", type=dict)
        except errors.BrokerError as error:
            return error.code == jetstream.STREAM_NOT_FOUND
        return False

    await eventually.awaited(is_gone, "the stream is deleted")


async def _ask(played: Stage, payload: bytes) -> bytes:
    answer = await played.attacker.request(played.call(), payload, timeout=60)
    return answer.data
