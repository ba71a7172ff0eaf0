"""Is the contract that docs/results.md shows one that is accepted?"""

import re
from pathlib import Path

import pytest
import yaml

from keelstep.kinds.contract import ToolContractSpec
from keelstep_operator.decide import definition

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("page", ["results.md", "policy.md"])
def test_the_contracts_of_a_page_are_accepted(page: str) -> None:
    """As the operator checks them."""
    blocks = re.findall(r"```yaml\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    documents = [each for block in blocks for each in yaml.safe_load_all(block)]
    contracts = [each for each in documents if each.get("kind") == "ToolContract"]
    assert contracts
    for each in contracts:
        found = definition.check_contract(ToolContractSpec.model_validate(each["spec"]))
        assert (found.status, found.message) == ("True", "")
