"""How does a test get a gateway? As a real process with the installation's own files, ended by its id."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import yaml

from keelstep.log.identities import Role
from keelstep.testing import eventually
from keelstep.testing.broker import RunningBroker

READY_SECONDS = 60.0
STOP_SECONDS = 30.0
CRASHES = {
    "before the claim": "gateway.before.tool.called",
    "with the claim stored": "gateway.after.tool.called",
    "just before the first byte": "gateway.before.send",
    "with the tool's answer, before the result": "gateway.before.tool.result",
    "with the result stored, before the reply": "gateway.before.reply",
}
"""Where one may die in the middle of a call."""
_COMMAND = "from keelstep_gateway.main import main; main()"


@dataclass(slots=True)
class Program:
    """A running gateway."""

    process: asyncio.subprocess.Process
    output: Path
    owner: str = ""
    """The name in its claims."""

    @property
    def is_running(self) -> bool:
        """True until it ended."""
        return self.process.returncode is None

    def lines(self) -> list[dict[str, object]]:
        """What it logged."""
        found = []
        for line in self.output.read_text().splitlines():
            with contextlib.suppress(msgspec.DecodeError):
                found.append(msgspec.json.decode(line, type=dict[str, object]))
        return found

    def logged(self, event: str) -> list[dict[str, object]]:
        """Its log lines of one event."""
        return [line for line in self.lines() if line.get("event") == event]

    def signal(self, which: signal.Signals) -> None:
        """Send it a signal, where it is still there."""
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(which)

    async def ended(self, within_seconds: float = STOP_SECONDS) -> int:
        """Its exit status, once it ended."""
        async with asyncio.timeout(within_seconds):
            return await self.process.wait()

    async def frozen(self, within_seconds: float = STOP_SECONDS) -> None:
        """Return once it froze at its point."""
        stat = Path(f"/proc/{self.process.pid}/stat")
        await eventually.true(
            lambda: stat.read_text().rpartition(") ")[2][:1] == "T",
            "the gateway froze",
            within_seconds=within_seconds,
        )


@dataclass(slots=True, kw_only=True)
class Fleet:
    """Everything gateways of one broker are started with."""

    broker: RunningBroker
    folder: Path
    prices: Path
    providers: Path
    credentials: Path

    def environment(self, **extra: str) -> dict[str, str]:
        """What a gateway reads at its start."""
        installed = self.broker.installation
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("KEELSTEP_")},
            "KEELSTEP_NATS_URL": self.broker.url,
            "KEELSTEP_NATS_CREDENTIALS": str(installed.credentials_file(Role.GATEWAY)),
            "KEELSTEP_SIGNING_KEY": str(installed.folder / "gateway" / "signing.key"),
            "KEELSTEP_KEYRING": str(installed.folder / "public" / "keyring.json"),
            "KEELSTEP_PRICE_TABLE": str(self.prices),
            "KEELSTEP_PROVIDERS": str(self.providers),
            "KEELSTEP_CREDENTIALS_SOURCE": "directory",
            "KEELSTEP_CREDENTIALS_DIR": str(self.credentials),
            "KEELSTEP_PRELOAD_MODELS": "false",
            "KEELSTEP_SWEEP_SECONDS": "0.5",
            **extra,
        }

    def grant(self, tenant: str, key: str, secret: str) -> None:
        """A tenant's credential."""
        (self.credentials / tenant).mkdir(parents=True, exist_ok=True)
        (self.credentials / tenant / key).write_text(secret)

    @contextlib.asynccontextmanager
    async def gateway(self, *, is_ready: bool = True, **extra: str) -> AsyncIterator[Program]:
        """A gateway while the context lasts. Settings are given without their prefix, in any case."""
        changed = {f"KEELSTEP_{name.upper()}": text for name, text in extra.items()}
        program = await self._start(self.environment(**changed))
        try:
            if is_ready:
                await eventually.true(
                    lambda: program.logged("ready") or not program.is_running,
                    "the gateway is ready",
                    within_seconds=READY_SECONDS,
                )
                assert program.logged("ready"), program.output.read_text()[-3000:]
                program.owner = str(program.logged("ready")[0]["owner"])
            yield program
        finally:
            program.signal(signal.SIGCONT)
            program.signal(signal.SIGTERM)
            try:
                await program.ended()
            except TimeoutError:
                program.signal(signal.SIGKILL)
                await program.process.wait()

    async def _start(self, environment: Mapping[str, str]) -> Program:
        output = self.folder / f"gateway-{len(list(self.folder.iterdir()))}.log"
        with output.open("wb") as sink:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", _COMMAND), env=dict(environment), stdout=sink, stderr=sink
            )
        return Program(process, output)


def write_providers(path: Path, url: str) -> Path:
    """A provider file that sends every model to one server."""
    path.write_text(yaml.safe_dump({"models": [{"match": "openai/*", "baseURL": f"{url}/v1"}]}))
    return path
