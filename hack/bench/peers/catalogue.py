"""Which peers are there, and which can run here? Each is started as its own documentation has it."""

import contextlib
import importlib.metadata
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from hack.bench.peers import peer
from hack.bench.peers.environment import PACKAGES, Environment, UnavailableError
from hack.bench.peers.peer import Peer
from hack.cluster.progress import Step

DBOS, LANGGRAPH, RESTATE = "DBOS", "LangGraph", "Restate"
NAMES = (RESTATE, DBOS, LANGGRAPH)
_DISTRIBUTIONS = {DBOS: "dbos", LANGGRAPH: "langgraph", RESTATE: "restate_sdk"}


@dataclass(frozen=True, slots=True)
class Field:
    """Who runs beside keelstep."""

    peers: list[Peer] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    """Who does not, and why: a sentence each."""
    versions: dict[str, str] = field(default_factory=dict)


@contextlib.asynccontextmanager
async def running(folder: Path, step: Step) -> AsyncIterator[Field]:
    """Every peer that can run here, its logs in a folder that is there; ended with the block."""
    found, environment = Field(), Environment.here()
    async with contextlib.AsyncExitStack() as stack:
        try:
            python = environment.python(step)
        except UnavailableError as error:
            found.absent.append(f"no peer runs here: {error}")
            yield found
            return
        for name in NAMES:
            step.update(f"starting {name}")
            try:
                found.peers.append(
                    await stack.enter_async_context(_start(name, python, environment, folder, step))
                )
                found.versions[name] = _version(environment, _DISTRIBUTIONS[name])
            except UnavailableError as error:
                found.absent.append(f"{name} does not run here: {error}")
        yield found


def _start(
    name: str, python: Path, environment: Environment, folder: Path, step: Step
) -> contextlib.AbstractAsyncContextManager[Peer]:
    if name == RESTATE:
        return peer.with_restate(name, python, folder, environment.restate_server(step))
    program = "with_dbos" if name == DBOS else "with_langgraph"
    return peer.with_postgres(name, program, python, folder)


def _version(environment: Environment, distribution: str) -> str:
    folders = sorted((environment.folder / "venv" / "lib").glob("python*/site-packages"))
    (found, *_) = importlib.metadata.distributions(name=distribution, path=[str(each) for each in folders])
    if distribution != _DISTRIBUTIONS[RESTATE]:
        return found.version
    (server,) = json.loads(PACKAGES.read_text())["dependencies"].values()
    return f"{server} (Python SDK {found.version})"
