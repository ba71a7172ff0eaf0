"""Does the server find out whom to believe, and keep the API server's word about itself true?"""

import asyncio
import base64
import contextlib
import os
import shutil
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from hack.cluster import certificates
from keelstep.kube import API_SERVICES, CONFIG_MAPS, Kube
from keelstep.testing import eventually
from keelstep.testing.broker import RunningBroker
from keelstep.views import registration, standing
from tests.integration.kinds import plane
from tests.integration.views import stage


@contextlib.asynccontextmanager
async def connected(governed: plane.Governed) -> AsyncIterator[Kube]:
    """The API server, as its administrator."""
    async with await Kube.connect(governed.admin.kubeconfig) as api:
        yield api


async def test_whom_to_believe_is_what_the_api_server_says(governed: plane.Governed) -> None:
    """Its own request-header authority and the names it shows, from the ConfigMap it writes for its extensions."""
    async with connected(governed) as api:
        found = await standing.read_patiently(api)
    assert found.authority.strip() == governed.plane.front_proxy_ca_file.read_text().strip()
    assert found.allowed_names == {"front-proxy-client"}


async def test_the_program_needs_no_file_of_the_cluster_s(
    views: stage.Views, broker: RunningBroker, governed: plane.Governed, tmp_path: Path
) -> None:
    """As the chart runs it: the authority is asked for, so that a certificate of it is believed and no other."""
    environ = stage.environment(broker, governed)
    del environ["KEELSTEP_REQUESTHEADER_CA_FILE"]
    environ["KEELSTEP_KUBECONFIG"] = str(governed.admin.kubeconfig)
    environ["HOME"] = os.environ["HOME"]
    async with stage.running(environ, tmp_path / "views.log") as (_, port):
        plan = governed.plane.plan
        authority = certificates.Authority(pair=plan.pair("front-proxy-ca"))
        proxy = authority.client(plan.folder / "users", "proxy-standing", "front-proxy-client")
        assert await _status(governed, port, proxy) == 200
        assert await _status(governed, port, None) == 401


async def test_the_api_server_is_told_the_authority_and_told_again(
    views: stage.Views, governed: plane.Governed
) -> None:
    """What somebody took away comes back; what is there already is not written again."""
    authority = governed.plane.ca_file.read_bytes()
    async with connected(governed) as api:
        found = await api.get(API_SERVICES, "", registration.NAME)
        await api.replace(API_SERVICES, "", {**found, "spec": {**found["spec"], "caBundle": None}})
        assert await standing.register(api, authority)
        told = await api.get(API_SERVICES, "", registration.NAME)
        assert base64.b64decode(told["spec"]["caBundle"]) == authority
        assert not await standing.register(api, authority)
        after = await api.get(API_SERVICES, "", registration.NAME)
        assert after["metadata"]["resourceVersion"] == told["metadata"]["resourceVersion"]
    await stage.available(views)


def test_a_renewed_certificate_is_shown_without_a_restart(tmp_path: Path, governed: plane.Governed) -> None:
    """And half a certificate, as while it is written, is not."""
    first = governed.plane.serving_pair("views-first", ("first.example",))
    second = governed.plane.serving_pair("views-second", ("second.example",))
    shown = certificates.Pair(certificate=tmp_path / "tls.crt", key=tmp_path / "tls.key")
    _put(first, shown)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(shown.certificate, shown.key)
    kept = standing.Certificate(context=context, certificate=shown.certificate, key=shown.key)
    assert not kept.refresh()
    shutil.copyfile(second.certificate, shown.certificate)
    assert not kept.refresh()
    _put(second, shown)
    assert kept.refresh()
    assert not kept.refresh()


async def test_another_authority_of_the_cluster_ends_the_server(
    governed: plane.Governed, tmp_path: Path
) -> None:
    """What it believed before must not be believed on: a new process begins with the new authority alone."""
    pair = governed.plane.serving_pair("views-third", ("third.example",))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    shown = standing.Certificate(context=context, certificate=pair.certificate, key=pair.key)
    async with connected(governed) as api:
        former = standing.Trust(authority="another", allowed_names=frozenset())
        task = asyncio.create_task(standing.keep(api, former, shown, None))
        await eventually.true(task.done, "it ends")
        assert isinstance(task.exception(), standing.TrustChangedError)
        assert await api.get(CONFIG_MAPS, "kube-system", "extension-apiserver-authentication")


def _put(pair: certificates.Pair, place: certificates.Pair) -> None:
    shutil.copyfile(pair.key, place.key)
    shutil.copyfile(pair.certificate, place.certificate)


async def _status(governed: plane.Governed, port: int, pair: certificates.Pair | None) -> int:
    """What a question straight to the server is answered, with or without a certificate."""
    context = ssl.create_default_context(cafile=str(governed.plane.ca_file))
    context.check_hostname = False
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"https://127.0.0.1:{port}{stage.ROOT}", ssl=context) as answer,
    ):
        return answer.status
