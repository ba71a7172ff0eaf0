"""What if a contract is edited while its calls are in flight? They finish on their pins; what begins later has the new."""

from typing import Any

from hack.local.world import AUTHOR, Tenant
from tests.e2e import person, record

TOOL, PATH = "credit.grant", "/credits"


def known(tenant: Tenant) -> Any:
    """The contract, once the operator has seen what it says now."""

    def found() -> Any:
        contract = tenant.get("toolcontracts", TOOL)
        is_seen = (contract.get("status") or {}).get("observedGeneration") == contract["metadata"][
            "generation"
        ]
        return contract if is_seen else None

    return tenant.until("the contract to be known as it is", found)


def result(tenant: Tenant, run: str) -> Any:
    """What came of the run's call of the contract."""
    tenant.until_phase(run, "Succeeded", "Failed")
    log = record.assert_sound(tenant, run)
    [found] = [each for each in person.of_type(log, "tool.result") if each["tool"] == TOOL]
    [claim] = [each for each in person.of_type(log, "tool.called") if each["tool"] == TOOL]
    return {**found, "contract_digest": claim["contract_digest"]}


def test_a_call_in_flight_ends_on_the_contract_it_began_with(tenant: Tenant) -> None:
    """The edited one would not take the tool's answer, nor be sent there: that is for runs that begin after it."""
    before = known(tenant)["status"]["revision"]
    tenant.platform.shop("POST", "/faults", {"path": PATH, "mode": "hold"})
    try:
        person.ask(tenant, "in-flight", "Grant one credit")
        tenant.until(
            "the call to be in flight",
            lambda: tenant.platform.shop("GET", "/faults/state")["waiting_by_path"].get(PATH),
        )
        reviewed = next(
            each for each in tenant.manifests("contracts.yaml") if each["metadata"]["name"] == TOOL
        )
        output = {"type": "object", "required": ["voucher"], "properties": {"voucher": {"type": "string"}}}
        edited = person.changed(reviewed, TOOL, {"schema": {"output": output}, "timeoutSeconds": 20})
        tenant.apply(tenant.person(AUTHOR), [edited])
        after = known(tenant)["status"]["revision"]
        tenant.platform.shop("POST", "/faults/release")
    finally:
        tenant.platform.shop("DELETE", "/faults")
    first = result(tenant, "in-flight")
    assert (first["status"], first["contract_digest"]) == ("ok", before)
    person.ask(tenant, "afterwards", "Grant one credit")
    second = result(tenant, "afterwards")
    assert (second["error"]["reason"], second["contract_digest"]) == ("OutputInvalid", after)
    assert before != after
