"""The table of rules in README.md leads to tests that exist."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
NAMED = re.findall(
    r"`((?:unit|integration)/\S+?\.py)::(\w+)`", (Path(__file__).parent / "README.md").read_text()
)


@pytest.mark.parametrize(("file", "test"), NAMED, ids=[test for _, test in NAMED])
def test_every_rule_is_held_by_a_test_that_exists(file: str, test: str) -> None:
    """A rule whose test was renamed or removed is found here."""
    assert re.search(rf"^(?:async )?(?:def {test}\(|{test} = )", (TESTS / file).read_text(), re.MULTILINE)


def test_the_table_is_not_empty() -> None:
    """One line a rule."""
    assert len(NAMED) > 40
