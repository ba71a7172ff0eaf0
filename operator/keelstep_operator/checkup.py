"""Does everything of an installation answer? Asked once from within the cluster, a line per fact: `helm test`.

    the API server knows our kinds · every Deployment is available · an operator holds the Lease
    the views API answers through the API server · gateways answer on the broker and know what is stopped

Nothing is changed. Exit code 0: all of it is so; 1: something is not; 2: wrong settings.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pydantic
import pydantic_settings

from keelstep import errors, kube
from keelstep import settings as environment
from keelstep.kube import Kind, Kube
from keelstep.log import connection, identities
from keelstep.log.identities import Role
from keelstep.views import registration, resources
from keelstep_operator import gateways, lease

PROGRAM = "keelstep-checkup"
TRIES, PAUSE_SECONDS = 15, 2.0
"""What is still coming up is asked again."""
_DEPLOYMENTS = Kind(group="apps", version="v1", plural="deployments", name="Deployment")
_TRACES = Kind(
    group=resources.GROUP,
    version=resources.VERSION,
    plural=resources.ExecutionTrace.plural,
    name=resources.ExecutionTrace.__name__,
)
_PART_OF = "app.kubernetes.io/part-of=keelstep"


class Settings(pydantic_settings.BaseSettings):
    """Read from the environment once, in `main`."""

    model_config = pydantic_settings.SettingsConfigDict(
        env_prefix="KEELSTEP_", frozen=True, use_attribute_docstrings=True
    )

    namespace: str = pydantic.Field(min_length=1)
    """The installation's namespace."""
    nats_url: str
    """The broker's address."""
    nats_credentials: Path
    """The credentials file of the broker identity `reader`."""
    nats_ca_file: Path | None = None
    """The CA of the broker's certificate. Default: the system's, where the address is `tls://`."""
    views: bool = True
    """Whether the views API is installed. Default: true."""
    kubeconfig: Path | None = None
    """How to reach the API server. Default: the Pod's own service account."""


class _NotSoError(Exception):
    """A fact does not hold; the message says what was found instead."""


def main() -> None:
    """Ask, and say what was found."""
    settings = environment.load(Settings, PROGRAM)
    try:
        sys.exit(asyncio.run(run(settings)))
    except errors.SettingsError as error:
        print(f"{PROGRAM}: {error.message}", file=sys.stderr)  # noqa: T201
        sys.exit(environment.EXIT_WRONG_SETTINGS)


async def run(settings: Settings) -> int:
    """Ask for every fact; the exit code.

    Raises:
        errors.SettingsError: there is no way to reach the API server.
    """
    async with await Kube.connect(settings.kubeconfig) as api:
        facts: dict[str, Callable[[], Awaitable[str]]] = {
            "kinds": lambda: _kinds(api),
            "programs": lambda: _programs(api, settings.namespace),
            "operator": lambda: _operator(api, settings.namespace),
            "gateways": lambda: _gateways(settings),
        }
        if settings.views:
            facts["views"] = lambda: _views(api)
        return max([await _told(name, fact) for name, fact in facts.items()])


async def _told(name: str, fact: Callable[[], Awaitable[str]]) -> int:
    why = ""
    for number in range(TRIES):
        if number:
            await asyncio.sleep(PAUSE_SECONDS)
        try:
            print(f"ok    {name}: {await fact()}", flush=True)  # noqa: T201
            return 0
        except (errors.KeelstepError, _NotSoError) as error:
            why = str(error)
    print(f"FAIL  {name}: {why}", flush=True)  # noqa: T201
    return 1


async def _kinds(api: Kube) -> str:
    for kind in (kube.STRATEGIES, kube.CONTRACTS, kube.EXECUTIONS, kube.GATES):
        await api.list(kind, limit=1)
    return "the API server knows all four"


async def _programs(api: Kube, namespace: str) -> str:
    found = (await api.list(_DEPLOYMENTS, namespace, labels=_PART_OF)).items
    lacking = [each["metadata"]["name"] for each in found if not _is_available(each)]
    if lacking or not found:
        raise _NotSoError(f"not available: {', '.join(lacking) or 'there is no Deployment'}")
    return ", ".join(each["metadata"]["name"] for each in found)


def _is_available(deployment: kube.Object) -> bool:
    conditions = deployment.get("status", {}).get("conditions", [])
    return any(each["type"] == "Available" and each["status"] == "True" for each in conditions)


async def _operator(api: Kube, namespace: str) -> str:
    spec = (await api.get(kube.LEASES, namespace, f"{lease.NAME}-0"))["spec"]
    if not spec.get("holderIdentity"):
        raise _NotSoError("no operator holds the Lease")
    age = (datetime.now(UTC) - datetime.fromisoformat(spec["renewTime"])).total_seconds()
    if age > lease.DURATION_SECONDS:
        raise _NotSoError(f"{spec['holderIdentity']} renewed the Lease {age:.0f} s ago")
    return f"{spec['holderIdentity']} works"


async def _views(api: Kube) -> str:
    found = (await api.list(_TRACES)).items
    return f"{registration.NAME} answers, with {len(found)} runs"


async def _gateways(settings: Settings) -> str:
    nc = await connection.connect(
        settings.nats_url,
        settings.nats_credentials,
        PROGRAM,
        inbox_prefix=identities.inbox(Role.READER),
        tls_ca=settings.nats_ca_file,
    )
    try:
        known = await gateways.positions(nc)
    finally:
        await nc.close()
    if not known:
        raise _NotSoError("no gateway answers on the broker")
    return f"{len(known)} answer"


if __name__ == "__main__":
    main()
