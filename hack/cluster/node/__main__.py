"""How is the node agent started? By `hack.cluster up`, as a detached process of its own."""

import argparse
import asyncio
import contextlib
import signal
from pathlib import Path

import structlog

from hack.cluster.node import agent, client


def main() -> None:
    """Read the command line and be a node until SIGTERM."""
    parser = argparse.ArgumentParser(prog="hack.cluster.node", description=__doc__)
    for flag in ("--name", "--path", "--version"):
        parser.add_argument(flag, required=True)
    for flag in ("--folder", "--kubeconfig", "--certificate", "--key", "--authority"):
        parser.add_argument(flag, required=True, type=Path)
    parser.add_argument("--port", required=True, type=int)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    )
    asyncio.run(_run(agent.Options(**vars(parser.parse_args()))))


async def _run(options: agent.Options) -> None:
    api = await client.Client.connect(options.kubeconfig)
    node = asyncio.create_task(agent.Agent(options, api).run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, node.cancel)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await node
    finally:
        await api.close()


if __name__ == "__main__":
    main()
