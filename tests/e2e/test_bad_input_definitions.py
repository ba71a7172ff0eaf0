"""What does an author hear who applies something that cannot be? At once where the API server can tell, else in Accepted."""

from typing import Any

import pytest
import yaml

from hack.local.world import AUTHOR, Tenant
from tests.e2e import person

pytestmark = pytest.mark.usefixtures("programs_stay_calm")

STRATEGY, CONTRACT = "agentstrategies", "toolcontracts"
_BASE = {STRATEGY: ("strategies.yaml", "support-agent"), CONTRACT: ("contracts.yaml", "credit.grant")}
_FLOAT = 0.5

REFUSED: dict[str, tuple[str, Any, str]] = {
    "an unknown field of a strategy": (STRATEGY, {"temperature": "1"}, 'unknown field "spec.temperature"'),
    "an unknown field of a contract": (CONTRACT, {"retries": 3}, 'unknown field "spec.retries"'),
    "a negative budget of a strategy": (
        STRATEGY,
        {"limits": {"costUSD": "-1"}},
        'spec.limits.costUSD: Invalid value: "-1"',
    ),
    "a negative budget of a contract": (
        CONTRACT,
        {"budgets": {"estimatedCostUSD": "-0.01"}},
        'spec.budgets.estimatedCostUSD: Invalid value: "-0.01"',
    ),
    "float money of a strategy": (
        STRATEGY,
        {"limits": {"costUSD": _FLOAT}},
        'spec.limits.costUSD in body must be of type string: "number"',
    ),
    "float money of a contract": (
        CONTRACT,
        {"budgets": {"estimatedCostUSD": _FLOAT}},
        'spec.budgets.estimatedCostUSD in body must be of type string: "number"',
    ),
    "a tier below its side effect's floor": (
        CONTRACT,
        {"consequenceTier": 0},
        "consequenceTier: a Reversible tool is at least tier 1",
    ),
}

NOT_ACCEPTED: dict[str, tuple[str, Any, str, str]] = {
    "a template with an undeclared slot": (
        STRATEGY,
        {"prompt": {"template": "Help {{ who }}."}},
        "TemplateInvalid",
        "prompt.template: uses 'who', which is not a declared slot",
    ),
    "a template that does not parse": (
        STRATEGY,
        {"prompt": {"template": "Help {{ goal"}},
        "TemplateInvalid",
        "prompt.template: line 1: ",
    ),
    "an invalid JSON Schema of an output": (
        STRATEGY,
        {"outputSchema": {"type": "object", "properties": {"summary": {"type": "strnig"}}}},
        "SchemaInvalid",
        'outputSchema: properties.summary.type: "strnig" is not valid',
    ),
    "an invalid JSON Schema of arguments": (
        CONTRACT,
        {"schema": {"input": {"type": "object", "properties": {"amount": {"type": "decimal"}}}}},
        "SchemaInvalid",
        'schema.input: properties.amount.type: "decimal" is not valid',
    ),
    "an external reference of an output": (
        STRATEGY,
        {"outputSchema": {"$ref": "https://schemas.example/answer.json"}},
        "SchemaInvalid",
        "outputSchema: $ref to 'https://schemas.example/answer.json': only references within the schema",
    ),
    "an external reference deep inside a result": (
        CONTRACT,
        {"schema": {"output": {"type": "object", "properties": {"a": {"$ref": "other.json#/a"}}}}},
        "SchemaInvalid",
        "schema.output: $ref to 'other.json#/a': only references within the schema",
    ),
    "a criterion that is no CEL": (
        STRATEGY,
        {"successCriteria": [{"name": "answered", "expression": "output.resolution == "}]},
        "ExpressionInvalid",
        "successCriteria[0].expression: line 1, column 22: it ends too early",
    ),
    "a criterion about something else": (
        STRATEGY,
        {"successCriteria": [{"name": "answered", "expression": "answer.resolution == 'credited'"}]},
        "ExpressionInvalid",
        "successCriteria[0].expression: unknown variable 'answer'; it may use output, trace",
    ),
    "a mapping that is no CEL": (
        CONTRACT,
        {"transport": {"http": {"response": '{"credit_id": body.id'}}},
        "ExpressionInvalid",
        "transport.http.response: line 1, column 22: it ends too early",
    ),
}


def manifest(tenant: Tenant, plural: str, name: str, changes: Any) -> Any:
    """The example's strategy or contract with a mistake in it."""
    file, base = _BASE[plural]
    found = next(each for each in tenant.manifests(file) if each["metadata"]["name"] == base)
    return person.changed(found, name, changes)


def name_of(sentence: str) -> str:
    """A name for the object of a case."""
    return "-".join(sentence.lower().replace("'", "").split())


@pytest.mark.parametrize("sentence", REFUSED)
def test_the_api_server_refuses(sentence: str, shared: Tenant) -> None:
    """At apply, in words that name the field; nothing is stored."""
    plural, changes, says = REFUSED[sentence]
    name = name_of(sentence)
    text = yaml.safe_dump(manifest(shared, plural, name, changes))
    assert says in person.refusal(shared.person(AUTHOR), "apply", "-f", "-", stdin=text)
    assert name not in {each["metadata"]["name"] for each in shared.items(plural)}


@pytest.mark.parametrize("sentence", ["a negative budget", "float money", "an unknown field"])
def test_the_api_server_refuses_a_run_with(sentence: str, shared: Tenant) -> None:
    """A requester hears it too, and no run begins."""
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "a negative budget": ({"budget": {"costUSD": "-1"}}, 'spec.budget.costUSD: Invalid value: "-1"'),
        "float money": (
            {"budget": {"costUSD": _FLOAT}},
            "spec.budget.costUSD in body must be of type string",
        ),
        "an unknown field": ({"budgets": {}}, 'unknown field "spec.budgets"'),
    }
    spec, says = cases[sentence]
    asked = person.execution(shared, name_of(sentence), "Answer in prose", **spec)
    text = yaml.safe_dump(asked)
    assert says in person.refusal(shared.person("demo-requester"), "apply", "-f", "-", stdin=text)
    assert not shared.status(name_of(sentence))


@pytest.mark.parametrize("sentence", NOT_ACCEPTED)
def test_the_operator_does_not_accept(sentence: str, shared: Tenant) -> None:
    """Accepted is False and names the field, Ready repeats it, an Event tells it, and no revision is kept."""
    plural, changes, reason, says = NOT_ACCEPTED[sentence]
    name = name_of(sentence)
    shared.apply(shared.person(AUTHOR), [manifest(shared, plural, name, changes)])
    found = person.until_condition(shared, plural, name, "Accepted", reason)
    for type_name in ("Accepted", "Ready"):
        condition = person.condition(found, type_name)
        assert (condition["status"], condition["reason"]) == ("False", reason)
        assert condition["message"].startswith(says), condition["message"]
    assert not found["status"].get("revision")
    event = person.until_told(shared, name, reason)
    assert (event["type"], event["message"]) == ("Warning", person.condition(found, "Ready")["message"])


def test_a_missing_contract_is_named_and_healed_by_applying_it(shared: Tenant) -> None:
    """ResolvedRefs is False; a run of that strategy waits, says why, and begins by itself once the contract is there."""
    author = shared.person(AUTHOR)
    tools = {"tools": [{"contract": "orders.look"}], "successCriteria": []}
    shared.apply(author, [manifest(shared, STRATEGY, "waits-for-a-tool", tools)])
    found = person.until_condition(shared, STRATEGY, "waits-for-a-tool", "ResolvedRefs", "ContractMissing")
    assert person.condition(found, "ResolvedRefs")["status"] == "False"
    assert (
        "tools[0].contract: there is no ToolContract orders.look"
        in (person.condition(found, "ResolvedRefs")["message"])
    )
    person.ask(shared, "waits-for-a-contract", "Answer in prose", strategy="waits-for-a-tool")
    waiting = person.until_condition(
        shared, "executions", "waits-for-a-contract", "ResolvedRefs", "StrategyNotReady"
    )
    assert (
        "ContractMissing: tools[0].contract: there is no ToolContract orders.look"
        in (person.condition(waiting, "ResolvedRefs")["message"])
    )
    assert person.until_told(shared, "waits-for-a-contract", "StrategyNotReady")["type"] == "Warning"
    orders = next(
        each for each in shared.manifests("contracts.yaml") if each["metadata"]["name"] == "orders.get"
    )
    shared.apply(author, [person.changed(orders, "orders.look", {})])
    shared.until_phase("waits-for-a-contract", "Failed")
    assert shared.status("waits-for-a-contract")["reason"] == "ModelMalformed"
