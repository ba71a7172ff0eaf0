"""Does a contract show that its tool is another than the reviewed one, and which test it passed?"""

import json

from keelstep.domain import drift
from keelstep.kinds import names
from keelstep.kinds.transport import Mcp
from keelstep.log.drifts import Notes
from keelstep.log.identities import Role
from tests.integration.kinds import api
from tests.integration.operator import manifests
from tests.integration.operator.stage import Stage, condition, status

WORDS = "the MCP server says something else of the tool: description"


def of_mcp(namespace: str, description: str = "Close one incident.") -> api.Object:
    """A contract of an MCP server's tool, pinned to what was reviewed."""
    pinned = drift.digest(drift.Tool(description=description)).wire()
    server = {"url": "https://incidents.shop.example/mcp"}
    found = manifests.contract(namespace, "incidents.close")
    found["spec"]["transport"] = {"mcp": {"tool": "close", "http": server, "pinned": pinned}}
    return found


async def test_a_contract_is_drifted_until_the_tool_is_as_reviewed_or_is_reviewed_again(stage: Stage) -> None:
    """A condition and Events; it stays Ready, so that runs start and its calls are tried one by one."""
    tenant = stage.namespace(of_mcp)
    contract = of_mcp(tenant)
    ready = await stage.until(contract, lambda found: condition(found, "Ready").get("status") == "True")
    assert condition(ready, "Drifted") == {}
    client = await stage.broker.connect(Role.GATEWAY)
    notes = Notes(nc=client)
    mcp = Mcp.model_validate(contract["spec"]["transport"]["mcp"])

    notes.tell(tenant, mcp, WORDS)
    found = await stage.until(contract, lambda found: condition(found, "Drifted").get("status") == "True")
    assert condition(found, "Drifted")["reason"] == "Drifted"
    assert condition(found, "Drifted")["message"].startswith(WORDS)
    assert condition(found, "Ready")["status"] == "True"
    await stage.eventually(
        lambda: [each for each in stage.events(contract) if each["reason"] == "Drifted"], "the Event"
    )

    notes.tell(tenant, mcp, "")
    await stage.until(contract, lambda found: condition(found, "Drifted").get("reason") == "AsReviewed")

    notes.tell(tenant, mcp, WORDS)
    await stage.until(contract, lambda found: condition(found, "Drifted").get("status") == "True")
    again = of_mcp(tenant, "Close them all.")["spec"]["transport"]
    stage.patch(contract, {"spec": {"transport": again}})
    await stage.until(
        contract,
        lambda found: (
            status(found)["observedGeneration"] == found["metadata"]["generation"]
            and not condition(found, "Drifted")
        ),
        "what was reviewed again has not drifted",
    )
    await client.close()


async def test_a_contract_shows_the_pass_that_is_stated_of_its_content(stage: Stage) -> None:
    """Digest and time, in `kubectl get`; a contract that was changed since shows none."""
    tenant = stage.namespace(manifests.contract)
    contract = manifests.contract(tenant)
    ready = await stage.until(contract, lambda found: condition(found, "Ready").get("status") == "True")
    passed = {"digest": "b" * 64, "kind": "live", "at": "2026-01-01T00:00:00Z"}
    said = json.dumps({"revision": status(ready)["revision"], "passed": passed})
    stage.patch(contract, {"metadata": {"annotations": {names.ANNOTATION_CONFORMANCE: said}}})

    found = await stage.until(contract, lambda found: status(found).get("conformance"))
    assert status(found)["conformance"] == passed
    printed = stage.governed.kubectl("get", "toolcontracts", f"--namespace={tenant}", "--output=wide").output
    header, row = (line.split() for line in printed.splitlines())
    assert "TESTED" in header
    assert passed["digest"] in row

    stage.patch(contract, {"spec": {"timeoutSeconds": 7}})
    await stage.until(contract, lambda found: not status(found).get("conformance"), "it was changed since")
