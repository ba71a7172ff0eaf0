"""Do a program's new credentials work beside its old ones, until those are revoked?"""

import pytest

from keelstep import errors
from keelstep.events import clock
from keelstep.log import identities, rotation, subjects
from keelstep.log.identities import Role
from keelstep.testing import eventually
from keelstep.testing.broker import RunningBroker


@pytest.mark.parametrize("role", [Role.GATEWAY, Role.OPERATOR, Role.SYSTEM])
async def test_old_credentials_end_when_they_are_revoked_and_not_before(
    own_broker: RunningBroker, role: Role
) -> None:
    """Both work; then who holds the old ones is disconnected and refused, also after a restart of the broker."""
    site = own_broker.installation.folder
    old = own_broker.installation.credentials(role)
    holder = await own_broker.connect_as(old, identities.inbox(role))
    rotation.apply(site, rotation.renew_credentials(rotation.read(site), role, clock.now()))
    renewed = await own_broker.connect(role)
    assert holder.is_connected
    assert renewed.is_connected
    system = await own_broker.connect(Role.SYSTEM)
    assert await rotation.revoke(system, rotation.read(site)) == [role]
    await eventually.true(lambda: holder.is_closed, "the old credentials are ended")
    await renewed.flush()
    await own_broker.restart()
    with pytest.raises(errors.IdentityRefusedError):
        await own_broker.connect_as(old, identities.inbox(role))
    assert (await own_broker.connect(role)).is_connected
    assert rotation.to_revoke(rotation.read(site)), "it stays revoked: the list says so for ever"


async def test_a_revoked_runner_stays_revoked_beside(
    own_broker: RunningBroker, tenant: str, xid: str
) -> None:
    """Programs and runners are in different accounts: one list does not touch the other."""
    site = own_broker.installation.folder
    rotation.apply(site, rotation.renew_credentials(rotation.read(site), Role.GATEWAY, clock.now()))
    system = await own_broker.connect(Role.SYSTEM)
    await rotation.revoke(system, rotation.read(site))
    runner = await own_broker.connect_as(own_broker.attempt(tenant, xid), subjects.inbox(xid, 1))
    assert runner.is_connected
