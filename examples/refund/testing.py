"""How do tests get the shop and the model? As real processes on free ports, ended when the block is left.

Nothing here is a stand-in: the same programs run in `make demo`.
"""

import asyncio
import contextlib
import pathlib
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

import aiohttp

from examples.refund import render

ROOT = pathlib.Path(__file__).parents[2]
SCRIPT = pathlib.Path(__file__).parent / "script.yaml"
"""The script of the example's five runs."""
READY_SECONDS = 60.0
"""How long a server may take to listen: Python starts slowly on a busy machine."""
STOP_SECONDS = 10.0
"""How long it may take to end after SIGTERM, before it is killed."""
PREFIX = "listening on "


class Shop(NamedTuple):
    """A running shop."""

    url: str
    token: str
    process: asyncio.subprocess.Process

    @property
    def headers(self) -> dict[str, str]:
        """What a call with effects needs, but for the key."""
        return {"Authorization": f"Bearer {self.token}"}

    async def fault(self, path: str, mode: str, **fields: Any) -> None:
        """Arm a fault (see `faults.Fault`)."""
        await self._ask("POST", "/faults", {"path": path, "mode": mode, **fields})

    async def clear_faults(self) -> None:
        """Disarm every fault and release every call."""
        await self._ask("DELETE", "/faults")

    async def release(self) -> int:
        """Release the calls that are held; how many they were."""
        return int((await self._ask("POST", "/faults/release"))["released"])

    async def state(self) -> dict[str, Any]:
        """Calls seen, calls waiting, faults armed."""
        return await self._ask("GET", "/faults/state")

    async def ledger(self) -> list[dict[str, Any]]:
        """Every booking, oldest first."""
        bookings: list[dict[str, Any]] = (await self._ask("GET", "/ledger"))["bookings"]
        return bookings

    async def wait_held(self, calls: int = 1, *, timeout_seconds: float = 10) -> None:
        """Wait until so many calls are held."""
        async with asyncio.timeout(timeout_seconds):
            while (await self.state())["waiting"] < calls:  # noqa: ASYNC110 the condition is in another process
                await asyncio.sleep(0.01)

    async def _ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        async with (
            aiohttp.ClientSession(headers=self.headers, raise_for_status=True) as session,
            session.request(method, self.url + path, json=body) as response,
        ):
            answer: dict[str, Any] = await response.json()
            return answer


@contextlib.asynccontextmanager
async def running_service(folder: pathlib.Path, *, port: int = 0) -> AsyncIterator[Shop]:
    """A shop whose database and token live in this folder: a second one in the same folder has the same ledger.

    Give the port of a shop that died to bring it back where its callers look for it.
    """
    token_file = folder / "shop.token"
    token = render.ensure_token(token_file)
    arguments = ("--port", str(port), "--database", str(folder / "shop.db"), "--token-file", str(token_file))
    async with _running("examples.refund.service", arguments, folder) as (url, process):
        yield Shop(url, token, process)


@contextlib.asynccontextmanager
async def running_model(script: pathlib.Path = SCRIPT, *, port: int = 0) -> AsyncIterator[str]:
    """The address of a model with this script; an OpenAI client's base URL is this plus `/v1`."""
    with tempfile.TemporaryDirectory(prefix="scripted-model-") as folder:
        arguments = ("--port", str(port), "--script", str(script))
        async with _running("examples.refund.model", arguments, pathlib.Path(folder)) as (url, _):
            yield url


@contextlib.asynccontextmanager
async def _running(
    module: str, arguments: Sequence[str], folder: pathlib.Path
) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    # a file, not a pipe: nobody reads it while the server runs, and a full pipe would stop it
    errors = folder / f"{module}.{secrets.token_hex(4)}.err"
    with errors.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=sink
        )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(READY_SECONDS):
            line = (await process.stdout.readline()).decode().strip()
        if not line.startswith(PREFIX):
            raise RuntimeError(f"{module} did not start: {errors.read_text().strip() or line}")
        yield line.removeprefix(PREFIX), process
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
