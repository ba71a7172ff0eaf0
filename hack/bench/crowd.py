"""How does a bench have hundreds of runs at once on a small machine? Created many at a time, their runners in one process.

`pooled` keeps the node from taking Pods while `pool` runs their loops. Everything else is as with any other run: the
Execution, its Pod and Secret, the identity, the log.
"""

import asyncio
import contextlib
import copy
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hack.bench import agents
from hack.bench.stage import TENANT, Stage
from hack.cluster.node import client as kubernetes
from hack.cluster.processes import Component
from hack.local.world import AUTHOR, REQUESTER

AT_ONCE = 16
"""Executions created at the same time."""
MODEL = "openai/shop-scripted-1"
READY_SECONDS = 60.0
_GROUP = "keelstep.io/v1alpha1"
_REPOSITORY = Path(__file__).resolve().parents[2]


def strategy(name: str, tools: Sequence[str], **changed: Any) -> dict[str, Any]:
    """An agent of the bench's namespace."""
    spec = {**agents.strategy(tools, **changed), "model": {"name": MODEL, "parameters": {"maxTokens": 64}}}
    return _manifest("AgentStrategy", name, spec)


def contract(name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """A contract of the bench's namespace."""
    return _manifest("ToolContract", name, spec)


def execution(name: str, agent: str, goal: str, *, deadline_seconds: int = 3600) -> dict[str, Any]:
    """A run of an agent."""
    spec = {
        "strategyRef": {"name": agent},
        "goal": goal,
        "requestedBy": REQUESTER,
        "budget": {"costUSD": "50"},
        "deadlineSeconds": deadline_seconds,
    }
    return _manifest("Execution", name, spec)


def _manifest(kind: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": TENANT}
    return {"apiVersion": _GROUP, "kind": kind, "metadata": metadata, "spec": copy.deepcopy(dict(spec))}


def define(stage: Stage, *manifests: Mapping[str, Any]) -> None:
    """Apply contracts and strategies as their author, and wait until they are ready."""
    stage.tenant.apply(stage.tenant.person(AUTHOR), manifests)
    for each in manifests:
        about = f"{each['kind'].lower()}/{each['metadata']['name']}"
        waiting = ("--for=condition=Ready", about, "-n", TENANT, "--timeout=60s")
        stage.tenant.admin.run("wait", *waiting, shown=False)


def create(stage: Stage, manifests: Sequence[Mapping[str, Any]]) -> None:
    """Create executions as their requester, many at a time."""
    asyncio.run(_create(stage, manifests))


async def _create(stage: Stage, manifests: Sequence[Mapping[str, Any]]) -> None:
    api = await kubernetes.Client.connect(stage.platform.plane.kubeconfig_for(REQUESTER))
    free = asyncio.Semaphore(AT_ONCE)

    async def one(manifest: Mapping[str, Any]) -> None:
        async with free:
            await api.create(f"/apis/{_GROUP}/namespaces/{TENANT}/executions", dict(manifest))

    try:
        async with asyncio.TaskGroup() as group:
            for each in manifests:
                group.create_task(one(each))
    finally:
        await api.close()


@contextlib.contextmanager
def pooled(stage: Stage) -> Iterator[None]:
    """While the block lasts, no node takes Pods, and one process is the runner of all."""
    admin, platform = stage.tenant.admin, stage.platform
    nodes = [each["metadata"]["name"] for each in admin.get("nodes")["items"]]
    for node in nodes:
        admin.run("cordon", node, shown=False)
    kubeconfig, broker = platform.plane.admin_kubeconfig, platform.places.broker_url
    try:
        with _program(stage, "pool", "ready", str(kubeconfig), TENANT, broker):
            yield
    finally:
        for node in nodes:
            admin.run("uncordon", node, shown=False)


@contextlib.contextmanager
def tool(stage: Stage) -> Iterator[str]:
    """The address of a tool that answers at once, while the block lasts."""
    with _program(stage, "tool", "listening on ") as line:
        yield line.removeprefix("listening on ")


@contextlib.contextmanager
def _program(stage: Stage, module: str, word: str, *arguments: str) -> Iterator[str]:
    """A program of the bench's own; what it said once it was ready."""
    name = f"bench-{module}"
    log = stage.platform.folder / "logs" / f"{name}.log"
    since = log.stat().st_size if log.exists() else 0

    def said() -> list[str]:
        text = log.read_text(errors="replace")[since:] if log.exists() else ""
        return [line for line in text.splitlines() if line.startswith(word)]

    component = Component(
        name=name,
        argv=(sys.executable, "-m", f"hack.bench.{module}", *arguments),
        log=log,
        environment={"PATH": str(Path(sys.executable).parent), "HOME": str(stage.platform.folder)},
        cwd=_REPOSITORY,
    )
    stage.platform.records.start(component)
    try:
        stage.until(f"{name} to be ready", said, READY_SECONDS)
        yield said()[0]
    finally:
        stage.platform.stop(name)
