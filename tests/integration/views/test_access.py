"""Who may read a view?"""

import asyncio
import ssl

import aiohttp
import pytest

from hack.cluster import certificates
from keelstep.testing import eventually
from tests.integration.policies import samples
from tests.integration.views import stage
from tests.integration.views.written import Writers

KINDS = ("executiontraces", "executionlogs", "executionverifications")


@pytest.mark.parametrize("role", ["keelstep-viewer", "keelstep-author", "keelstep-approver"])
async def test_who_takes_part_may_read(
    role: str, views: stage.Views, writers: Writers, namespace: str
) -> None:
    """Each of these roles reads all three kinds in its own namespace, by name and as a list, and nowhere else."""
    await (await writers.bound(namespace, "refund-1")).start()
    user, elsewhere = f"{role}@shop.example", views.governed.namespace()
    await asyncio.to_thread(
        samples.bind,
        views.governed,
        namespace,
        user,
        {"kind": "ClusterRole", "name": role},
        samples.first_rule(role),
    )
    persona = views.governed.persona(user)
    for kind in KINDS:
        assert (await views.fetch(f"namespaces/{namespace}/{kind}/refund-1", persona)).is_ok
        assert (await views.fetch(f"namespaces/{namespace}/{kind}", persona)).is_ok
        assert (await views.fetch(f"namespaces/{elsewhere}/{kind}", persona)).status == 403
        assert (await views.fetch(kind, persona)).status == 403


async def test_a_person_without_the_role_is_refused_before_we_hear_of_it(
    views: stage.Views, writers: Writers, namespace: str
) -> None:
    """The kube-apiserver asks RBAC and says Forbidden; whether the execution exists is not told."""
    await (await writers.bound(namespace, "refund-1")).start()
    nobody = views.governed.persona("eve@elsewhere.example")
    for name in ("refund-1", "never"):
        spoken = await views.kubectl(
            "get", "executiontraces", name, f"--namespace={namespace}", persona=nobody
        )
        assert "Forbidden" in spoken.error
        assert f'"{name}" is forbidden: User "eve@elsewhere.example" cannot get resource' in spoken.error
    assert "eve@elsewhere.example" not in views.output.read_text()


async def test_whoever_may_read_one_by_name_lists_that_one_alone(
    views: stage.Views, writers: Writers, namespace: str
) -> None:
    """RBAC lets such a person list by a field selector of that name; the others stay unseen."""
    for name in ("refund-1", "refund-2"):
        await (await writers.bound(namespace, name)).start()
    user = "one@shop.example"
    role = ("--verb=get,list", "--resource=executiontraces.views.keelstep.io", "--resource-name=refund-1")
    of = f"--namespace={namespace}"
    assert (await views.kubectl("create", "role", "one", *role, of)).output
    assert (await views.kubectl("create", "rolebinding", "one", "--role=one", f"--user={user}", of)).output
    persona = views.governed.persona(user)
    path = f"namespaces/{namespace}/executiontraces"

    async def listed() -> list[str]:
        answer = await views.fetch(f"{path}?fieldSelector=metadata.name%3Drefund-1", persona)
        return [each["metadata"]["name"] for each in answer.body.get("items", [])]

    await eventually.awaited(listed, "RBAC to know the role")
    assert await listed() == ["refund-1"]
    assert (await views.fetch(path, persona)).status == 403


def _context(views: stage.Views, pair: certificates.Pair | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(views.governed.plane.ca_file))
    context.check_hostname = False
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)
    return context


async def _ask(views: stage.Views, path: str, pair: certificates.Pair | None) -> int:
    """GET as somebody who says they are the administrator."""
    claimed = {"X-Remote-User": "admin", "X-Remote-Group": "system:masters"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            f"https://127.0.0.1:{views.port}{path}", headers=claimed, ssl=_context(views, pair)
        ) as response,
    ):
        return response.status


def _front_proxy(views: stage.Views, user: str) -> certificates.Pair:
    """A certificate of the request-header authority."""
    plan = views.governed.plane.plan
    authority = certificates.Authority(pair=plan.pair("front-proxy-ca"))
    return authority.client(plan.folder / "users", f"proxy-{user}", user)


async def test_the_headers_count_for_nothing_without_the_certificate(views: stage.Views) -> None:
    """Whoever reaches the port and claims to be an administrator is unauthorized."""
    assert await _ask(views, f"{stage.ROOT}/executiontraces", None) == 401


async def test_a_certificate_of_the_cluster_is_not_enough(views: stage.Views) -> None:
    """A user's own client certificate is of another authority: the connection ends."""
    with pytest.raises(aiohttp.ClientError):
        await _ask(views, f"{stage.ROOT}/executiontraces", views.governed.plane.admin)


async def test_another_name_of_the_right_authority_is_not_enough(views: stage.Views) -> None:
    """Only the common names that the kube-apiserver is configured with may speak for people."""
    assert await _ask(views, f"{stage.ROOT}/executiontraces", _front_proxy(views, "another-proxy")) == 401
    assert (
        await _ask(views, f"{stage.ROOT}/executiontraces", _front_proxy(views, "front-proxy-client")) == 200
    )


@pytest.mark.parametrize("path", ["/readyz", "/livez", "/healthz"])
async def test_a_probe_needs_no_certificate(path: str, views: stage.Views) -> None:
    """The kubelet has none, and learns nothing but that the server answers."""
    assert await _ask(views, path, None) == 200
