"""What does `keelstep policy test` say of a table of cases? No cluster is asked."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.cli import program

EXAMPLE = Path(__file__).parents[3] / "examples" / "policy"
CASE = {
    "name": "a small refund",
    "tool": "refund.issue",
    "args": {"order_id": "1042", "amount": "19.90"},
    "strategy": {"name": "support-agent"},
    "history": {"tools": {"orders.get": 1}},
    "expect": {"effect": "Allow", "rule": "contract/small"},
}


def written(folder: Path, *cases: dict[str, Any], **fields: Any) -> str:
    """A table of these cases about the example's contracts and the platform's rules."""
    table = {"contracts": f"{EXAMPLE}/contracts.yaml", "platform": f"{EXAMPLE}/platform.yaml", "cases": cases}
    file = folder / "cases.yaml"
    file.write_text(yaml.safe_dump({**table, **fields}))
    return str(file)


async def test_rules_that_decide_as_the_table_says_pass() -> None:
    """A line for each case, with the rule; the same as data."""
    said = await program.run("policy", "test", str(EXAMPLE / "cases.yaml"))
    assert [line.split()[0] for line in said.output.splitlines()] == ["ok"] * 5
    found = (await program.run("policy", "test", str(EXAMPLE / "cases.yaml"), "-o", "json")).data
    assert [each["isExpected"] for each in found] == [True] * 5


OTHERWISE: dict[str, tuple[dict[str, Any], str]] = {
    "another effect": ({"expect": {"effect": "Deny"}}, "Allow (contract/small), not Deny"),
    "another rule": (
        {"expect": {"effect": "Allow", "rule": "contract/other"}},
        "Allow (contract/small), not Allow (contract/other)",
    ),
    "a tool that is not there": ({"tool": "refund.burn"}, "there is no contract refund.burn"),
    "arguments that never reach a rule": ({"args": {"order_id": 7}}, "the arguments do not match"),
    "a history of a tool that is not there": (
        {"history": {"tools": {"orders.gett": 1}}},
        "its history counts calls of orders.gett, and there is no such contract",
    ),
}


@pytest.mark.parametrize("sentence", OTHERWISE)
async def test_a_case_fails_with(sentence: str, tmp_path: Path) -> None:
    """Exit 1, and what the rules said instead; the other cases are told, too."""
    changes, part = OTHERWISE[sentence]
    said = await program.run("policy", "test", written(tmp_path, {**CASE, **changes}, CASE))
    assert said.status == 1
    first, second = said.stdout.splitlines()
    assert first.startswith("fail")
    assert part in first
    assert second.startswith("ok")


MISTAKES: dict[str, tuple[str, str]] = {
    "no file": ("", "No such file"),
    "no YAML": ("a: [", "line 1, column 5"),
    "no table": ("[]", "holds no table of cases"),
    "no cases": ("{contracts: x, cases: []}", "cases: List should have at least 1 item"),
    "an effect that is none": (
        "{contracts: x, cases: [{name: a, tool: b, expect: {effect: allow}}]}",
        "cases.0.expect.effect",
    ),
    "contracts that are not there": (
        "{contracts: x.yaml, cases: [{name: a, tool: b, expect: {effect: Allow}}]}",
        "x.yaml: No such file",
    ),
}


@pytest.mark.parametrize("sentence", MISTAKES)
async def test_a_mistake_is_answered_in_one_line(sentence: str, tmp_path: Path) -> None:
    """Exit 2, the file, and the place in it."""
    text, part = MISTAKES[sentence]
    file = tmp_path / "table.yaml"
    if text:
        file.write_text(text)
    assert part in (await program.run("policy", "test", str(file))).refused(2)


RULES: dict[str, tuple[dict[str, str], str]] = {
    "a rule that does not compile": (
        {"name": "a", "when": "args.", "effect": "Deny"},
        "rules.0.when",
    ),
    "a rule that lets through": ({"name": "a", "when": "true", "effect": "Allow"}, "rules.0.effect"),
}


@pytest.mark.parametrize("sentence", RULES)
async def test_the_platforms_rules_are_held_to_what_the_operator_takes(sentence: str, tmp_path: Path) -> None:
    """The same reading, so that what passes here is what holds there."""
    rule, part = RULES[sentence]
    platform = yaml.safe_load((EXAMPLE / "platform.yaml").read_text())
    platform["data"]["policy.yaml"] = yaml.safe_dump({"rules": [rule]})
    (tmp_path / "platform.yaml").write_text(yaml.safe_dump(platform))
    said = await program.run("policy", "test", written(tmp_path, CASE, platform="platform.yaml"))
    assert part in said.refused(2)
