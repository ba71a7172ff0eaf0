"""What if a contract's schema is made to hurt? It is refused, with a reason that names the field, or it is harmless."""

from typing import Any

import pytest

from tests.integration.operator import manifests
from tests.integration.operator.stage import Stage, condition

TWICE = {f"p{n}": {"allOf": [{"$ref": f"#/$defs/p{n + 1}"}] * 2} for n in range(30)}

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a schema of half a megabyte": ({"type": "object", "description": "x" * 500_000}, "at most 262144"),
    "an external reference": (
        {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/x"}}},
        "only references within",
    ),
    "references that multiply": (
        {"type": "object", "$ref": "#/$defs/p0", "$defs": {**TWICE, "p30": {}}},
        "its references make more than",
    ),
    "a pattern that looks around": (
        {"type": "object", "properties": {"a": {"pattern": "(?=a+)+$"}}},
        "properties.a.pattern",
    ),
    "a pattern that grows": (
        {"type": "object", "properties": {"a": {"pattern": "((a{1,100}){1,100}){1,100}"}}},
        "properties.a.pattern",
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
async def test_a_contract_is_not_accepted_with(stage: Stage, case: tuple[dict[str, Any], str]) -> None:
    """Accepted is False, `SchemaInvalid`, and the message names the field."""
    document, says = case
    contract = manifests.contract(stage.namespace(), schema={"input": document, "output": {}})
    stage.create(contract)
    refused = await stage.until(contract, lambda found: condition(found, "Accepted").get("status") == "False")
    assert condition(refused, "Accepted")["reason"] == "SchemaInvalid"
    assert condition(refused, "Accepted")["message"].startswith("schema.input: ")
    assert says in condition(refused, "Accepted")["message"]


HARMLESS: dict[str, dict[str, Any]] = {
    "a schema that refers to itself": {"type": "object", "properties": {"child": {"$ref": "#"}}},
    "a pattern that others would never finish": {
        "type": "object",
        "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}},
    },
}


@pytest.mark.parametrize("document", HARMLESS.values(), ids=HARMLESS.keys())
async def test_a_contract_is_accepted_with(stage: Stage, document: dict[str, Any]) -> None:
    """It is decided in linear time."""
    contract = manifests.contract(stage.namespace(), schema={"input": document, "output": {}})
    stage.create(contract)
    await stage.until(contract, lambda found: condition(found, "Accepted").get("status") == "True")


async def test_a_schema_of_two_megabytes_is_not_even_stored(stage: Stage) -> None:
    """The API server refuses what its store cannot hold."""
    document = {"type": "object", "description": "x" * 2_000_000}
    contract = manifests.contract(stage.namespace(), schema={"input": document, "output": {}})
    answer = stage.admin.create(contract)
    assert not answer.is_ok
    assert "too large" in answer.message
