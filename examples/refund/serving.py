"""How do the example's two servers start, say that they are ready, and stop?

Must not know what they serve.
"""

import argparse
import asyncio
import signal
import sys

from aiohttp import web

HOST = "127.0.0.1"
SHUTDOWN_SECONDS = 0.5
"""How long calls in flight may go on after SIGTERM; a call that is held would otherwise hold the exit as well."""


def port(text: str) -> int:
    """A `--port` argument, for argparse: 0 takes a free one."""
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return number


async def serve(app: web.Application, port: int, host: str = HOST) -> None:
    """Serve until SIGTERM or SIGINT, to this machine alone; prints `listening on http://127.0.0.1:PORT` once it is ready.

    Port 0 takes a free one. Exits with status 1 and one sentence if it cannot listen.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        print(f"listening on http://{host}:{runner.addresses[0][1]}", flush=True)
        await stop.wait()
    except OSError as error:
        sys.exit(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another --port, or 0 for a free one"
        )
    finally:
        await runner.cleanup()
