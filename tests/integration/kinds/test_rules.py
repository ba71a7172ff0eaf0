"""Does the API server refuse exactly what each rule of the CRDs forbids, and say why?"""

import pydantic
import pytest
import yaml

from keelstep.domain import admission
from keelstep.kinds.contract import ToolContractSpec
from tests.integration.kinds import api, cases, plane

CASES = cases.read_all()


@pytest.mark.parametrize("case", CASES, ids=[case.title for case in CASES])
def test_the_api_server_applies_each_rule(case: cases.Case, governed: plane.Governed, namespace: str) -> None:
    """What a rule allows is accepted; what it forbids is refused with the rule's own message."""
    before = api.in_namespace(case.before, namespace)
    who = governed.persona(case.by, plane.MASTERS) if case.by else governed.operator
    if case.when == "create":
        answer = who.create(api.merge(before, case.patch))
    else:
        governed.place(before)
        answer = who.patch(before, case.patch, subresource="status" if case.when == "status" else "")
    if case.is_accepted:
        assert answer.is_ok, answer.message
    else:
        assert case.says in answer.message
        assert answer.status in (400, 422)


ASKED = [case for case in CASES if case.kind == "toolcontract" and case.when == "create"]


@pytest.mark.parametrize("case", ASKED, ids=[case.title for case in ASKED])
def test_a_contract_s_rules_are_asked_alike_without_a_cluster(case: cases.Case) -> None:
    """By whoever tests one: what the API server accepts breaks none, what a rule of its spec refuses breaks that one."""
    try:
        spec = ToolContractSpec.model_validate(api.merge(case.before, case.patch)["spec"])
    except pydantic.ValidationError:
        assert not case.is_accepted
        return
    broken = list(admission.broken(spec))
    if case.is_accepted:
        assert broken == []
    elif not case.says.startswith("metadata."):
        assert case.says in broken


def test_every_rule_has_an_accepted_and_a_refused_sample() -> None:
    """No CEL rule of any CRD goes without a sample of each sort."""
    for path in sorted((plane.ROOT / "crds").glob("*.yaml")):
        definition = yaml.safe_load(path.read_text())
        messages = set(_messages(definition))
        assert messages, f"{path.name} has no rules: is the search right?"
        for is_accepted in (True, False):
            sampled = {c.says for c in CASES if c.kind == path.stem and c.is_accepted is is_accepted}
            assert messages <= sampled, f"{path.name}, {'accepted' if is_accepted else 'refused'}"


def _messages(node: object) -> list[str]:
    if isinstance(node, dict):
        own = [rule["message"] for rule in node.get("x-kubernetes-validations", [])]
        return own + [message for child in node.values() for message in _messages(child)]
    if isinstance(node, list):
        return [message for child in node for message in _messages(child)]
    return []
