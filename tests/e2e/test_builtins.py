"""Does an agent compute with the contracts that docs/builtins.md offers? Pasted from the page, on a real platform."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.local.world import AUTHOR, Tenant
from tests.e2e import person, record

pytestmark = pytest.mark.usefixtures("programs_stay_calm")

PAGE = Path(__file__).resolve().parents[2] / "docs" / "builtins.md"
_BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def contracts(tenant: Tenant) -> list[Any]:
    """Every contract of the page, in this namespace."""
    found = [yaml.safe_load(block) for block in _BLOCK.findall(PAGE.read_text(encoding="utf-8"))]
    for each in found:
        each["metadata"]["namespace"] = tenant.name
    return found


def accountant(tenant: Tenant, names: list[str]) -> Any:
    """A strategy that may look up orders, and compute."""
    base = next(
        each for each in tenant.manifests("strategies.yaml") if each["metadata"]["name"] == "support-agent"
    )
    tools = [{"contract": name, "maxCalls": 5} for name in ("orders.get", *names)]
    return person.changed(base, "accountant", {"tools": tools, "successCriteria": [], "outputSchema": None})


def test_an_agent_computes_with_contracts_pasted_from_the_page(tenant: Tenant) -> None:
    """All of them are accepted; the run's log is sound, and each builtin is one event of the runner's."""
    author, pasted = tenant.person(AUTHOR), contracts(tenant)
    names = [each["metadata"]["name"] for each in pasted]
    tenant.apply(author, [*pasted, accountant(tenant, names)])
    person.until_condition(tenant, "agentstrategies", "accountant", "Ready", "Ready")
    person.ask(tenant, "share", "Share a bill", strategy="accountant")
    tenant.until_phase("share", "Succeeded")
    log = record.assert_sound(tenant, "share")
    results = [
        (event["actor"].partition("/")[0], event["data"]["tool"], event["data"]["status"])
        for event in log
        if event["type"] == "tool.result"
    ]
    assert results == [
        ("runner", "decimal.sum", "ok"),
        ("gateway", "orders.get", "ok"),
        ("runner", "date.add", "ok"),
        ("runner", "decimal.divide", "failed"),
        ("runner", "decimal.divide", "ok"),
    ]
    (started,) = person.of_type(log, "exec.started")
    assert {name for name, pin in started["contracts"].items() if pin.get("builtin")} == set(names)
    shown = person.keelstep(tenant, "trace", "share").output
    assert "decimal.sum" in shown
    assert "DivisionByZero" in shown


def test_a_builtin_that_says_what_it_does_not_read_is_refused(tenant: Tenant) -> None:
    """By the API server, naming the field; a schema that does not fit, by the operator."""
    author = tenant.person(AUTHOR)
    add = next(each for each in contracts(tenant) if each["metadata"]["name"] == "decimal.add")
    slow = person.changed(add, "slow.add", {"timeoutSeconds": 5})
    said = person.refusal(author, "apply", "-f", "-", stdin=yaml.safe_dump(slow))
    assert "timeoutSeconds: not with transport.builtin" in said
    killed = ("patch", "toolcontract", "decimal.add", "-n", tenant.name, "--type=merge", "-p")
    tenant.apply(author, [add])
    said = person.refusal(author, *killed, '{"spec":{"killSwitch":{"engaged":true,"reason":"x"}}}')
    assert "killSwitch: not with transport.builtin" in said
    short = person.changed(
        add, "short.add", {"schema": {"input": {"type": "object", "properties": {"a": {"type": "string"}}}}}
    )
    tenant.apply(author, [short])
    found = person.until_condition(tenant, "toolcontracts", "short.add", "Accepted", "BuiltinMismatch")
    assert "decimal.add needs a" in person.condition(found, "Accepted")["message"]
