"""What do the alert rules, their samples and the runbooks say? Reads the files; asserts nothing."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
RULES = ROOT / "policies" / "alerts" / "keelstep.yaml"
SAMPLES = ROOT / "policies" / "alerts" / "samples"
RUNBOOKS = ROOT / "docs" / "runbooks"
_METRIC = re.compile(r"\b(?:agent|keelstep)_[a-z_]+\b")
_BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def rules() -> dict[str, dict[str, Any]]:
    """Every alert by its name."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def tests_of(alert: str) -> list[dict[str, Any]]:
    """What an alert's samples expect, one case each."""
    cases = yaml.safe_load((SAMPLES / f"{alert}.yaml").read_text())["tests"]
    return [expected for case in cases for expected in case["alert_rule_test"]]


def metrics_in(text: str) -> set[str]:
    """Every name of ours that could be a metric."""
    return set(_METRIC.findall(text))


def runbooks() -> dict[str, str]:
    """Every alert's page."""
    return {page.stem: page.read_text() for page in RUNBOOKS.glob("*.md") if page.stem != "README"}


def typed(text: str, language: str) -> Iterator[str]:
    """The lines of a page's blocks in one language."""
    for found, block in _BLOCK.findall(text):
        if found == language:
            yield from (line.strip() for line in block.splitlines())
