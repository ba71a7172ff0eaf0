"""Does every field of a contract have a section with an example, and do the examples of the pages hold?"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.generate import sections
from keelstep.domain import acceptance
from keelstep.kinds.contract import ToolContract, ToolContractSpec
from tests.unit.kinds import leaves

DOCS = Path(__file__).parents[3] / "docs"
EXAMPLES = dict(sections.specs(ToolContract))
PAGES = ("failure.md", "limits.md", "transports.md")
"""Those whose examples are parts of a contract."""


def said(path: str, node: Any) -> Iterator[str]:
    """The path of every value; a list's items count as its fields."""
    yield path
    for inner in node if isinstance(node, list) else []:
        yield from said(path, inner)
    for name, inner in node.items() if isinstance(node, dict) else []:
        yield from said(f"{path}.{name}", inner)


def test_every_field_of_a_contract_is_said_in_an_example_of_its_section() -> None:
    """Whoever looks for a field finds it written as it is meant."""
    written = {path for spec in EXAMPLES.values() for path in said("toolcontract.spec", spec)}
    missing = [leaf for leaf in leaves.find_leaves([ToolContract]) if leaf not in written]
    assert missing == []


def parts(page: str) -> list[dict[str, Any]]:
    """What a page shows of contracts, as parts of a spec."""
    blocks = re.findall(r"```yaml\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    found = [yaml.safe_load(block) for block in blocks]
    return [each.get("spec", each) for each in found if isinstance(each, dict)]


@pytest.mark.parametrize("page", PAGES)
def test_the_parts_of_contracts_that_a_page_shows_are_accepted(page: str) -> None:
    """As the operator checks them, in a contract that says the rest."""
    fields = {field.alias for field in ToolContractSpec.model_fields.values()}
    shown = [each for each in parts(page) if each.keys() <= fields]
    assert shown
    for each in shown:
        spec = {**EXAMPLES["description 1"], **each}
        arguments = {name for names in re.findall(r"args\.(\w+)|{(\w+)}", str(spec)) for name in names}
        spec["schema"] = {
            "input": {"type": "object", "properties": {key: {} for key in arguments}},
            "output": {},
        }
        assert acceptance.objection(ToolContractSpec.model_validate(spec)) is None
