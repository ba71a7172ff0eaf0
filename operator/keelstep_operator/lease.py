"""Who works, where several operators run? The holder of a Lease; the others stand by, connected.

The election is the Kubernetes client's own, over a lock of ours: the library's cannot create a Lease in the pinned
version, and takes an API server that is away for the end. A Lease keeps operators out of each other's way and no more:
that a deposed one which wakes up does no harm is the work of the fence, of resource versions and of UIDs. Who loses the
Lease ends the process, so that nothing it remembers outlives its turn.
"""

import asyncio
import contextlib
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable

import structlog
from kubernetes.aio import client as aio
from kubernetes.aio.leaderelection import electionconfig, leaderelection
from kubernetes.aio.leaderelection.leaderelectionrecord import LeaderElectionRecord
from kubernetes.aio.leaderelection.resourcelock import baselock

from keelstep import errors, kube
from keelstep.events import clock

log = structlog.get_logger(__name__)

NAME = "keelstep-operator"
DURATION_SECONDS = 12
"""A holder that fell silent is followed after so long, and a second at most."""
RENEW_SECONDS = 9
"""A holder that could not renew for so long ends, well before another may follow it."""
RETRY_SECONDS = 1
_ANSWER_SECONDS = 3.0
_NOT_FOUND = aio.ApiException(status=404, reason="Not Found")
_NOT_FOUND.body = '{"code": 404}'


class Lease:
    """The Lease of one shard's operators, as this process sees it."""

    def __init__(self, api: kube.Kube, namespace: str, shard: int) -> None:
        self._lock = _Lock(api, namespace, f"{NAME}-{shard}")
        self._election = leaderelection.LeaderElection(
            electionconfig.Config(
                self._lock,
                lease_duration=DURATION_SECONDS,
                renew_deadline=RENEW_SECONDS,
                retry_period=RETRY_SECONDS,
                onstarted_leading=_nothing,
                onstopped_leading=_nothing,
            )
        )

    async def acquire(self) -> None:
        """Wait until it is ours."""
        lock = self._lock
        log.info("standby", lease=lock.name, namespace=lock.namespace, identity=lock.identity)
        await self._election.acquire()
        log.info("lease_acquired", lease=lock.name, identity=lock.identity)

    async def hold(self) -> None:
        """Renew it; never returns.

        Raises:
            errors.LeaseLostError: it could not be renewed in time, or somebody else has it.
        """
        await self._election.renew_loop()
        lock = self._lock
        raise errors.LeaseLostError(
            f"the Lease {lock.namespace}/{lock.name} could not be renewed; another operator may work now"
        )

    async def release(self) -> None:
        """Name nobody as its holder, so that the next one need not wait for its end; nothing where it is not ours."""
        await self._lock.release()


@contextlib.asynccontextmanager
async def of(api: kube.Kube, namespace: str, shard: int) -> AsyncIterator[Lease]:
    """The Lease, given back at the end where it is ours."""
    lease = Lease(api, namespace, shard)
    try:
        yield lease
    finally:
        await lease.release()


class _Lock(baselock.BaseLock):
    """What the election reads and writes. An API server that is away or slow is one that said no."""

    def __init__(self, api: kube.Kube, namespace: str, name: str) -> None:
        super().__init__(name, namespace, f"{socket.gethostname()}_{secrets.token_hex(4)}")
        self._api = api
        self._found: kube.Object = {}

    async def get(
        self, name: str, namespace: str
    ) -> tuple[bool, LeaderElectionRecord] | tuple[bool, Exception] | tuple[bool, None]:
        """Whether there is one, and its record; or what stood in the way."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                self._found = await self._api.get(kube.LEASES, namespace, name)
        except errors.NotFoundError:
            return False, _NOT_FOUND
        except (errors.KubeError, TimeoutError) as error:
            return False, aio.ApiException(status=0, reason=str(error) or "no answer")
        spec = self._found.get("spec", {})
        duration = spec.get("leaseDurationSeconds")
        return True, LeaderElectionRecord(
            spec.get("holderIdentity"),
            str(duration) if duration else None,
            spec.get("acquireTime"),
            spec.get("renewTime"),
        )

    async def create(self, name: str, namespace: str, election_record: LeaderElectionRecord) -> bool:
        """Whether it was made, by us."""
        manifest = {
            "apiVersion": kube.LEASES.api_version,
            "kind": kube.LEASES.name,
            "metadata": {"name": name, "namespace": namespace},
            "spec": _spec(election_record),
        }
        return await self._is_done(self._api.create(kube.LEASES, namespace, manifest))

    async def update(self, name: str, namespace: str, updated_record: LeaderElectionRecord) -> bool:
        """Whether it says this now, nobody having changed it since we read it."""
        held = self._found.get("spec", {})
        spec = _spec(updated_record)
        if held.get("holderIdentity") == self.identity:
            spec["acquireTime"] = held["acquireTime"]
        return await self._is_done(self._api.replace(kube.LEASES, namespace, {**self._found, "spec": spec}))

    async def release(self) -> None:
        """Name nobody, unless somebody else is named."""
        is_read, _ = await self.get(self.name, self.namespace)
        spec = self._found.get("spec", {})
        if not is_read or spec.get("holderIdentity") != self.identity:
            return
        freed = {key: part for key, part in spec.items() if key != "holderIdentity"}
        if await self._is_done(
            self._api.replace(kube.LEASES, self.namespace, {**self._found, "spec": freed})
        ):
            log.info("lease_released", lease=self.name, identity=self.identity)

    async def _is_done(self, question: Awaitable[kube.Object]) -> bool:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                self._found = await question
        except (errors.KubeError, TimeoutError) as error:
            log.warning("lease_not_written", lease=self.name, why=str(error) or "no answer")
            return False
        return True


def _spec(record: LeaderElectionRecord) -> kube.Object:
    """As the API server keeps it; times in microseconds, by our own clock: only changes count, never their age."""
    now = clock.text(clock.now())
    return {
        "holderIdentity": record.holder_identity,
        "leaseDurationSeconds": DURATION_SECONDS,
        "acquireTime": now,
        "renewTime": now,
    }


async def _nothing() -> None:
    """The election's own callbacks are not used: `main` acquires, holds and releases."""
