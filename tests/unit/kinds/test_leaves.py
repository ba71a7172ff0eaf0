"""Is every field of every spec read by something, and is that tested?"""

from pathlib import Path

import yaml

from keelstep import kinds
from tests.unit.kinds import leaves

ROOT = Path(__file__).resolve().parents[3]


def test_every_leaf_of_every_spec_is_named_by_a_test_of_its_behaviour() -> None:
    """A spec field that nothing reads does not exist: each is listed in tests/leaves.yaml with a test."""
    named: dict[str, str] = yaml.safe_load((ROOT / "tests" / "leaves.yaml").read_text()) or {}
    problems = leaves.find_problems(leaves.find_leaves(kinds.KINDS), named, ROOT)
    assert not problems, f"{len(problems)} to settle in tests/leaves.yaml:\n" + "\n".join(problems)


def test_the_leaves_of_a_spec_are_found_at_every_depth() -> None:
    """Scalars, lists of scalars, free objects and the fields of a list's items are leaves; their parents are not."""
    found = leaves.find_leaves(kinds.KINDS)
    assert {
        "agentstrategy.spec.version",
        "agentstrategy.spec.limits.toolCalls",
        "agentstrategy.spec.tools.maxCalls",
        "agentstrategy.spec.model.fallbacks",
        "execution.spec.inputs",
        "toolcontract.spec.transport.http.headers.value",
        "approvalgate.spec.decisions.approver",
    } <= set(found)
    assert not {"agentstrategy.spec.limits", "agentstrategy.spec.tools", "approvalgate.spec.decisions"} & set(
        found
    )
    assert len(found) == len(set(found))


def test_the_registry_is_held_to_the_files(tmp_path: Path) -> None:
    """A missing leaf, a leaf that is gone, and a test that is gone are each told in one go."""
    (tmp_path / "test_a.py").write_text("async def test_one():\n    pass\n\ndef helper():\n    pass\n")
    named = {
        "a.spec.good": "test_a.py::test_one",
        "a.spec.renamed": "test_a.py::test_two",
        "a.spec.untested": "test_a.py::helper",
        "a.spec.lost": "test_b.py::test_one",
        "a.spec.gone": "test_a.py::test_one",
    }
    wanted = ["a.spec.good", "a.spec.renamed", "a.spec.untested", "a.spec.lost", "a.spec.new"]
    assert leaves.find_problems(wanted, named, tmp_path) == [
        "a.spec.new: no test is named",
        "a.spec.gone: no such field in any spec",
        "a.spec.renamed: there is no test test_a.py::test_two",
        "a.spec.untested: there is no test test_a.py::helper",
        "a.spec.lost: there is no test test_b.py::test_one",
    ]
