"""Does a cluster take every example of docs/toolcontract.md?"""

import pytest

from hack.generate import sections
from keelstep.domain import acceptance
from keelstep.kinds import resource
from keelstep.kinds.contract import ToolContract, ToolContractSpec
from tests.integration.kinds import plane

EXAMPLES = dict(sections.specs(ToolContract))


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_of_a_field_is_taken_as_it_is_written(
    name: str, governed: plane.Governed, namespace: str
) -> None:
    """By the API server with its rules, and by the operator's own checks of what was stored."""
    manifest = {
        "apiVersion": resource.API_VERSION,
        "kind": "ToolContract",
        "metadata": {"name": name.lower().replace(" ", "."), "namespace": namespace},
        "spec": EXAMPLES[name],
    }
    answer = governed.operator.create(manifest)
    assert answer.is_ok, answer.message
    stored = ToolContractSpec.model_validate(answer.body["spec"])
    assert acceptance.objection(stored) is None
