"""Where the views API is played: the real program behind the real kube-apiserver, registered as in production."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from keelstep.log.identities import Role
from keelstep.testing import eventually
from keelstep.testing.broker import RunningBroker
from keelstep.views import registration, resources
from tests.integration.kinds import api, plane
from tests.integration.policies import samples

START_SECONDS = 60.0
ROOT = f"/apis/{resources.API_VERSION}"


class Asker(api.Persona):
    """A persona whose questions keep their query."""

    def fetch(self, path: str) -> api.Answer:
        """GET any path, query included."""
        response = self._http.get(path)
        is_json = response.headers.get("Content-Type", "").startswith("application/json")
        body = response.json() if is_json else {"message": response.text}
        return api.Answer(status=response.status_code, body=body)


@dataclass(slots=True)
class Views:
    """A running views server and the cluster that forwards to it."""

    governed: plane.Governed
    process: asyncio.subprocess.Process
    port: int
    output: Path
    _askers: dict[Path, Asker] = field(default_factory=dict)

    async def kubectl(self, *arguments: str, persona: api.Persona | None = None) -> plane.Spoken:
        """Run kubectl while this process goes on."""
        return await asyncio.to_thread(self.governed.kubectl, *arguments, persona=persona)

    async def fetch(self, path: str, persona: api.Persona | None = None) -> api.Answer:
        """GET a path below the group, by default as admin."""
        file = (persona or self.governed.admin).kubeconfig
        asker = self._askers.setdefault(file, Asker(file))
        return await asyncio.to_thread(asker.fetch, f"{ROOT}/{path}")

    def close(self) -> None:
        """Close every persona's connections."""
        for asker in self._askers.values():
            asker.close()

    async def viewer(self, namespace: str, user: str = "vera@shop.example") -> api.Persona:
        """Someone who holds the role viewer in a namespace, and nothing else."""
        rule = {"apiGroups": [resources.GROUP], "resources": ["executiontraces"], "verbs": ["get"]}
        role = {"kind": "ClusterRole", "name": "keelstep-viewer"}
        await asyncio.to_thread(samples.bind, self.governed, namespace, user, role, rule)
        return self.governed.persona(user)


def environment(broker: RunningBroker, governed: plane.Governed) -> dict[str, str]:
    """What the program is started with."""
    serving = governed.plane.serving_pair("views", registration.hosts())
    installed = broker.installation
    return {
        "KEELSTEP_NATS_URL": broker.url,
        "KEELSTEP_NATS_CREDENTIALS": str(installed.credentials_file(Role.READER)),
        "KEELSTEP_KEYRING": str(installed.folder / "public" / "keyring.json"),
        "KEELSTEP_VIEWS_HOST": "127.0.0.1",
        "KEELSTEP_VIEWS_PORT": "0",
        "KEELSTEP_VIEWS_CERT_FILE": str(serving.certificate),
        "KEELSTEP_VIEWS_KEY_FILE": str(serving.key),
        "KEELSTEP_REQUESTHEADER_CA_FILE": str(governed.plane.front_proxy_ca_file),
    }


@contextlib.asynccontextmanager
async def running(
    environ: Mapping[str, str], output: Path
) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """The program, listening, and its port; ended as Kubernetes would end it."""
    with output.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "keelstep.views"), env={**os.environ, **environ}, stderr=errors
        )
    try:
        yield process, await _port(process, output)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(START_SECONDS):
                await process.wait()


async def _port(process: asyncio.subprocess.Process, output: Path) -> int:
    def told() -> int:
        assert process.returncode is None, output.read_text()
        lines = (json.loads(line) for line in output.read_text().splitlines())
        return next((int(line["port"]) for line in lines if line.get("event") == "ready"), 0)

    return await eventually.true(told, "the views server listens", within_seconds=START_SECONDS)


@contextlib.asynccontextmanager
async def registered(broker: RunningBroker, governed: plane.Governed, folder: Path) -> AsyncIterator[Views]:
    """The program, registered and found available by the kube-apiserver."""
    output = folder / "views.log"
    async with running(environment(broker, governed), output) as (process, port):
        views = Views(governed, process, port, output)
        authority = governed.plane.ca_file.read_bytes()
        manifests = [
            registration.build_local_service(port),
            registration.build_api_service(authority, port=port),
        ]
        file = folder / "registration.json"
        file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}))
        assert (await views.kubectl("apply", f"--filename={file}")).output
        try:
            await available(views)
            yield views
        finally:
            views.close()
            # A group that nobody serves keeps every namespace from being deleted, for the tests that come after.
            assert (await views.kubectl("delete", f"--filename={file}")).output


async def available(views: Views) -> None:
    """Wait until the kube-apiserver forwards the group."""
    name = f"apiservice/{resources.VERSION}.{resources.GROUP}"
    assert (await views.kubectl("wait", "--for=condition=Available", "--timeout=60s", name)).output


def masked(table: str) -> str:
    """A printed table without what is never the same twice: times, digests, keys."""
    rules = (
        (r"(?m)\b\d+s *$", "AGE"),
        (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
        (r"\+?\b\d+\.\d+ s\b", "#.# s"),
        (r"\b[0-9a-f]{12}\b", "############"),
        (r"\b(op|gw)-[0-9a-f]{8}\b", r"\1-########"),
    )
    for pattern, instead in rules:
        table = re.sub(pattern, instead, table)
    return "\n".join(re.sub(r" {2,}", "  ", line).rstrip() for line in table.splitlines()) + "\n"


def spans_masked(text: str) -> str:
    """A header without its times and shares of time, and without the room they take."""
    text = re.sub(r"\b\d+(\.\d+)? (ms|s|min|h)\b", "TIME", text)
    text = re.sub(r"(?m)^((?:models|tools|waiting|machinery)[a-z ]*TIME).*$", r"\1", text)
    return "\n".join(re.sub(r" {2,}", "  ", line).rstrip() for line in text.strip().splitlines())


def unstyled(text: str) -> str:
    """Without a terminal's escape sequences."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@contextlib.asynccontextmanager
async def displaced(views: Views) -> AsyncIterator[None]:
    """While it lasts, the APIService leads to a port where nobody listens."""
    name, namespace = registration.SERVICE, registration.NAMESPACE
    about = ("service", name, f"--namespace={namespace}", "--type=merge")

    def port(number: int) -> str:
        ports = registration.build_local_service(number)["spec"]["ports"]
        return json.dumps({"spec": {"ports": ports}})

    api_service = ("apiservice", f"{resources.VERSION}.{resources.GROUP}", "--type=merge")

    async def lead_to(number: int) -> None:
        assert (await views.kubectl("patch", *about, f"--patch={port(number)}")).output
        spec = json.dumps({"spec": {"service": {"port": number}}})
        assert (await views.kubectl("patch", *api_service, f"--patch={spec}")).output

    await lead_to(1)
    try:

        async def is_away() -> bool:
            return (await views.fetch("executiontraces")).status == 503

        await eventually.awaited(is_away, "the kube-apiserver finds nobody there")
        yield
    finally:
        await lead_to(views.port)
        await available(views)
        await eventually.awaited(lambda: _is_back(views), "the kube-apiserver forwards again")


async def _is_back(views: Views) -> bool:
    return (await views.fetch("executiontraces")).is_ok
