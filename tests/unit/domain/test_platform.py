"""Which rules does the platform team's ConfigMap hold? All of them, or why none can be used."""

import pytest

from keelstep.domain import platform, policy

RULES = """
rules:
  - name: nights
    when: tool.tier > 1 && tenant == "shop"
    effect: Deny
  - name: large
    when: has(args.amount) && money(args.amount) > money("500")
    effect: Escalate
    message: Amounts above 500 need a person.
"""


def test_rules_are_read_in_their_order() -> None:
    """And published as a revision that a gateway reads the same."""
    found = platform.read({"policy.yaml": RULES})
    assert isinstance(found, platform.Rules)
    assert [rule.name for rule in found.rules] == ["nights", "large"]
    assert policy.load(found.revision.payload.decode()) == policy.Platform(
        digest=found.revision.digest, rules=found.rules
    )


def test_an_empty_list_is_no_rules() -> None:
    """How rules are taken back without deleting their ConfigMap."""
    found = platform.read({"policy.yaml": "rules: []"})
    assert isinstance(found, platform.Rules)
    assert found.rules == ()


UNUSABLE: dict[str, tuple[str | None, str]] = {
    "another key": (None, "data: there is no key policy.yaml"),
    "no YAML": ("rules: [", "policy.yaml: not YAML, line 1"),
    "no list": ("rules: yes", "policy.yaml: rules: "),
    "nothing": ("", "policy.yaml: rules: "),
    "an unknown field": (
        "rules: [{name: a, when: 'true', effect: Deny, tool: x}]",
        "policy.yaml: rules.0.tool: ",
    ),
    "a rule that allows": (
        "rules: [{name: a, when: 'true', effect: Allow}]",
        "policy.yaml: rules.0.effect: ",
    ),
    "a rule that is no CEL": (
        "rules: [{name: a, when: 'args.n >', effect: Deny}]",
        "policy.yaml: rules.0.when: ",
    ),
    "two rules of one name": (
        "rules: [{name: a, when: 'true', effect: Deny}, {name: a, when: 'true', effect: Deny}]",
        "policy.yaml: rules.1.when: there are two rules named a",
    ),
    "too many rules": (
        f"rules: [{', '.join(f'{{name: a{n}, when: x, effect: Deny}}' for n in range(65))}]",
        "policy.yaml: rules: ",
    ),
    "too much text": ("#" * 40_000, "policy.yaml: larger than 32768 bytes"),
    "too much text by aliases": (
        "a: &a "
        + "x" * 1500
        + "\nrules: ["
        + ", ".join(f"{{name: a{n}, when: *a, effect: Deny}}" for n in range(40))
        + "]",
        "policy.yaml: a: ",
    ),
    "too much once it is escaped": (
        "rules: ["
        + ", ".join(f"""{{name: a{n}, when: '"{chr(92) * 1600}" == "x"', effect: Deny}}""" for n in range(10))
        + "]",
        "policy.yaml: larger than 49152 bytes as it is published",
    ),
    "endless nesting": ("[" * 5_000, "policy.yaml: "),
}


@pytest.mark.parametrize("sentence", UNUSABLE)
def test_what_cannot_be_used_is_named_by_its_place(sentence: str) -> None:
    """A person finds it with the message alone."""
    text, why = UNUSABLE[sentence]
    found = platform.read({"policy.yaml": text} if text is not None else {"rules.yaml": "rules: []"})
    assert isinstance(found, str)
    assert found.startswith(why), found
