"""Every append is fenced, and each of its four outcomes is told apart (DESIGN §4)."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from keelstep import errors
from keelstep.domain import execution
from keelstep.domain.state import State
from keelstep.events import envelope, types
from keelstep.log import publish
from keelstep.log.identities import Role
from keelstep.log.reader import StreamReader
from keelstep.log.spine import Proposal
from keelstep.testing import eventually
from keelstep.testing.broker import RunningBroker
from tests.integration.spine import stage as stages
from tests.integration.spine.stage import Behind, Halting, Proxy, Stage


def checked(state: State, *, events: int) -> None:
    """That many valid events and nothing void."""
    assert (state.seq, state.voids) == (events, 0)


async def test_writers_extend_one_log_in_turn(stage: Stage) -> None:
    """Operator, gateway and runner, each on its own subject and connection, and all fold to the same state."""
    operator, gateway, runner = await stage.begun(), await stage.log(Role.GATEWAY), await stage.runner()
    await gateway.append(stages.called("gw-1"))
    await gateway.append(stages.replied)
    assert await runner.append(stages.planned) is not None
    folded = [await log.confirm() for log in (operator, gateway, runner)]
    folded += [await log.refresh() for log in (operator, gateway, runner)]
    for state in folded:
        checked(state, events=5)
    assert len({state.head for state in folded}) == 1
    assert [stored.writer for stored in await stage.stored()] == ["op", "op", "gw", "gw", "a1"]


async def test_writers_at_the_same_time_lose_nothing_and_double_nothing(stage: Stage) -> None:
    """Three operators race; each decides again in the state that was before it, and every append is an event."""
    await stage.begun()
    logs = [await stage.log() for _ in range(3)]

    async def many(number: int) -> None:
        for _ in range(8):
            assert await logs[number].append(stages.toggled) is not None

    await asyncio.gather(*(many(number) for number in range(3)))
    checked(await logs[0].refresh(), events=2 + 24)
    assert len(await stage.stored()) == 26


async def test_one_fact_that_many_want_to_record_is_recorded_once(stage: Stage) -> None:
    """Of ten gateways that claim the same call, one does; the others find it done."""
    await stage.begun()
    logs = [await stage.log(Role.GATEWAY) for _ in range(10)]
    claims = (log.append(stages.called(f"gw-{number}")) for number, log in enumerate(logs))
    events = await asyncio.gather(*claims)
    assert sum(event is not None for event in events) == 1
    checked(await logs[0].refresh(), events=3)


async def test_a_stale_writer_is_refused_and_decides_again(stage: Stage) -> None:
    """It is asked in the state it did not know, and appends only what it wants there (outcome 3)."""
    operator, other = await stage.begun(), await stage.log()
    await other.refresh()
    await operator.append(stages.toggled)
    asked: list[State] = []
    event = await other.append(stages.counting(stages.toggled, asked))
    assert event is not None
    assert [state.suspended is None for state in asked] == [True, False]
    assert (event.type, event.seq) == ("exec.resumed", 4)


async def test_a_writer_that_wants_nothing_any_more_appends_nothing(stage: Stage) -> None:
    """The other's event is enough, though its id is the same: an equal id is not mine (outcome 3)."""
    operator, other = await stage.begun(), await stage.log()
    await other.refresh()

    def end(state: State) -> Proposal | None:
        return None if state.cancelled else stages.proposal(
            "exec.cancelled", types.Interruption(by="ann", reason="x"), id="same"
        )  # fmt: skip

    assert await operator.append(end) is not None
    assert await other.append(end) is None
    checked(await other.refresh(), events=3)


async def test_a_writer_that_knows_nothing_learns_before_it_appends(stage: Stage) -> None:
    """A log that was never read is refused, reads and decides: no append is made from ignorance."""
    await stage.begun()
    other = await stage.log()
    assert await other.append(stages.started) is None
    assert (await other.append(stages.toggled)) is not None
    checked(other.state, events=3)


async def test_a_writer_that_must_give_up_says_so_and_appends_nothing(stage: Stage) -> None:
    """What `propose` raises comes out, and nothing was stored (outcome 4)."""
    log = await stage.begun()

    def fenced(state: State) -> Proposal | None:
        raise errors.FencedError("Superseded")

    with pytest.raises(errors.FencedError, match="Superseded"):
        await log.append(fenced)
    checked(await log.refresh(), events=2)


async def test_a_refusal_is_read_up_to_what_it_names_however_far_a_follower_is_behind(stage: Stage) -> None:
    """A stale answer to the read after a refusal is no sign that nothing is there."""
    operator = await stage.begun()
    nc = await stage.broker.connect(Role.OPERATOR)
    behind = Behind(StreamReader(nc, 0))
    other = await stage.log(nc=nc, reader=behind)
    await other.refresh()
    await operator.append(stages.toggled)
    behind.hidden = 3
    asked: list[State] = []
    event = await other.append(stages.counting(stages.toggled, asked))
    assert event is not None
    assert event.type == "exec.resumed"
    assert len(asked) == 2
    assert behind.hidden == 0


async def test_stored_times_are_the_brokers_once_confirmed(stage: Stage) -> None:
    """An acknowledgement carries no time; it is read back (DESIGN §4, time)."""
    log = await stage.begun()
    state = await log.confirm()
    assert [state.started_at, state.attempt_at] == [each.stored_at for each in await stage.stored()]
    assert log.read_position == state.position


async def test_confirming_outlasts_a_follower_that_is_behind(stage: Stage) -> None:
    """It returns when everything appended was read back, not before."""
    nc = await stage.broker.connect(Role.OPERATOR)
    behind = Behind(StreamReader(nc, 0), hidden=3)
    log = await stage.log(nc=nc, reader=behind)
    await log.append(stages.started)
    state = await log.confirm()
    assert behind.reads == 4
    assert state.started_at == (await stage.stored())[0].stored_at


@pytest_asyncio.fixture(loop_scope="session")
async def wire(broker: RunningBroker) -> AsyncIterator[Proxy]:
    """A wire to the broker that may be cut."""
    async with Proxy(broker.port) as proxy:
        yield proxy


async def lose_the_acknowledgement(stage: Stage, wire: Proxy, before: int) -> None:
    """Once the broker has stored the next message, and its word of it is lost, the wire is cut."""
    await eventually.awaited(lambda: _has_more(stage, before), "the message is stored")
    wire.is_deaf = False
    wire.cut()


async def _has_more(stage: Stage, before: int) -> bool:
    return len(await stage.stored()) > before


async def test_an_own_append_is_recognised_though_the_reading_breaks_off_behind_it(
    stage: Stage, wire: Proxy
) -> None:
    """A long log is read in parts: what was found in one is not forgotten where the next one fails (outcome 1)."""
    operator = await stage.begun()
    nc = await wire.connect(stage)
    log = await stage.log(nc=nc)
    await log.refresh()

    async def others_come_behind() -> None:
        await operator.refresh()
        await operator.append(stages.toggled)

    halting = Halting(StreamReader(await stage.broker.connect(Role.GATEWAY), 0), others_come_behind)
    log.reader = halting
    asked: list[State] = []
    wire.is_deaf = True
    event, _ = await asyncio.gather(
        log.append(stages.counting(stages.toggled, asked)), lose_the_acknowledgement(stage, wire, 2)
    )
    assert event is not None
    assert event.type == "exec.suspended"
    assert (len(asked), halting.batches > 2) == (1, True)
    checked(await operator.refresh(), events=4)


async def test_a_lost_acknowledgement_stores_once_and_is_recognised(stage: Stage, wire: Proxy) -> None:
    """The bytes are found on the writer's own subject: stored, and proposed no second time (outcome 1)."""
    await stage.begun()
    nc = await wire.connect(stage)
    log = await stage.log(nc=nc)
    await log.refresh()
    asked: list[State] = []
    wire.is_deaf = True
    event, _ = await asyncio.gather(
        log.append(stages.counting(stages.toggled, asked)), lose_the_acknowledgement(stage, wire, 2)
    )
    assert event is not None
    assert (event.type, event.seq, len(asked)) == ("exec.suspended", 3, 1)
    checked(log.state, events=3)
    assert len(await stage.stored()) == 3
    await nc.close()


async def test_after_a_lost_acknowledgement_everything_read_is_folded_first(
    stage: Stage, wire: Proxy
) -> None:
    """Others wrote after it: their events are known before the writer acts on its own."""
    operator = await stage.begun()
    nc = await wire.connect(stage)
    log = await stage.log(nc=nc)
    await log.refresh()
    wire.is_deaf = True

    async def others() -> None:
        await eventually.awaited(lambda: _has_more(stage, 2), "the message is stored")
        await operator.append(stages.toggled)
        wire.is_deaf = False
        wire.cut()

    event, _ = await asyncio.gather(log.append(stages.toggled), others())
    assert event is not None
    assert event.seq == 3
    checked(log.state, events=4)
    await nc.close()


async def test_an_append_that_was_lost_is_published_again_byte_for_byte(stage: Stage, wire: Proxy) -> None:
    """Nothing new is there: the identical bytes go out with the same expectation, and nobody decides anew (outcome 2)."""
    await stage.begun()
    nc = await wire.connect(stage)
    log = await stage.log(nc=nc)
    await log.refresh()
    asked: list[State] = []
    publish = b"HPUB " + stage.subject("op").encode()
    wire.is_mute = True

    async def lose() -> None:
        await eventually.true(lambda: publish in wire.said, "it was published")
        wire.is_mute = False
        wire.cut()

    event, _ = await asyncio.gather(log.append(stages.counting(stages.toggled, asked)), lose())
    assert event is not None
    stored = await stage.stored()
    assert (len(stored), len(asked)) == (3, 1)
    assert wire.said.count(publish) == wire.said.count(stored[-1].payload) == 2
    await nc.close()


async def test_a_broker_that_answers_late_stores_once(own_stage: Stage, own_broker: RunningBroker) -> None:
    """It stood still while the append was on its way; the writer looked for it, and found it."""
    stage = own_stage
    log = await stage.begun()
    asked: list[State] = []
    own_broker.freeze()
    appending = asyncio.create_task(log.append(stages.counting(stages.toggled, asked)))
    await eventually.true(lambda: len(asked) == 1, "it was proposed")
    done, _ = await asyncio.wait({appending}, timeout=publish.TIMEOUT_SECONDS * 1.2)
    assert not done
    own_broker.thaw()
    assert await appending is not None
    assert (len(asked), len(await stage.stored())) == (1, 3)


async def test_a_broker_that_was_killed_keeps_what_it_acknowledged(
    own_stage: Stage, own_broker: RunningBroker
) -> None:
    """Appends go on through the restart: nothing acknowledged is lost, nothing is there twice."""
    stage = own_stage
    log = await stage.begun()
    acknowledged: list[bytes] = []

    async def append() -> None:
        for _ in range(30):
            event = await log.append(stages.toggled)
            assert event is not None
            acknowledged.append(event.envelope.id.encode())

    async def restart() -> None:
        await eventually.true(lambda: len(acknowledged) >= 5, "some are acknowledged")
        await own_broker.restart(kill=True)

    await asyncio.gather(append(), restart())
    checked(await log.refresh(), events=32)
    payloads = [stored.payload for stored in await stage.stored()]
    assert len(payloads) == 32
    assert all(sum(each in payload for payload in payloads) == 1 for each in acknowledged)


async def test_honest_writers_append_past_void_messages(stage: Stage) -> None:
    """A dishonest runner may store anything on its own subject: it is reported and changes nothing."""
    operator = await stage.begun()
    attacker = await stage.client()
    for payload in (b"", b"{}", b"[" * 60_000, b"\xff" * 100):
        await attacker.request(stage.subject("a1"), payload)
    event = await operator.append(stages.toggled)
    assert event is not None
    assert (operator.state.seq, operator.state.voids) == (3, 4)
    reasons = [outcome.reason for _, outcome in stage.reports if isinstance(outcome, execution.Void)]
    assert reasons == ["NotAnEvent"] * 4


async def test_a_flood_of_void_messages_does_not_keep_an_honest_writer_out(stage: Stage) -> None:
    """A kill must win against a runner in a tight loop."""
    operator, gateway = await stage.begun(), await stage.log(Role.GATEWAY)
    attacker = await stage.client()
    is_over = asyncio.Event()

    async def flood() -> None:
        while not is_over.is_set():
            await attacker.request(stage.subject("a1"), b"{}")

    async def work() -> None:
        for _ in range(5):
            assert await operator.append(stages.toggled) is not None
        is_over.set()

    async with asyncio.timeout(30):
        await asyncio.gather(flood(), flood(), work())
    state = await gateway.refresh()
    assert state.seq == 7
    assert state.voids > 0


async def test_nothing_is_appended_to_a_log_that_cannot_be_decided(stage: Stage) -> None:
    """An event of a newer program is there, signed and in its place: refuse, and name it."""
    log = await stage.begun()
    signer = stage.broker.installation.signer(Role.OPERATOR)
    head = envelope.decode((await stage.stored())[-1].payload)
    assert isinstance(head, envelope.Event)
    unknown = envelope.encode(
        envelope.Envelope(
            **{
                **{name: getattr(head.envelope, name) for name in head.envelope.__struct_fields__},
                "type": "exec.dreamt", "seq": 3, "prev": log.state.head,
            }
        )
    )  # fmt: skip
    subject = stage.subject("op")
    signature = {"Keelstep-Signature": signer.sign(subject, unknown)}
    await log.nc.request(subject, unknown, headers=signature)
    other = await stage.log()
    with pytest.raises(errors.UndecidableError, match=r"exec\.dreamt v1"):
        await other.append(stages.toggled)
    assert len(await stage.stored()) == 3


async def test_a_closed_connection_ends_an_append_at_once(stage: Stage) -> None:
    """The identity is revoked or the program is going down: nothing to wait for."""
    log = await stage.begun()
    await log.nc.close()
    async with asyncio.timeout(60):
        with pytest.raises(errors.BrokerClosedError):
            await log.append(stages.toggled)
        with pytest.raises(errors.BrokerClosedError):
            await log.refresh()


async def test_an_event_that_does_not_fit_is_the_writers_error(stage: Stage) -> None:
    """Its payloads belong into the object store; nothing is stored."""
    log = await stage.begun()
    huge = types.Interruption(by="ann", reason="x" * envelope.MAX_BYTES)
    with pytest.raises(errors.EventTooLargeError, match=r"exec\.suspended"):
        await log.append(lambda _: stages.proposal("exec.suspended", huge))
    checked(await log.refresh(), events=2)


async def test_what_a_program_wrote_and_is_void_is_a_fault_of_its_own(stage: Stage) -> None:
    """It is told, instead of going on from a state that nobody else has."""
    log = await stage.begun()
    with pytest.raises(errors.OwnEventVoidError, match="NotAllowed"):
        await log.append(lambda _: stages.proposal("exec.resumed", types.Interruption(by="ann", reason="x")))
