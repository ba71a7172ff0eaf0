"""What comes of a call of a builtin: its answer, or why it has none; and which contracts fit their function."""

from typing import Any

import msgspec
import pytest

from hack.generate import builtins as page
from keelstep.domain import canonical, schema
from keelstep.domain.builtins import evaluation, fit, query, registry, selection
from keelstep.domain.outcome import Judged
from keelstep.kinds.contract import ToolContractSpec
from keelstep.kinds.transport import BuiltinFunction


def spec(name: BuiltinFunction, **schemas: Any) -> ToolContractSpec:
    """The function's own contract, as the page shows it; a schema may be changed."""
    manifest = page.contract(registry.FUNCTIONS[name])["spec"]
    return ToolContractSpec.model_validate({**manifest, "schema": {**manifest["schema"], **schemas}})


def evaluate(contract: ToolContractSpec, **args: object) -> Judged:
    """The outcome of a call, in a run with the output that the function's example reads."""
    builtin = contract.transport.builtin
    assert builtin is not None
    function = registry.FUNCTIONS[builtin.function]
    document = canonical.dumps(function.example_document) if function.reads else None
    return evaluation.evaluate(builtin, contract, args, document)


def reason(judged: Judged) -> str:
    """Why a call failed."""
    assert (judged.status, judged.output) == ("failed", None)
    assert judged.error is not None
    assert judged.error.error_class == "Invalid"
    return judged.error.reason


def test_every_function_that_a_contract_may_name_is_there() -> None:
    """And no other."""
    assert list(registry.FUNCTIONS) == list(BuiltinFunction)


@pytest.mark.parametrize("name", BuiltinFunction)
def test_an_example_is_right_and_its_contract_fits(name: BuiltinFunction) -> None:
    """What the page says of a function can be copied and believed."""
    function, contract = registry.FUNCTIONS[name], spec(name)
    args, answer = function.example
    assert not schema.compile_schema(contract.schemas.input).problems(args)
    assert evaluate(contract, **args) == Judged(status="ok", output=canonical.dumps(answer))
    assert contract.transport.builtin is not None
    assert fit.problem(contract.transport.builtin, contract) == ""


@pytest.mark.parametrize("name", BuiltinFunction)
def test_arguments_that_a_function_does_not_take_are_a_failure(name: BuiltinFunction) -> None:
    """Whatever the contract's schema let through; no content of theirs in the words."""
    args, _ = registry.FUNCTIONS[name].example
    judged = evaluate(spec(name), **{**args, "secret": "hunter2"})
    assert reason(judged) == "ArgumentsInvalid"
    assert reason(evaluate(spec(name))) == "ArgumentsInvalid"
    assert b"hunter2" not in msgspec.json.encode(judged.error)


def test_a_function_without_an_answer_fails_with_its_own_reason() -> None:
    """As data: the model reads it and may do better."""
    judged = evaluate(spec(BuiltinFunction.DECIMAL_DIVIDE), a="1", b="0", scale=2)
    assert reason(judged) == "DivisionByZero"


def test_an_answer_off_the_contracts_schema_is_a_failure() -> None:
    """A contract may promise less than its function gives, and is held to it."""
    narrow = spec(
        BuiltinFunction.DECIMAL_ADD,
        output={"type": "object", "properties": {"value": {"type": "string", "pattern": "^[0-9]$"}}},
    )
    assert evaluate(narrow, a="1", b="2").status == "ok"
    assert reason(evaluate(narrow, a="6", b="7")) == "OutputInvalid"


def test_an_answer_that_not_every_reader_can_read_is_a_failure() -> None:
    """Nested deeper than its document, which was as deep as may be."""
    select = spec(BuiltinFunction.JSON_SELECT)
    deep: Any = 1
    for _ in range(canonical.MOST_LEVELS - 2):
        deep = [deep]
    assert evaluate(select, document=deep, expression="[@]").status == "ok"
    assert reason(evaluate(select, document=deep, expression="[[@]]")) == "OutputInvalid"


def test_an_answer_larger_than_a_conversation_should_carry_is_a_failure() -> None:
    """An expression may find the same part many times."""
    select = spec(BuiltinFunction.JSON_SELECT)
    document = "x" * (selection.MOST_DOCUMENT_BYTES - 2)
    assert evaluate(select, document=document, expression="@").status == "ok"
    assert reason(evaluate(select, document=document, expression="[@, @, @]")) == "ResultTooLarge"
    assert query.find("[@, @, @]", document) == [document] * 3


UNFIT: dict[str, tuple[dict[str, Any], str]] = {
    "an argument the function does not know": (
        {"input": {"properties": {"a": {}, "b": {}, "c": {}}, "required": ["a", "b"]}},
        "schema.input.properties.c",
    ),
    "an argument left out": ({"input": {"properties": {"a": {}}, "required": ["a"]}}, "needs b"),
    "an argument not required": ({"input": {"properties": {"a": {}, "b": {}}, "required": ["a"]}}, "needs b"),
    "no schema at all": ({"input": {}}, "needs a"),
    "a number that is no text": (
        {"input": {"properties": {"a": {"type": "number"}, "b": {}}, "required": ["a", "b"]}},
        "schema.input.properties.a.type",
    ),
    "further arguments": (
        {
            "input": {
                "properties": {"a": {}, "b": {}},
                "required": ["a", "b"],
                "additionalProperties": True,
            }
        },
        "schema.input.additionalProperties",
    ),
    "an answer that is no object": ({"output": {"type": "string"}}, "schema.output.type"),
}


@pytest.mark.parametrize("sentence", UNFIT)
def test_a_contract_that_does_not_fit_its_function_is_told_the_field(sentence: str) -> None:
    """Before any run could meet it."""
    changes, part = UNFIT[sentence]
    contract = spec(BuiltinFunction.DECIMAL_ADD, **changes)
    assert contract.transport.builtin is not None
    assert part in fit.problem(contract.transport.builtin, contract)


def test_a_narrower_schema_fits() -> None:
    """Fewer digits, fewer options, a description."""
    digits = {"type": "string", "pattern": "^[0-9]{1,6}$", "description": "Whole euros."}
    contract = spec(
        BuiltinFunction.DECIMAL_ADD,
        input={
            "type": "object",
            "properties": {"a": digits, "b": digits, "scale": {"const": 0}},
            "required": ["a", "b"],
            "additionalProperties": False,
        },
    )
    assert contract.transport.builtin is not None
    assert fit.problem(contract.transport.builtin, contract) == ""
