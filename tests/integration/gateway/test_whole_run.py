"""Do gateway and runner understand each other? Whole runs of the example with both as real processes."""

import asyncio
from pathlib import Path

import yaml

from examples.refund import render, testing
from keelstep.domain import canonical
from keelstep.events import value
from tests.integration.gateway import programs, runners
from tests.integration.gateway.driver import Run, Spec, Stage, seal
from tests.integration.gateway.programs import Fleet


def execution(shop: testing.Shop, name: str) -> Spec:
    """One of the example's executions, as a spec."""
    text = render.render(shop.url, shop.token)["executions.yaml"]
    found = {each["metadata"]["name"]: each["spec"] for each in yaml.safe_load_all(text)}
    spec: Spec = found[name]
    return spec


RUNS = {
    "small-claim": ("", 1),
    "malformed-arguments": ("", 1),
    "refund-approved": ("approved", 1),
    "refund-rejected": ("rejected", 0),
}
"""What a person says where one is asked, and how often money moves."""


async def test_the_examples_runs_succeed_at_once(
    own_fleet: Fleet,
    own_stage: Stage,
    tenant: str,
    strategy: Spec,
    contracts: dict[str, Spec],
    shop: testing.Shop,
    tmp_path: Path,
) -> None:
    """From the first model call to the end, parked at a gate in between; money moves as often as it should."""

    async def whole(name: str, verdict: str, bookings: int) -> None:
        folder = tmp_path / name
        folder.mkdir()
        spec = execution(shop, name)
        goal, inputs = seal(spec["goal"].encode(), value.TEXT), seal(canonical.dumps(spec.get("inputs", {})))
        run = await Run.start(own_stage, tenant, strategy, contracts, goal=goal, inputs=inputs)
        assert await runners.ended(run, folder) == 0, (folder / "runner-a1.log").read_text()
        if verdict:
            (place,) = (await run.state()).gates
            await run.decided(*place, verdict=verdict)
            await run.next_attempt()
            assert await runners.ended(run, folder) == 0, (folder / "runner-a2.log").read_text()
        state = await run.state()
        assert state.finished is not None, (folder / f"runner-a{run.attempt}.log").read_text()
        assert (state.finished.outcome, state.finished.reason) == ("succeeded", "Completed"), state.finished
        assert state.voids == 0
        keys = {result.data.idempotency_key for result in state.results.values()}
        booked = [each for each in await shop.ledger() if each["key"] in keys and each["kind"] != "reply"]
        assert len(booked) == bookings

    async with testing.running_model() as model:
        programs.write_providers(own_fleet.providers, model)
        async with own_fleet.gateway(), asyncio.TaskGroup() as group:
            for name, (verdict, bookings) in RUNS.items():
                group.create_task(whole(name, verdict, bookings))
