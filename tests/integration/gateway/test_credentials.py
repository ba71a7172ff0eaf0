"""Where do a tenant's credentials come from? From one Secret, by name, which the tenant grants and may take back."""

import asyncio
import secrets as random
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from hack.cluster import controlplane
from hack.cluster.controlplane import ControlPlane
from hack.cluster.testing import API, control_plane, programs
from keelstep import errors, kube
from keelstep.kinds import names
from keelstep.testing import eventually
from keelstep_gateway.credentials import Secrets

__all__ = ["control_plane", "programs"]

GATEWAY = "system:serviceaccount:keelstep-system:keelstep-gateway"
ROLE = Path(__file__).parents[3] / "policies" / "rbac" / "gateway.yaml"
ROLES = kube.Kind(
    group="rbac.authorization.k8s.io",
    version="v1",
    plural="clusterroles",
    name="ClusterRole",
    is_namespaced=False,
)
BINDINGS = kube.Kind(
    group="rbac.authorization.k8s.io", version="v1", plural="rolebindings", name="RoleBinding"
)


class Tenant:
    """A namespace whose administrator we are."""

    def __init__(self, admin: kube.Kube, name: str) -> None:
        self.admin = admin
        self.name = name

    async def grant(self) -> None:
        """Let the gateway read the one Secret."""
        await self.admin.create(
            BINDINGS,
            self.name,
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": {"name": "gateway-credentials"},
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "ClusterRole",
                    "name": "keelstep-gateway",
                },
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": GATEWAY}],
            },
        )

    async def keep(self, **values: str) -> None:
        """Write the Secret anew."""
        await self.admin.delete(kube.SECRETS, self.name, names.CREDENTIALS_SECRET)
        await self.admin.create(
            kube.SECRETS,
            self.name,
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": names.CREDENTIALS_SECRET},
                "stringData": values,
            },
        )


@pytest_asyncio.fixture(loop_scope="session")
async def tenant_of_cluster(control_plane: ControlPlane) -> AsyncIterator[Tenant]:
    """A namespace of this test's own."""
    async with await kube.Kube.connect(control_plane.admin_kubeconfig) as admin:
        await admin.create_or_get(ROLES, "", yaml.safe_load(ROLE.read_text()))
        name = f"t-{random.token_hex(4)}"
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        await admin.create(kube.NAMESPACES, "", namespace)
        yield Tenant(admin, name)


@pytest_asyncio.fixture(loop_scope="session")
async def source(control_plane: ControlPlane) -> AsyncIterator[Secrets]:
    """The gateway's own eyes."""
    found = Secrets(await kube.Kube.connect(control_plane.kubeconfig_for(GATEWAY)))
    yield found
    await found.close()


async def test_a_granted_secret_is_read_and_followed(tenant_of_cluster: Tenant, source: Secrets) -> None:
    """A rotated credential is used without a restart."""
    await tenant_of_cluster.grant()
    await tenant_of_cluster.keep(token="one")

    async def reads(expected: str) -> bool:
        return await source.get(tenant_of_cluster.name, "token") == expected

    await eventually.awaited(lambda: reads("one"), "the credential is read")
    assert await source.get(tenant_of_cluster.name, "missing") is None
    await tenant_of_cluster.keep(token="two")
    await eventually.awaited(lambda: reads("two"), "the new credential is read")


async def test_a_secret_that_is_not_granted_is_none(tenant_of_cluster: Tenant, source: Secrets) -> None:
    """Without the tenant's RoleBinding there is nothing to be had, and no endless asking."""
    await tenant_of_cluster.keep(token="one")
    assert await source.get(tenant_of_cluster.name, "token") is None


async def test_no_other_secret_of_the_tenant_can_be_read(
    control_plane: ControlPlane, tenant_of_cluster: Tenant
) -> None:
    """Its only right in Kubernetes is that one name."""
    await tenant_of_cluster.grant()
    async with await kube.Kube.connect(control_plane.kubeconfig_for(GATEWAY)) as gateway:
        with pytest.raises(errors.ForbiddenError):
            await gateway.get(kube.SECRETS, tenant_of_cluster.name, "other")
        with pytest.raises(errors.ForbiddenError):
            await gateway.list(kube.SECRETS, tenant_of_cluster.name)


async def test_a_credential_that_was_read_serves_while_the_api_server_is_down(
    programs: Mapping[str, Path], tmp_path: Path
) -> None:
    """The data plane goes on; what was never read is not there for now, which is another thing than missing."""
    plane = await asyncio.to_thread(controlplane.start, tmp_path / "plane", programs, names=API)
    source = Secrets(await kube.Kube.connect(plane.kubeconfig_for(GATEWAY)))
    try:
        async with await kube.Kube.connect(plane.admin_kubeconfig) as admin:
            await admin.create_or_get(ROLES, "", yaml.safe_load(ROLE.read_text()))
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
            await admin.create(kube.NAMESPACES, "", namespace)
            tenant = Tenant(admin, "shop")
            await tenant.grant()
            await tenant.keep(token="one")

            async def reads() -> bool:
                return await source.get("shop", "token") == "one"

            await eventually.awaited(reads, "the credential is read")
        await asyncio.to_thread(plane.stop)
        assert await source.get("shop", "token") == "one"
        with pytest.raises(errors.KubeUnavailableError):
            await source.get("other", "token")
    finally:
        await source.close()
        await asyncio.to_thread(plane.stop)
