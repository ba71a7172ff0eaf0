"""Do gateway and runner understand each other? Whole runs of the example with both as real processes."""

import asyncio
import sys
from pathlib import Path

import pytest
import yaml
from examples.refund import render, testing

from keelstep.domain.state import State
from keelstep.events import types, value
from keelstep.testing import eventually
from tests.integration.gateway import programs
from tests.integration.gateway.driver import Run, Spec, Stage, seal
from tests.integration.gateway.programs import Fleet

_COMMAND = "from keelstep_runner.main import main; main()"


def execution(shop: testing.Shop, name: str) -> Spec:
    """One of the example's executions, as a spec."""
    text = render.render(shop.url, shop.token)["executions.yaml"]
    found = {each["metadata"]["name"]: each["spec"] for each in yaml.safe_load_all(text)}
    spec: Spec = found[name]
    return spec


async def run_attempt(run: Run, folder: Path) -> int:
    """A real runner process of the run's current attempt; its exit status."""
    broker = run.stage.broker
    identity = folder / f"a{run.attempt}"
    identity.mkdir()
    (identity / "identity.creds").write_text(broker.attempt(run.tenant, run.xid, run.attempt).text())
    keyring = broker.installation.folder / "public" / "keyring.json"
    (identity / "keyring.json").write_bytes(keyring.read_bytes())
    environment = {
        "KEELSTEP_NATS_URL": broker.url,
        "KEELSTEP_TENANT": run.tenant,
        "KEELSTEP_EXECUTION_ID": run.xid,
        "KEELSTEP_ATTEMPT": str(run.attempt),
        "KEELSTEP_IDENTITY_DIR": str(identity),
    }
    with (folder / f"runner-a{run.attempt}.log").open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _COMMAND), env=environment, stdout=sink, stderr=sink
        )
        async with asyncio.timeout(60):
            return await process.wait()


RUNS = {
    "a small claim is settled by store credit": ("small-claim", "", 1),
    "a model that sends malformed arguments is corrected": ("malformed-arguments", "", 1),
    "an approved refund is paid": ("refund-approved", "approved", 1),
    "a rejected refund is not paid, and the agent says so": ("refund-rejected", "rejected", 0),
}


@pytest.mark.parametrize("case", RUNS.values(), ids=RUNS.keys())
async def test_a_run_of_the_example_succeeds(
    own_fleet: Fleet,
    own_stage: Stage,
    tenant: str,
    strategy: Spec,
    contracts: dict[str, Spec],
    shop: testing.Shop,
    tmp_path: Path,
    case: tuple[str, str, int],
) -> None:
    """From the first model call to the end, parked at a gate in between; money moves as often as it should."""
    name, verdict, bookings = case
    spec = execution(shop, name)
    async with testing.running_model() as model:
        programs.write_providers(own_fleet.providers, model)
        run = await Run.start(
            own_stage,
            tenant,
            strategy,
            contracts,
            goal=seal(spec["goal"].encode(), value.TEXT),
            inputs=seal(yaml_json(spec.get("inputs", {}))),
        )
        async with own_fleet.gateway():
            assert await run_attempt(run, tmp_path) == 0, (tmp_path / "runner-a1.log").read_text()
            state = await run.state()
            if verdict:
                assert state.pending_gates == 1
                (plan, index) = next(iter(state.gates))
                await run.decided(plan, index, verdict=verdict)
                await run.next_attempt()
                assert await run_attempt(run, tmp_path) == 0, (tmp_path / "runner-a2.log").read_text()
                state = await run.state()
    assert state.finished is not None, (tmp_path / "runner-a1.log").read_text()
    assert (state.finished.outcome, state.finished.reason) == ("succeeded", "Completed"), state.finished
    assert state.voids == 0
    keys = _keys(state)
    booked = [each for each in await shop.ledger() if each["key"] in keys and each["kind"] != "reply"]
    assert len(booked) == bookings


def _keys(state: State) -> set[str]:
    return {result.data.idempotency_key for result in state.results.values()}


def yaml_json(document: object) -> bytes:
    """A document as canonical JSON."""
    from keelstep.domain import canonical

    return canonical.dumps(document)


__all__ = ["eventually", "types"]
