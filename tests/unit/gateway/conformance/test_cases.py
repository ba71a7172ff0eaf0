"""Cases: read strictly, and what a contract says itself fills the gaps."""

from pathlib import Path
from typing import Any

import pytest

from keelstep.kinds.contract import ToolContractSpec
from keelstep_gateway.conformance import cases
from keelstep_gateway.conformance.cases import Case, CaseError, Contract, Related


def contract(**fields: Any) -> Contract:
    """A contract with these fields."""
    spec: dict[str, Any] = {
        "description": "x",
        "schema": {"input": {"type": "object"}, "output": {}},
        "sideEffect": "Irreversible",
        "consequenceTier": 3,
        "transport": {"http": {"method": "POST", "url": "http://a/b"}},
        **fields,
    }
    return Contract(name="book", spec=ToolContractSpec.model_validate(spec), revision="0" * 64)


FILES = {
    "no YAML": ("cases: [", "cases.yaml"),
    "a field that is not known": ("cases: [{contract: a, args: {}}]", "unknown field"),
    "no contract": ("cases: [{arguments: {}}]", "contract"),
    "no list": ("contract: a", "cases"),
    "two cases of one contract": ("cases: [{contract: a}, {contract: a}]", "two cases of a"),
}


@pytest.mark.parametrize("sentence", FILES)
def test_a_file_is_refused_that_holds(sentence: str, tmp_path: Path) -> None:
    """With its name and what is wrong."""
    text, part = FILES[sentence]
    file = tmp_path / "cases.yaml"
    file.write_text(text)
    with pytest.raises(CaseError, match=part):
        cases.load(file)


def test_arguments_default_to_the_contracts_first_example() -> None:
    """A case's own count more."""
    exemplary = contract(schema={"input": {"type": "object", "examples": [{"a": 1}, {"a": 2}]}, "output": {}})
    assert cases.completed(exemplary, None).arguments == {"a": 1}
    assert cases.completed(exemplary, Case(contract="book", arguments={})).arguments == {}
    assert cases.completed(contract(), None).arguments is None


RELATED = {
    "no JMESPath": ("{a:", "not a JMESPath expression"),
    "no object": ("args.a", "yields no object"),
}


@pytest.mark.parametrize("sentence", RELATED)
def test_arguments_of_a_related_call_are_an_object(sentence: str) -> None:
    """Of the values there are."""
    expression, part = RELATED[sentence]
    with pytest.raises(CaseError, match=part):
        Related(contract="list", arguments=expression).made({"args": {"a": 1}})
    assert Related(contract="list", arguments="{id: args.a}").made({"args": {"a": 1}}) == {"id": 1}


COUNTS = {
    "true": ("true", "no whole number"),
    "a fraction": ("0.5", "no whole number"),
    "a variable that is not there": ("now", "unknown variable"),
    "a field that is not there": ("output.none", "count of list"),
}


@pytest.mark.parametrize("sentence", COUNTS)
def test_a_count_is_a_whole_number(sentence: str) -> None:
    """Anything else proves nothing."""
    expression, part = COUNTS[sentence]
    with pytest.raises(CaseError, match=part):
        Related(contract="list", arguments="args", count=expression).counted(
            {"output": {}, "args": {}, "key": "k"}
        )
    counted = Related(contract="list", arguments="args", count="output.filter(each, each == key).size()")
    assert counted.counted({"output": ["k", "x", "k"], "args": {}, "key": "k"}) == 2
