"""A connection lasts until the identity ends, and says why it does not come about."""

from pathlib import Path

import pytest

from keelstep import errors
from keelstep.events import clock
from keelstep.log import connection, identities, installation, jetstream
from keelstep.log.identities import Role
from keelstep.log.tokens import Credentials, Key
from keelstep.testing import eventually
from keelstep.testing.broker import RunningBroker


async def test_a_connection_comes_back_after_the_broker_does(own_broker: RunningBroker) -> None:
    """It never gives up, and its owner is told of each change."""
    told: list[str] = []

    async def lost() -> None:
        told.append("lost")

    async def back() -> None:
        told.append("back")

    client = await own_broker.connect(Role.OPERATOR, on_disconnect=lost, on_reconnect=back)
    for _ in range(2):
        await own_broker.restart(kill=True)
        await eventually.true(lambda: client.is_connected and told[-1:] == ["back"], "connected again")
    assert told == ["lost", "back", "lost", "back"]
    assert await jetstream.call(client, "INFO", type=dict)


async def test_credentials_of_another_installation_are_refused_at_once(
    broker: RunningBroker, tmp_path: Path
) -> None:
    """A person must act: it is not tried again until the deadline."""
    wrong = installation.create(tmp_path / "other").credentials(Role.GATEWAY)
    with pytest.raises(errors.IdentityRefusedError, match="refused the identity of stranger"):
        await connection.connect(broker.url, wrong, "stranger", within_seconds=60)


async def test_no_broker_is_said_so_in_time() -> None:
    """Nobody listens at the address: an error that names it, not an endless silence."""
    credentials = _anybody()
    with pytest.raises(errors.BrokerUnavailableError, match=r"nats://127\.0\.0\.1:1"):
        await connection.connect("nats://127.0.0.1:1", credentials, "early", within_seconds=0.5)


async def test_a_credentials_file_is_read_again_at_each_connection(
    own_broker: RunningBroker, tmp_path: Path
) -> None:
    """A rotated file takes effect at the next reconnect, without a restart of the program."""
    site = own_broker.installation
    file = tmp_path / "rotated.creds"
    file.write_text(site.credentials(Role.READER).text())
    inbox = identities.inbox(Role.OPERATOR)
    client = await connection.connect(own_broker.url, file, "rotated", inbox_prefix=inbox)
    file.write_text(site.credentials(Role.OPERATOR).text())
    await own_broker.restart()
    await eventually.true(lambda: client.is_connected, "connected again")
    assert await jetstream.publish(client, "names.t.n", b"{}") > 0, "what only the operator may do"
    await client.close()


async def test_a_credentials_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Missing or broken: the person is told which file, before any connection is tried."""
    broken = tmp_path / "broken.creds"
    broken.write_text("-----BEGIN NOTHING-----")
    for file in (tmp_path / "missing.creds", broken):
        with pytest.raises(errors.IdentityRefusedError, match=file.name):
            await connection.connect("nats://127.0.0.1:1", file, "early", within_seconds=60)


async def test_a_clock_beyond_five_seconds_is_refused(broker: RunningBroker) -> None:
    """Off in either direction, the program refuses to work and says by how much; within, it works."""
    client = await broker.connect(Role.GATEWAY)
    await connection.check_clock(client, clock.now)
    for seconds, word in ((7, "ahead of"), (-7, "behind")):
        with pytest.raises(errors.ClockSkewError, match=word):
            await connection.check_clock(client, lambda off=seconds: clock.now() + off * clock.SECOND)  # type: ignore[misc]
    await client.close()


def _anybody() -> Credentials:
    key = Key.generate("user")
    return Credentials("a.b.c", key.seed, key.public)
