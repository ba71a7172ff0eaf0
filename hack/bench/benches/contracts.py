"""What do 10,000 contracts in 100 tenants cost, and how soon does a change of one of them, or of a rule, hold?

Every tenant has its contracts, and agents that list them all; one run of each agent makes the gateway read every contract
as a run pins it. Then, one after the other:

    patch of a contract → the next run pins it     its status names the revision; runs that begin from here on use it
    patch of the rules → every gateway has them    the record is stored in CONTROL, from where gateways hear it
"""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hack.bench import crowd, samples
from hack.bench.place import Place
from hack.bench.result import Figure, Result
from hack.bench.stage import Stage
from hack.cluster.node import client as kubernetes
from hack.local.world import REQUESTER
from keelstep.log import jetstream, subjects

GROUP = "keelstep.io/v1alpha1"
IN_A_STRATEGY = 50
AT_ONCE = 16
RUNS_AT_ONCE = 4
WAIT_SECONDS = 3_600.0
BYTES_IN_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many there are, how many are changed."""

    tenants: int
    contracts: int
    """In each."""
    changes: int


FULL = Sizes(tenants=100, contracts=100, changes=20)
SMOKE = Sizes(tenants=2, contracts=3, changes=1)


@dataclass(slots=True)
class _Seen:
    """What was measured."""

    accepted: float = 0.0
    """Seconds from the first create to the last acceptance."""
    resident: dict[str, float] = field(default_factory=dict)
    """MiB, of operator and gateway."""
    contract: list[float] = field(default_factory=list)
    """Milliseconds."""
    rules: list[float] = field(default_factory=list)


def run(place: Place) -> Result:
    """Apply them all, use them all, change some."""
    sizes = place.choose(FULL, SMOKE)
    stage = place.own_stage()
    stage.warm_up()
    seen = _Seen()
    asyncio.run(_measure(place, stage, sizes, seen))
    for part in ("operator", "gateway"):
        seen.resident[part] = stage.process(part).memory_info().rss / BYTES_IN_MIB
    return _result(seen, sizes)


async def _measure(place: Place, stage: Stage, sizes: Sizes, seen: _Seen) -> None:
    api = await kubernetes.Client.connect(stage.platform.plane.admin_kubeconfig)
    tenants = [f"tenant-{number}" for number in range(sizes.tenants)]
    try:
        began = time.monotonic()
        place.step.update(f"{sizes.tenants * sizes.contracts:,} contracts in {sizes.tenants} tenants")
        await _each(tenants, lambda tenant: _furnish(api, tenant, sizes.contracts))
        for tenant in tenants:
            place.step.update(f"{tenant} is being accepted")
            await _until(lambda tenant=tenant: _are_ready(api, tenant))
        seen.accepted = time.monotonic() - began
        place.step.update("a run of every agent")
        await _each(tenants, lambda tenant: _use(api, tenant), RUNS_AT_ONCE)
        for number in range(sizes.changes):
            place.calm.wait()
            place.step.update(f"change {number + 1} of {sizes.changes}")
            tenant = tenants[number % len(tenants)]
            seen.contract.append(await _change_contract(api, tenant, number))
            seen.rules.append(await _change_rules(api, stage, tenant, number))
    finally:
        await api.close()


async def _each(tenants: Sequence[str], work: Any, at_once: int = AT_ONCE) -> None:
    free = asyncio.Semaphore(at_once)

    async def one(tenant: str) -> None:
        async with free:
            await work(tenant)

    async with asyncio.TaskGroup() as group:
        for tenant in tenants:
            group.create_task(one(tenant))


async def _furnish(api: kubernetes.Client, tenant: str, contracts: int) -> None:
    """A namespace with its contracts, agents that list them all, and rules."""
    await api.create(
        "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": tenant}}
    )
    names = [f"tool-{number}" for number in range(contracts)]
    for name in names:
        await api.create(
            _path(tenant, "toolcontracts"), _manifest("ToolContract", tenant, name, _contract(name))
        )
    for number, first in enumerate(range(0, contracts, IN_A_STRATEGY)):
        spec = crowd.strategy("x", names[first : first + IN_A_STRATEGY])["spec"]
        manifest = _manifest("AgentStrategy", tenant, f"agent-{number}", spec)
        await api.create(_path(tenant, "agentstrategies"), manifest)
    await api.create(f"/api/v1/namespaces/{tenant}/configmaps", _rules(tenant, 0))


async def _use(api: kubernetes.Client, tenant: str) -> None:
    """One run of every agent, to its end."""
    found = await api.get(_path(tenant, "agentstrategies"))
    for each in found["items"]:
        name = each["metadata"]["name"]
        spec = {
            "strategyRef": {"name": name},
            "goal": "Say so.",
            "requestedBy": REQUESTER,
            "budget": {"costUSD": "1"},
        }
        await api.create(_path(tenant, "executions"), _manifest("Execution", tenant, name, spec))

        async def is_over(name: str = name) -> bool:
            run = await api.get(f"{_path(tenant, 'executions')}/{name}")
            return run.get("status", {}).get("phase") in ("Succeeded", "Failed")

        await _until(is_over)


async def _change_contract(api: kubernetes.Client, tenant: str, number: int) -> float:
    path = f"{_path(tenant, 'toolcontracts')}/tool-0"
    before = (await api.get(path))["status"]["revision"]
    began = time.monotonic()
    await api.patch(path, {"spec": {"description": f"Changed for the {number + 1}th time."}})

    async def is_new() -> bool:
        return bool((await api.get(path))["status"]["revision"] != before)

    await _until(is_new)
    return (time.monotonic() - began) * 1_000


async def _change_rules(api: kubernetes.Client, stage: Stage, tenant: str, number: int) -> float:
    began = time.time_ns()
    path = f"/api/v1/namespaces/{tenant}/configmaps/keelstep-policy"
    await api.patch(path, _rules(tenant, number + 1))
    wanted = f"rule-{number + 1}"
    subject = subjects.control("policy", tenant)

    while True:
        found = stage.watcher.ask(jetstream.last(stage.watcher.broker, subjects.CONTROL_STREAM, subject))
        if found is not None and wanted in json.loads(found.payload)["rules"]:
            return (found.stored_at - began) / 1_000_000
        await asyncio.sleep(0.005)


async def _are_ready(api: kubernetes.Client, tenant: str) -> bool:
    found = await api.get(_path(tenant, "agentstrategies"))
    return all(_is_ready(each) for each in found["items"])


def _is_ready(found: Any) -> bool:
    conditions = found.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


async def _until(holds: Any) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not await holds():
        assert time.monotonic() < deadline, "it did not come about"
        await asyncio.sleep(0.01)


def _contract(name: str) -> dict[str, Any]:
    lines = {f"field_{number}": {"type": "string", "maxLength": 64} for number in range(10)}
    return {
        "description": f"What {name} does, in a sentence of the length that people write.",
        "sideEffect": "ReadOnly",
        "consequenceTier": 0,
        "schema": {
            "input": {
                "type": "object",
                "properties": lines,
                "required": ["field_0"],
                "additionalProperties": False,
            },
            "output": {"type": "object", "properties": lines},
        },
        "transport": {"http": {"method": "GET", "url": f"https://tools.example/{name}/{{field_0}}"}},
        "policy": [{"name": "known", "when": "size(args.field_0) > 0", "effect": "Allow"}],
    }


def _rules(tenant: str, number: int) -> dict[str, Any]:
    text = f"rules: [{{name: rule-{number}, when: 'budget.left < {number}', effect: Deny}}]"
    metadata = {"name": "keelstep-policy", "namespace": tenant, "labels": {"keelstep.io/policy": "platform"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"policy.yaml": text}}


def _path(tenant: str, plural: str) -> str:
    return f"/apis/{GROUP}/namespaces/{tenant}/{plural}"


def _manifest(kind: str, tenant: str, name: str, spec: Any) -> dict[str, Any]:
    return {"apiVersion": GROUP, "kind": kind, "metadata": {"name": name, "namespace": tenant}, "spec": spec}


def _result(seen: _Seen, sizes: Sizes) -> Result:
    load = f"{sizes.tenants * sizes.contracts:,} contracts in {sizes.tenants} tenants"
    one: list[tuple[str, str, str, float, dict[str, float]]] = [
        ("operator", "create → all accepted", "s", seen.accepted, {}),
        ("operator", "memory", "MiB", seen.resident["operator"], {}),
        (
            "gateway",
            "memory, each contract pinned by a run",
            "MiB",
            seen.resident["gateway"],
            {"at most": 500.0},
        ),
    ]
    many = [
        ("operator", "patch of a contract → the next run pins it", seen.contract),
        ("operator", "patch of the rules → every gateway has them", seen.rules),
    ]
    figures = [
        Figure(
            subject=subject,
            measure=f"{measure}, {load}",
            unit=unit,
            values={"value": samples.spread([value])},
            samples=1,
            repetitions=1,
            target=target,
        )
        for subject, measure, unit, value, target in one
    ]
    figures += [
        Figure(
            subject=subject,
            measure=f"{measure}, {load}",
            unit="ms",
            values=samples.quantiles([values]),
            samples=len(values),
            repetitions=1,
            target={"at most": 1_000.0},
        )
        for subject, measure, values in many
    ]
    return Result(
        figures=figures,
        sizes={"tenants": sizes.tenants, "contracts": sizes.contracts, "changes": sizes.changes},
        notes=[
            f"a strategy lists at most {IN_A_STRATEGY} of them here; a run pins all that its strategy lists",
            "the gateway's memory includes the model client's, some 170 MiB without any contract",
            "the rules' time is when the broker stored the record, by its clock, which is the same machine's",
        ],
    )
