"""Does a person read what a run answered?"""

import asyncio
import json

from keelstep.events import types
from tests.integration.cli.terminal import Terminal
from tests.integration.kinds import api, plane
from tests.integration.policies import samples
from tests.integration.views.written import Writers

LARGE = json.dumps({"resolution": "refunded", "summary": "the kettle leaks. " * 1_000})


async def _reader_of_executions(terminal: Terminal) -> api.Persona:
    """Somebody who may read Executions and none of their views."""
    rbac, namespace, user = "rbac.authorization.k8s.io", terminal.namespace, "rita@shop.example"
    rule = {"apiGroups": ["keelstep.io"], "resources": ["executions"], "verbs": ["get"]}
    manifests: list[api.Object] = [
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "Role",
            "metadata": {"name": "reader", "namespace": namespace},
            "rules": [rule],
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "reader", "namespace": namespace},
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "reader"},
            "subjects": [{"apiGroup": rbac, "kind": "User", "name": user}],
        },
    ]
    for manifest in manifests:
        answer = await asyncio.to_thread(terminal.governed.admin.create, manifest)
        assert answer.is_ok, answer.message
    asked = {"namespace": namespace, "group": "keelstep.io", "resource": "executions", "verb": "get"}
    await asyncio.to_thread(
        plane.until, lambda: samples.may(terminal.governed, user, asked), f"{user} may read Executions"
    )
    return terminal.governed.persona(user)


async def test_an_output_is_printed_as_it_is(terminal: Terminal, writers: Writers) -> None:
    """JSON or YAML, from the object store too, for whoever holds the role viewer."""
    run = await writers.bound(terminal.namespace, "refund-1")
    await run.start()
    await run.finish(LARGE)
    vera = await terminal.holder("keelstep-viewer", "vera@shop.example")
    assert (await terminal.type("output", "refund-1", persona=vera)).data == json.loads(LARGE)
    told = (await terminal.type("output", "refund-1", "-o", "yaml")).output
    assert told.startswith("resolution: refunded\nsummary: ")


async def test_no_output_is_not_found_and_says_why(terminal: Terminal, writers: Writers) -> None:
    """Exit 3: not yet, or never."""
    run = await writers.bound(terminal.namespace, "refund-1")
    await run.start()
    assert "refund-1 has no output yet, it is Scheduled" in (
        await terminal.type("output", "refund-1")
    ).refused(3)
    killed = types.Interruption(by="strategy.killSwitch", reason="doubled", scope="strategy")
    await run.write("op", "exec.killed", killed)
    told = (await terminal.type("output", "refund-1")).refused(3)
    assert "refund-1 ended without an output: Killed (StrategyKilled)" in told
    assert "was ever recorded" in (await terminal.type("output", "never")).refused(3)


async def test_a_status_shows_the_beginning_of_an_output(terminal: Terminal, writers: Writers) -> None:
    """One line of it, and how to see the rest; a log that cannot be read takes nothing else away."""
    execution = await terminal.place("execution")
    name = execution["metadata"]["name"]
    await terminal.write_status(
        execution, {"phase": "Succeeded", "reason": "Completed", "outcome": "Completed"}
    )
    assert "Output" not in (await terminal.type("status", name)).output
    run = await writers.bound(terminal.namespace, name)
    await run.start()
    await run.finish(LARGE)
    lines = (await terminal.type("status", name)).output.splitlines()
    [line] = [line for line in lines if line.startswith("Output: ")]
    assert '{"resolution": "refunded"' in line
    assert line.endswith(f"… (keelstep output {name} -n {terminal.namespace})")
    assert not [line for line in lines if line.startswith("Outcome:")], "it would say the reason again"
    said = await terminal.type("status", name, persona=await _reader_of_executions(terminal))
    assert "Output: " not in said.output
    assert said.stderr == "the output is not shown: you may not read executionlogs\n"


async def test_an_output_is_the_last_that_a_watched_run_says(terminal: Terminal, writers: Writers) -> None:
    """After the events and the phase; of an agent without a schema its words alone."""
    execution = await terminal.place("execution")
    name = execution["metadata"]["name"]
    run = await writers.bound(terminal.namespace, name)
    await run.start()
    await run.finish('{"text": "High water\\u001b[2J is at 14:20."}')
    await terminal.write_status(execution, {"phase": "Succeeded", "reason": "Completed"})
    last = (await terminal.type("trace", name, "--follow")).output.splitlines()[-1]
    assert last == "· it answered: High water\N{REPLACEMENT CHARACTER}[2J is at 14:20."
