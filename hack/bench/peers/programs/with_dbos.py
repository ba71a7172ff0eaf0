"""Forty steps in DBOS: a workflow that awaits a step after the other, kept in Postgres. Argument: the database's address."""

import asyncio
import sys
import time

from dbos import DBOS, DBOSConfig  # type: ignore[import-not-found,unused-ignore]  # the peers' environment has it

from hack.bench.peers.programs import answering


@DBOS.step()  # type: ignore[untyped-decorator,unused-ignore]
async def add(a: str, b: str) -> dict[str, str]:
    """One durable step."""
    return answering.add(a, b)


@DBOS.workflow()  # type: ignore[untyped-decorator,unused-ignore]
async def go_through(steps: int) -> list[float]:
    """The run."""
    moments = []
    for number in range(steps):
        moments.append(time.perf_counter())
        await add("19.90", str(number))
    return [*moments, time.perf_counter()]


async def _run(steps: int) -> answering.Moments:
    handle = await DBOS.start_workflow_async(go_through, steps)
    found: answering.Moments = await handle.get_result()
    return found


async def _main(dsn: str) -> None:
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": dsn,
        "log_level": "WARNING",
        "run_admin_server": False,
    }
    DBOS(config=config)
    DBOS.launch()
    try:
        await answering.serve(_run)
    finally:
        DBOS.destroy()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
