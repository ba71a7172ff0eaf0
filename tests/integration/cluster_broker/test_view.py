"""Who knows what is stopped, when servers of the broker stop, stand still, and believe that they still lead?"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from keelstep import errors
from keelstep.log import jetstream, subjects, tail
from keelstep.log.control import Control
from keelstep.log.identities import Role
from keelstep.log.view import View
from keelstep.testing import eventually
from keelstep.testing.cluster import RunningCluster
from tests.integration.cluster_broker import patience

CONTROL = subjects.CONTROL_STREAM
ROUNDS = 12
_QUESTIONS = 5


@contextlib.asynccontextmanager
async def viewing(cluster: RunningCluster, nc: Client) -> AsyncIterator[View]:
    """A program's view, current at first."""
    view = View(nc, cluster.installation.keyring)
    task = asyncio.create_task(view.run())
    try:
        await view.wait_current(30)
        yield view
    finally:
        task.cancel()
        await asyncio.wait({task})


async def an_operator(cluster: RunningCluster, url: str = "") -> Control:
    """Who stops things."""
    nc = await cluster.connect(Role.OPERATOR, url=url)
    site = cluster.installation
    return Control(nc, site.signer(Role.OPERATOR), site.keyring)


async def test_a_view_is_current_again_after_its_leader_was_killed_and_knows_what_was_stopped_meanwhile(
    cluster: RunningCluster, tenant: str
) -> None:
    """While nobody leads it says so instead of guessing."""
    nc = await cluster.connect(Role.GATEWAY)
    async with viewing(cluster, nc) as view:
        control = await an_operator(cluster)
        await cluster.kill(await cluster.leader_of(CONTROL, control.nc))
        await eventually.true(lambda: not view.is_current, "the view says that it does not know")
        with pytest.raises(errors.ControlUnavailableError):
            view.check(tenant, "s", "t", "x")
        position = await patience.patiently(control.engage, "tool", tenant, "t", reason="danger", by="ann")
        # current is who knows what was stored two seconds ago; the record itself may still be on its way
        await eventually.true(lambda: view.position >= position, "the view hears of it")
        await view.wait_current(60)
        found = view.check(tenant, "s", "t", "x")
        assert found is not None
        assert found.target == "t"


async def test_a_leader_that_stood_still_while_another_was_chosen_is_not_believed(
    cluster: RunningCluster, tenant: str
) -> None:
    """It answers from before the stop, as the leader it once was: no view is current by its word."""
    admin = await cluster.connect(Role.OPERATOR)
    for turn in range(ROUNDS):
        await cluster.settled()
        former = await cluster.leader_of(CONTROL, admin)
        nc = await cluster.connect(Role.GATEWAY, url=cluster.url_of(former))
        control = await an_operator(cluster, cluster.url_of(cluster.others(former)[0]))
        answers = await _listen(nc)
        async with viewing(cluster, nc) as view:
            cluster.freeze(former)
            position = await patience.patiently(
                control.engage, "tool", tenant, f"t{turn}", reason="danger", by="ann"
            )
            asked = asyncio.create_task(tail.place(nc, CONTROL))
            for _ in range(_QUESTIONS):
                await nc.publish(f"{jetstream.API}.STREAM.INFO.{CONTROL}", b"", reply=answers.inbox)
            cluster.thaw(former)
            while not (view.is_current and view.position >= position):
                assert not view.is_current, "current without what was acknowledged before"
                await asyncio.sleep(0)
            with contextlib.suppress(errors.BrokerUnavailableError):
                assert (await asked).last >= position
        if any(last < position for last in answers.heard):
            return
    raise AssertionError("no server answered from the past: this shows nothing")


class _Answers(msgspec.Struct):
    inbox: str
    heard: list[int]
    """The last sequences that servers named."""


class _State(msgspec.Struct):
    last_seq: int


class _Info(msgspec.Struct):
    state: _State | None = None


async def _listen(nc: Client) -> _Answers:
    found = _Answers(nc.new_inbox(), [])

    async def heard(message: Msg) -> None:
        state = msgspec.json.decode(message.data, type=_Info).state
        if state is not None:
            found.heard.append(state.last_seq)

    await nc.subscribe(found.inbox, cb=heard)
    await nc.flush()
    return found
