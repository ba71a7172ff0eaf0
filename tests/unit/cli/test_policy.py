"""Does `keelstep policy test` ask the rules about what a gateway asks them about?"""

from pathlib import Path

from keelstep.cli.commands import files, policy
from keelstep.domain import policy as rules
from tests.unit.domain import calls, pinned


def test_a_case_has_the_shape_of_what_a_gateway_asks_about() -> None:
    """The same names at every depth: a rule that works here works there."""
    contracts = {name: files.Read(name=name, spec=spec, wire={}) for name, spec in pinned.CONTRACTS.items()}
    case = policy.Case.model_validate(
        {"name": "a", "tool": "credit.grant", "args": calls.ARGS, "expect": {"effect": "Allow"}}
    )
    asked = rules.values(
        rules.Subject(
            state=calls.planned("credit.grant").state,
            pinned=pinned.pinned(),
            tool="credit.grant",
            args=calls.ARGS,
            cap_micro_usd=1,
        )
    )
    given = policy.values(case, contracts)
    assert _shape(given) == _shape(asked)
    assert given["tool"] == asked["tool"]


def _shape(found: object) -> object:
    if isinstance(found, dict):
        return {key: _shape(value) for key, value in found.items()}
    return type(found)


def test_the_example_of_the_page_is_what_the_page_says() -> None:
    """docs/policy.md shows the files of examples/policy."""
    page = (Path(__file__).parents[3] / "docs" / "policy.md").read_text()
    folder = Path(__file__).parents[3] / "examples" / "policy"
    for file in sorted(folder.iterdir()):
        assert file.read_text() in page, f"docs/policy.md does not show {file.name}"
