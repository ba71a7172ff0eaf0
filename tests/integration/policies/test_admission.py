"""Does each admission policy refuse exactly what it is there to refuse, and say why?"""

import re

import pytest
import yaml

from tests.integration.kinds import plane
from tests.integration.policies import samples

SAMPLES = samples.read_all()


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample.title for sample in SAMPLES])
def test_each_sample_is_answered_as_it_says(
    sample: samples.Sample, enforced: plane.Governed, namespace: str
) -> None:
    """A `pass-` sample is carried out; a `fail-` sample is refused with the reason it names."""
    answer = samples.send(sample, enforced, namespace)
    if sample.is_accepted:
        assert answer.is_ok, answer.message
    else:
        assert sample.refused in answer.message
        assert answer.status in (403, 422)


@pytest.mark.parametrize("policy", samples.POLICIES)
def test_every_validation_of_a_policy_has_samples(policy: str) -> None:
    """Each reason a policy can give is given in a failing sample, and each policy lets something pass."""
    path = plane.ROOT / "policies" / "admission" / f"{policy}.yaml"
    spec = next(yaml.safe_load_all(path.read_text()))["spec"]
    refusals = [s.refused for s in SAMPLES if s.policy == policy and not s.is_accepted]
    for validation in spec["validations"]:
        reason: str = validation.get("message") or _longest_literal(validation["messageExpression"])
        assert any(reason in refused for refused in refusals), reason
    assert any(s.policy == policy and s.is_accepted for s in SAMPLES)


def _longest_literal(expression: str) -> str:
    literals: list[str] = re.findall(r"'([^']*)'", expression)
    return max(literals, key=len)


@pytest.mark.parametrize("policy", samples.POLICIES)
def test_a_policy_that_cannot_be_evaluated_refuses(policy: str) -> None:
    """Each policy fails closed, denies everywhere, and covers versions of a kind that do not exist yet."""
    path = plane.ROOT / "policies" / "admission" / f"{policy}.yaml"
    definition, binding = yaml.safe_load_all(path.read_text())
    assert definition["spec"]["failurePolicy"] == "Fail"
    assert all(
        rule["apiVersions"] == ["*"] for rule in definition["spec"]["matchConstraints"]["resourceRules"]
    )
    assert binding["spec"] == {"policyName": definition["metadata"]["name"], "validationActions": ["Deny"]}


@pytest.mark.parametrize("policy", samples.POLICIES)
def test_the_api_server_finds_no_type_error_in_a_policy(policy: str, enforced: plane.Governed) -> None:
    """Every expression fits the schemas of the CRDs it looks at."""
    path = f"/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/keelstep-{policy}"

    def checked() -> dict[str, object]:
        found: dict[str, object] = enforced.admin.fetch(path).body.get("status", {})
        return found

    status = plane.until(checked, f"{policy} is type-checked")
    assert status["typeChecking"] == {}
