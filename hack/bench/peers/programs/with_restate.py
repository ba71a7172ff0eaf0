"""Forty steps in Restate: a handler that awaits `ctx.run` after `ctx.run`, served by hypercorn as its guide has it.

Arguments: ports of this service, and of the server's ingress and admin API. The server is started by the bench.
"""

import asyncio
import json
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import restate  # type: ignore[import-not-found,unused-ignore]  # the peers' environment has it
from hypercorn.asyncio import serve  # type: ignore[import-not-found,unused-ignore]
from hypercorn.config import Config  # type: ignore[import-not-found,unused-ignore]

from hack.bench.peers.programs import answering

MOST_CLIENTS = 128
measured = restate.Service("measured")


@measured.handler()  # type: ignore[untyped-decorator,unused-ignore]
async def go_through(ctx: restate.Context, steps: int) -> list[float]:
    """The run."""
    moments = []
    for number in range(steps):
        moments.append(time.perf_counter())
        await ctx.run_typed("add", answering.add, a="19.90", b=str(number))
    return [*moments, time.perf_counter()]


def _post(url: str, body: object) -> Any:
    request = urllib.request.Request(
        url, method="POST", data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=300) as reply:
        return json.load(reply)


async def _main(own: int, ingress: int, admin: int) -> None:
    # the guide's clients are other machines: fifty that wait must not wait for each other here
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(MOST_CLIENTS))
    config, stop = Config(), asyncio.Event()
    config.bind = [f"127.0.0.1:{own}"]
    serving = asyncio.create_task(serve(restate.app([measured]), config, shutdown_trigger=stop.wait))
    deployment = {"uri": f"http://127.0.0.1:{own}"}
    for _ in range(100):
        try:
            await asyncio.to_thread(_post, f"http://127.0.0.1:{admin}/deployments", deployment)
            break
        except OSError:
            await asyncio.sleep(0.2)

    async def run(steps: int) -> answering.Moments:
        found: answering.Moments = await asyncio.to_thread(
            _post, f"http://127.0.0.1:{ingress}/measured/go_through", steps
        )
        return found

    await answering.serve(run)
    stop.set()
    await serving


if __name__ == "__main__":
    asyncio.run(_main(*map(int, sys.argv[1:])))
