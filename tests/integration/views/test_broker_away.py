"""What does the views server say while the broker is away?"""

import ssl
from pathlib import Path

import aiohttp

from keelstep.testing import eventually
from keelstep.testing.broker import RunningBroker
from tests.integration.kinds import api, plane
from tests.integration.views import stage
from tests.integration.views.written import Writers


class Proxy:
    """The kube-apiserver's place: its client certificate, without it."""

    def __init__(self, governed: plane.Governed, port: int) -> None:
        self._url = f"https://127.0.0.1:{port}"
        self._context = ssl.create_default_context(cafile=str(governed.plane.ca_file))
        self._context.check_hostname = False
        pair = governed.plane.plan.pair("front-proxy")
        self._context.load_cert_chain(pair.certificate, pair.key)

    async def get(self, path: str) -> api.Answer:
        """GET any path of the server."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self._url}{path}", ssl=self._context) as response,
        ):
            return api.Answer(status=response.status, body=await response.json())


async def test_it_says_so_and_comes_back(
    own_broker: RunningBroker, governed: plane.Governed, tmp_path: Path
) -> None:
    """503 with a reason while the broker is away, discovery as ever (else no namespace could be deleted), then answers."""
    writers = await Writers.of(own_broker)
    await (await writers.bound("shop", "refund-1")).start()
    path = f"{stage.ROOT}/namespaces/shop/executiontraces/refund-1"
    async with stage.running(stage.environment(own_broker, governed), tmp_path / "views.log") as (_, port):
        proxy = Proxy(governed, port)

        async def answers(status: int) -> api.Answer | None:
            answer = await proxy.get(path)
            return answer if answer.status == status else None

        await eventually.awaited(lambda: answers(200), "the trace is served")
        await own_broker.kill()
        away = await eventually.awaited(lambda: answers(503), "the server says that the broker is away")
        assert away is not None
        assert away.body["reason"] == "ServiceUnavailable"
        assert away.message == "the broker that holds the log is away: the connection was lost"
        assert (await proxy.get(stage.ROOT)).is_ok
        await own_broker.start()
        await eventually.awaited(lambda: answers(200), "the trace is served again")


async def test_it_starts_without_a_broker(
    own_broker: RunningBroker, governed: plane.Governed, tmp_path: Path
) -> None:
    """It serves discovery and a reason from its first moment, and the log once there is one."""
    environ = stage.environment(own_broker, governed)
    await own_broker.stop()
    async with stage.running(environ, tmp_path / "views.log") as (process, port):
        proxy = Proxy(governed, port)
        assert (await proxy.get(stage.ROOT)).is_ok
        answer = await proxy.get(f"{stage.ROOT}/namespaces/shop/executiontraces")
        assert (answer.status, answer.body["reason"]) == (503, "ServiceUnavailable")
        assert process.returncode is None
        await own_broker.start()

        async def is_served() -> bool:
            return (await proxy.get(f"{stage.ROOT}/namespaces/shop/executiontraces")).is_ok

        await eventually.awaited(is_served, "the list is served")
