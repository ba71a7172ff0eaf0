"""What runs while the operator is tested? A governed API server, a broker, and the operator as a process of its own.

The operator has the identity and the rights that its manifests give it, no more. Nothing here is a fake.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keelstep.log.identities import Role
from keelstep.testing import eventually
from keelstep.testing.broker import RunningBroker
from tests.integration.kinds import api, plane
from tests.integration.operator import manifests

WITHIN_SECONDS = 60.0


@dataclass(slots=True)
class OperatorProcess:
    """The operator, as it is installed."""

    environment: dict[str, str]
    log: Path
    _process: asyncio.subprocess.Process | None = None
    _mark: int = 0
    """Where the log of the process that runs now begins."""

    async def start(self, **more: str) -> None:
        """Start it; `more` settings hold for this start only."""
        process = await self.launch(**more)
        await eventually.true(
            lambda: process.returncode is not None or '"event": "ready"' in self.said_since_start(),
            "the operator started",
            within_seconds=60,
        )
        assert process.returncode is None, self.said_since_start()

    async def start_to_die(self, point: str) -> None:
        """Start it and wait until it has killed itself at this point."""
        await self.launch(KEELSTEP_CRASH_AT=point)
        await self.died()

    async def launch(self, **more: str) -> asyncio.subprocess.Process:
        """Start it and do not wait for anything."""
        assert self._process is None
        self._mark = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "keelstep_operator.main"),
                env={**self.environment, **more},
                stdout=output,
                stderr=output,
            )
        return self._process

    async def failed(self, **more: str) -> tuple[int, str]:
        """Start it where it must refuse; its exit status and all that it said."""
        environment = {**self.environment, **more}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "keelstep_operator.main"),
            env={name: value for name, value in environment.items() if value},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(WITHIN_SECONDS):
            output, _ = await process.communicate()
        return process.returncode or 0, output.decode()

    async def kill(self) -> None:
        """End it as a crash does."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """End it as Kubernetes does; its exit status."""
        return await self._end(signal.SIGTERM)

    def send(self, sign: signal.Signals) -> None:
        """Stop it, or let it go on."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(sign)

    async def ended(self) -> int:
        """Wait until it has ended by itself; its exit status."""
        assert self._process is not None
        async with asyncio.timeout(WITHIN_SECONDS):
            status = await self._process.wait()
        self._process = None
        return status

    async def died(self) -> None:
        """Wait until it has died by itself, as it was told to at a named point."""
        assert self._process is not None
        async with asyncio.timeout(WITHIN_SECONDS):
            status = await self._process.wait()
        self._process = None
        assert status == -signal.SIGKILL, self.said_since_start()

    def said(self, since: int = 0) -> str:
        """What it logged, from a place in the file on."""
        with self.log.open("rb") as file:
            file.seek(since)
            return file.read().decode(errors="replace")

    def said_since_start(self) -> str:
        """What it logged since it was last started."""
        return self.said(self._mark)

    async def _end(self, how: signal.Signals) -> int:
        process = self._process
        if process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(how)
        async with asyncio.timeout(WITHIN_SECONDS):
            status = await process.wait()
        self._process = None
        return status


@dataclass(slots=True)
class Stage:
    """Everything that runs."""

    governed: plane.Governed
    broker: RunningBroker
    operator: OperatorProcess
    folder: Path
    _namespaces: list[str] = field(default_factory=list)

    @property
    def admin(self) -> api.Persona:
        """A person who may do everything that no policy refuses."""
        return self.governed.admin

    def namespace(self, *objects: Callable[[str], api.Object]) -> str:
        """A fresh namespace, with these objects in it."""
        name = self.governed.namespace()
        for make in objects:
            self.create(make(name))
        return name

    def tenant(self) -> str:
        """A fresh namespace with the strategy and its contracts."""
        return self.namespace(manifests.contract, manifests.refund, manifests.strategy)

    def create(self, manifest: api.Object) -> api.Object:
        """Create an object; an Execution as who asks for it."""
        answer = self.admin.create(manifest)
        assert answer.is_ok, answer.message
        return answer.body

    def get(self, manifest: api.Object) -> api.Object | None:
        """The object as it is, or None."""
        answer = self.admin.get(manifest)
        return answer.body if answer.is_ok else None

    def patch(self, manifest: api.Object, patch: api.Object, who: api.Persona | None = None) -> api.Object:
        """Change an object by a merge patch."""
        answer = (who or self.admin).patch(manifest, patch)
        assert answer.is_ok, answer.message
        return answer.body

    def delete(self, manifest: api.Object) -> None:
        """Delete an object."""
        answer = self.admin.delete(manifest)
        assert answer.is_ok, answer.message

    async def until(
        self, manifest: api.Object, holds: Callable[[api.Object], Any], what: str = ""
    ) -> api.Object:
        """The object, once something holds for it."""

        def probe() -> api.Object:
            found = self.get(manifest)
            return found if found is not None and holds(found) else {}

        try:
            return await eventually.true(probe, what, within_seconds=WITHIN_SECONDS)
        except AssertionError as error:
            found = self.get(manifest)
            shown = json.dumps((found or {}).get("status"), indent=1)
            raise AssertionError(f"{what or 'it did not come about'}; its status: {shown}") from error

    async def until_phase(self, manifest: api.Object, phase: str, reason: str = "") -> api.Object:
        """The object, once it shows this phase (and reason)."""
        return await self.until(
            manifest,
            lambda found: (
                status(found).get("phase") == phase and (not reason or status(found).get("reason") == reason)
            ),
            f"phase {phase} {reason}",
        )

    async def until_gone(self, manifest: api.Object, what: str = "") -> None:
        """Return once the object does not exist."""
        await eventually.true(
            lambda: self.get(manifest) is None, what or "the object is gone", within_seconds=WITHIN_SECONDS
        )

    async def eventually(self, probe: Callable[[], Any], what: str) -> Any:
        """The first truthy answer."""
        return await eventually.true(probe, what, within_seconds=WITHIN_SECONDS)

    async def awaited(self, probe: Callable[[], Awaitable[Any]], what: str) -> Any:
        """The first truthy answer of something that is awaited."""
        return await eventually.awaited(probe, what, within_seconds=WITHIN_SECONDS)

    def events(self, manifest: api.Object) -> list[api.Object]:
        """The Kubernetes Events about an object."""
        namespace = manifest["metadata"]["namespace"]
        answer = self.admin.fetch(f"/apis/events.k8s.io/v1/namespaces/{namespace}/events")
        assert answer.is_ok, answer.message
        name, kind = manifest["metadata"]["name"], manifest["kind"]
        return [
            event
            for event in answer.body["items"]
            if event["regarding"]["name"] == name and event["regarding"]["kind"] == kind
        ]

    def approver(self, user: str = "grace") -> api.Persona:
        """A person who may decide gates."""
        return self.governed.persona(user, plane.MASTERS)


def status(found: api.Object) -> api.Object:
    """An object's status; empty where there is none."""
    shown: api.Object = found.get("status", {})
    return shown


def condition(found: api.Object, type_name: str) -> api.Object:
    """One condition of an object; empty where it has none of that type."""
    return next((one for one in status(found).get("conditions", []) if one["type"] == type_name), {})


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Stage]:
    """Everything, while the block lasts."""
    governed = await asyncio.to_thread(plane.start, folder / "plane")
    try:
        async with RunningBroker(folder) as broker:
            operator = OperatorProcess(_environment(folder, governed, broker), folder / "operator.log")
            await operator.start()
            try:
                yield Stage(governed, broker, operator, folder)
            finally:
                await operator.stop()
    finally:
        await asyncio.to_thread(governed.close)


def _environment(folder: Path, governed: plane.Governed, broker: RunningBroker) -> dict[str, str]:
    """What the operator is started with."""
    files = broker.installation.folder
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "KEELSTEP_NATS_URL": broker.url,
        "KEELSTEP_NATS_CREDENTIALS": str(broker.installation.credentials_file(Role.OPERATOR)),
        "KEELSTEP_NATS_SYSTEM_CREDENTIALS": str(broker.installation.credentials_file(Role.SYSTEM)),
        "KEELSTEP_NATS_OPERATOR_KEY": str(files / "operator/operator.nk"),
        "KEELSTEP_NATS_RUN_KEY": str(files / "operator/run.nk"),
        "KEELSTEP_ACCOUNTS": str(files / "public/accounts.json"),
        "KEELSTEP_SIGNING_KEY": str(files / "operator/signing.key"),
        "KEELSTEP_KEYRING": str(files / "public/keyring.json"),
        "KEELSTEP_KUBECONFIG": str(governed.plane.kubeconfig_for(plane.OPERATOR)),
        "KEELSTEP_RUNNER_IMAGE": "runner.example/keelstep:test",
        "KEELSTEP_RESYNC_SECONDS": "2",
        "KEELSTEP_STATUS_REFRESH_SECONDS": "0.5",
    }
