"""How does a test get a runner? As a real process of the run's current attempt, with that attempt's own identity."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from tests.integration.gateway.driver import Run
from tests.integration.gateway.programs import Program

RUN_SECONDS = 60.0
_COMMAND = "from keelstep_runner.main import main; main()"


@contextlib.asynccontextmanager
async def attempt(run: Run, folder: Path, **extra: str) -> AsyncIterator[Program]:
    """A runner while the context lasts. Settings are given without their prefix, in any case."""
    broker = run.stage.broker
    identity = folder / f"a{run.attempt}"
    identity.mkdir()
    (identity / "identity.creds").write_text(broker.attempt(run.tenant, run.xid, run.attempt).text())
    keyring = broker.installation.folder / "public" / "keyring.json"
    (identity / "keyring.json").write_bytes(keyring.read_bytes())
    environment = {
        "KEELSTEP_NATS_URL": broker.url,
        "KEELSTEP_TENANT": run.tenant,
        "KEELSTEP_EXECUTION_ID": run.xid,
        "KEELSTEP_ATTEMPT": str(run.attempt),
        "KEELSTEP_IDENTITY_DIR": str(identity),
        **{f"KEELSTEP_{name.upper()}": text for name, text in extra.items()},
    }
    output = folder / f"runner-a{run.attempt}.log"
    with output.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _COMMAND), env=environment, stdout=sink, stderr=sink
        )
    try:
        yield Program(process, output)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ended(run: Run, folder: Path, **extra: str) -> int:
    """The exit status of the run's current attempt, once it ended."""
    async with attempt(run, folder, **extra) as program:
        return await program.ended(RUN_SECONDS)
