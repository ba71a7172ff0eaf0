"""How does a gateway talk to an MCP server that it runs itself? Over its standard input and output, a message a line.

    gateway ──lifeline──► leash (leads a process group) ──► the command
       └──────────── stdin, stdout ───────────────────────────┘

The command gets the environment that the contract names and nothing else. It ends with its session: asked by the end
of its input, then by a signal, then killed, and its whole group with it; the leash sees to that where the gateway
itself is gone. What it writes to its standard error is dropped: it may hold what only it and the tenant should know.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import anyio
import anyio.lowlevel
import mcp_types
from mcp.shared.message import SessionMessage

from keelstep_gateway.transports import leash, transport
from keelstep_gateway.transports.egress import MAX_RESPONSE_BYTES
from keelstep_gateway.transports.wire import Wire

_GRACE_SECONDS = 1.0
"""How long it may take to end by itself, and again after a signal."""


@contextlib.asynccontextmanager
async def connect(
    command: Sequence[str], environment: Mapping[str, str], noted: Wire
) -> AsyncIterator[tuple[Any, Any]]:
    """The streams of a session with a command that runs as long."""
    held, ours = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", leash.__file__, str(held), *command),
            env=dict(environment),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
            pass_fds=(held,),
            limit=MAX_RESPONSE_BYTES,
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(held)
    to_session, read = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    write, from_session = anyio.create_memory_object_stream[SessionMessage](0)
    try:
        async with anyio.create_task_group() as group, read, write:
            group.start_soon(_read, process, to_session, noted)
            group.start_soon(_write, process, from_session)
            try:
                yield read, write
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.lowlevel.checkpoint()  # what was handed over last is written
                group.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await _end(process)
        os.close(ours)


async def _read(process: asyncio.subprocess.Process, to_session: Any, noted: Wire) -> None:
    """Pass on every line that is a message; end where the command does, or says too much at once."""
    assert process.stdout is not None
    async with to_session:
        with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, ConnectionError):
            while True:
                try:
                    line = await process.stdout.readline()
                except ValueError:  # the library's word for a line over the limit
                    noted.problem, noted.is_over = transport.too_large(), True
                    return
                if not line:
                    noted.is_over = True
                    return
                try:
                    message = mcp_types.jsonrpc_message_adapter.validate_json(line, by_name=False)
                except ValueError:
                    continue  # many print a greeting there
                await to_session.send(SessionMessage(message))


async def _write(process: asyncio.subprocess.Process, from_session: Any) -> None:
    assert process.stdin is not None
    async with from_session:
        with contextlib.suppress(OSError):
            async for message in from_session:
                text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                process.stdin.write(f"{text}\n".encode())
                await process.stdin.drain()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask it to end, then make it."""
    assert process.stdin is not None
    process.stdin.close()
    for number in (signal.SIGTERM, signal.SIGKILL, None):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_SECONDS):
                await _ended(process)
                return
        if number is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Return once it has ended; what it still says is dropped, as one that cannot write cannot end."""
    assert process.stdout is not None
    while await process.stdout.read(MAX_RESPONSE_BYTES):
        pass
    await process.wait()
