"""Does the bootstrap make what is missing, and leave alone what is there? On a real API server."""

import asyncio
import json
import os
import sys
from typing import Any

import pytest
from cryptography import x509

from keelstep import errors, kube
from keelstep.kube import Kube, Object
from keelstep_operator.bootstrap import objects, program
from keelstep_operator.bootstrap.settings import Settings
from tests.integration.kinds import plane
from tests.integration.kinds.plane import governed, namespace

__all__ = ["governed", "namespace"]

HOST = "keelstep-views.x.svc"
MADE = {
    *("keelstep-installation", "keelstep-operator", "keelstep-gateway", "keelstep-projector"),
    *("keelstep-reader", "keelstep-postgres", "keelstep-views-authority", "keelstep-views-tls"),
}


def settings(governed: plane.Governed, namespace: str, **changes: Any) -> Settings:
    """As the chart's Job has them."""
    given: dict[str, Any] = {
        "namespace": namespace,
        "postgres_host": "keelstep-postgres.x.svc",
        "views_hosts": (HOST,),
        "kubeconfig": governed.admin.kubeconfig,
    }
    return Settings(**{**given, **changes})


async def contents(governed: plane.Governed, namespace: str) -> dict[str, Object]:
    """What every Secret and ConfigMap of ours holds."""
    async with await Kube.connect(governed.admin.kubeconfig) as api:
        found = [
            each
            for kind in (kube.SECRETS, kube.CONFIG_MAPS)
            for each in (await api.list(kind, namespace)).items
        ]
    return {each["metadata"]["name"]: each["data"] for each in found if each["metadata"].get("labels")}


async def test_everything_is_made_once(governed: plane.Governed, namespace: str) -> None:
    """A second run finds it all and changes no byte: an upgrade replaces no key."""
    await program.run(settings(governed, namespace))
    first = await contents(governed, namespace)
    assert first.keys() >= MADE | {"keelstep-public", "keelstep-server"}
    await program.run(settings(governed, namespace))
    assert await contents(governed, namespace) == first


@pytest.mark.parametrize("lost", sorted(MADE - {"keelstep-installation", "keelstep-postgres"}))
async def test_what_is_lost_is_made_again_of_the_same_keys(
    lost: str, governed: plane.Governed, namespace: str
) -> None:
    """As after a death in the middle: whatever is there already fits what is made now."""
    await program.run(settings(governed, namespace))
    first = await contents(governed, namespace)
    async with await Kube.connect(governed.admin.kubeconfig) as api:
        await api.delete(kube.SECRETS, namespace, lost)
    await program.run(settings(governed, namespace))
    again = await contents(governed, namespace)
    if not lost.startswith("keelstep-views"):
        assert again == first
    shown = x509.load_pem_x509_certificate(_bytes(again["keelstep-views-tls"], "tls.crt"))
    authority = x509.load_pem_x509_certificate(_bytes(again["keelstep-views-authority"], "tls.crt"))
    shown.verify_directly_issued_by(authority)
    assert _bytes(again["keelstep-views-tls"], "ca.crt") == _bytes(
        again["keelstep-views-authority"], "tls.crt"
    )


async def test_two_at_once_make_one_installation(governed: plane.Governed, namespace: str) -> None:
    """Whoever comes first wins: every program's key is of the same installation."""
    given = settings(governed, namespace)
    await asyncio.gather(*(program.run(given) for _ in range(4)))
    found = await contents(governed, namespace)
    whole = {"metadata": {"name": "x"}, "data": found["keelstep-installation"]}
    for part in objects.build_parts(namespace, whole):
        assert found[part["metadata"]["name"]] == part["data"], part["metadata"]["name"]


async def test_what_a_person_keeps_is_not_made(governed: plane.Governed, namespace: str) -> None:
    """Where they said that they have it, and have not, it is said; nothing takes its place."""
    given = settings(governed, namespace, installation_secret="ours", installation_given=True)
    with pytest.raises(errors.InstallationError, match=f"there is no Secret ours in {namespace}"):
        await program.run(given)
    assert await contents(governed, namespace) == {}


async def test_a_printed_installation_is_one(governed: plane.Governed, namespace: str) -> None:
    """Printed, kept, applied by a person, and then used."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "keelstep_operator.bootstrap", "--print", namespace),
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()
    async with await Kube.connect(governed.admin.kubeconfig) as api:
        await api.create(kube.SECRETS, namespace, json.loads(printed))
    await program.run(settings(governed, namespace, installation_given=True))
    assert (await contents(governed, namespace)).keys() >= MADE | {"keelstep-public", "keelstep-server"}


async def test_a_wrong_setting_is_one_line(governed: plane.Governed, namespace: str) -> None:
    """Never a stack trace."""
    environment = {**os.environ, "KEELSTEP_NAMESPACE": namespace, "KEELSTEP_KUBECONFIG": "/nowhere"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "keelstep_operator.bootstrap"),
        env=environment,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert process.returncode == 2
    assert said.decode().count("\n") == 1
    assert "/nowhere" in said.decode()


def _bytes(data: Object, key: str) -> bytes:
    return objects.text({"data": data}, key).encode()
