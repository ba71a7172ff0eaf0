"""Are the ops example's manifests and script right, and do they fit each other?"""

import pathlib
from typing import Any

import pytest
import yaml

from examples.ops import render
from examples.refund import model, script
from keelstep import kinds
from keelstep.domain import failure, schema
from keelstep.kinds import contract, names, resource, strategy

FOLDER = pathlib.Path(render.__file__).parent
TOKEN = "generated-for-this-test"
KINDS = {kind.crd.kind: kind for kind in kinds.KINDS}


def _documents() -> list[dict[str, Any]]:
    rendered = render.render("http://127.0.0.1:18811", "http://127.0.0.1:18812", TOKEN)
    return [document for text in rendered.values() for document in yaml.safe_load_all(text)]


CONTRACTS = {
    each["metadata"]["name"]: contract.ToolContract.model_validate(each)
    for each in _documents()
    if each["kind"] == "ToolContract"
}
[AGENT] = [
    strategy.AgentStrategy.model_validate(each) for each in _documents() if each["kind"] == "AgentStrategy"
]
SCRIPT = script.load(FOLDER / "script.yaml")


@pytest.mark.parametrize(
    "document", _documents(), ids=lambda each: f"{each['kind']}-{each['metadata']['name']}"
)
def test_every_manifest_is_of_the_tenant_and_fits_its_kind(document: dict[str, Any]) -> None:
    """Our kinds validate as the API server will; everything but the namespace itself is in it."""
    if document["kind"] != "Namespace":
        assert document["metadata"]["namespace"] == render.NAMESPACE
    if document["apiVersion"] == resource.API_VERSION:
        KINDS[document["kind"]].model_validate(document)


def test_rendering_leaves_no_placeholder_and_no_secret_outside_the_secret(tmp_path: pathlib.Path) -> None:
    """Addresses and the command are filled in; the token stands in the Secret alone, for its owner's eyes."""
    render.write(tmp_path, "http://a", "http://b", TOKEN)
    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert not [name for name, text in written.items() if "${" in text]
    assert [name for name, text in written.items() if TOKEN in text] == ["credentials.yaml"]
    assert (tmp_path / "credentials.yaml").stat().st_mode & 0o777 == 0o600


def test_the_gateways_list_of_commands_holds_the_contracts_command() -> None:
    """Else its server would not be run."""
    [mcp] = [
        each.spec.transport.mcp
        for each in CONTRACTS.values()
        if each.spec.transport.mcp is not None and each.spec.transport.mcp.stdio is not None
    ]
    assert mcp.stdio is not None
    assert yaml.safe_load(render.commands()) == {"commands": [{"command": mcp.stdio.command}]}


def test_every_tool_is_pinned_or_of_a_document_and_what_changes_something_can_be_undone_or_asks() -> None:
    """The point of the example, contract by contract."""
    for name, each in CONTRACTS.items():
        mcp = each.spec.transport.mcp
        assert mcp is None or mcp.pinned is not None, name
        if each.spec.side_effect == contract.SideEffect.REVERSIBLE and name != "alerts.end-silence":
            assert each.spec.compensation is not None, name
    assert {name: each.spec.consequence_tier for name, each in CONTRACTS.items()} == {
        "runbooks.find-runbook": 0,
        "alerts.list-alerts": 0,
        "alerts.silence-alert": 1,
        "alerts.end-silence": 1,
        "fleet.get-service": 0,
        "fleet.scale-service": 1,
        "fleet.fail-over-service": 3,
    }


def test_the_agent_lists_every_tool_and_what_undoes_it() -> None:
    """A compensation that the agent does not list would be refused."""
    assert [tool.contract for tool in AGENT.spec.tools] == list(CONTRACTS)
    for each in CONTRACTS.values():
        listed = {name: found.spec for name, found in CONTRACTS.items()}
        assert failure.problem(each.spec) == ""
        assert failure.unlisted(each.spec, listed) == ""


def test_every_call_of_the_script_is_one_that_a_contract_accepts() -> None:
    """Tool names as the model knows them, arguments as the schemas want them, answers as the strategy wants them."""
    known = {names.model_tool(name): each.spec for name, each in CONTRACTS.items()}
    for scenario in SCRIPT.scenarios:
        for turn in scenario.turns:
            for each in turn if isinstance(turn, list) else [turn]:
                for call in each.calls:
                    described = schema.compile_schema(known[call.name].schemas.input)
                    assert described.problems(call.arguments) == [], call
                if isinstance(each.content, dict):
                    assert AGENT.spec.output_schema is not None
                    assert schema.compile_schema(AGENT.spec.output_schema).problems(each.content) == []


@pytest.mark.parametrize(
    "goal", ["Customers say that checkout answers slowly.", "Search fails for some customers."]
)
def test_the_script_answers_each_goal(goal: str) -> None:
    """The goal of each execution finds its scenario."""
    goals = [each["spec"]["goal"] for each in _documents() if each["kind"] == "Execution"]
    assert goal in goals
    answer = script.choose(SCRIPT, "shop-scripted-1", [{"role": "user", "content": goal}])
    assert model.message(answer)["tool_calls"]
