"""Which commands may be run? Those that are listed, word for word, with no other variables."""

from pathlib import Path

import pytest

from keelstep import errors
from keelstep_gateway.transports import commands


def loaded(folder: Path, text: str) -> commands.Commands:
    """What a file with this text allows."""
    path = folder / "commands.yaml"
    path.write_text(text)
    return commands.load(path)


LISTED = """
commands:
  - command: [/opt/tools/shop, --stdio]
    environment: [SHOP_*]
  - command: [/opt/tools/any, "*"]
"""

CASES: dict[str, tuple[list[str], list[str], bool]] = {
    "a command as it is listed": (["/opt/tools/shop", "--stdio"], [], True),
    "with a listed variable": (["/opt/tools/shop", "--stdio"], ["SHOP_TOKEN"], True),
    "with another variable": (["/opt/tools/shop", "--stdio"], ["SHOP_TOKEN", "LD_PRELOAD"], False),
    "with a word less": (["/opt/tools/shop"], [], False),
    "with a word more": (["/opt/tools/shop", "--stdio", "-v"], [], False),
    "with another word": (["/opt/tools/shop", "--http"], [], False),
    "any word where there is a pattern": (["/opt/tools/any", "x/../y"], [], True),
    "the variables of another entry": (["/opt/tools/any", "x"], ["SHOP_TOKEN"], False),
}


@pytest.mark.parametrize(("command", "variables", "expected"), CASES.values(), ids=CASES.keys())
def test_may_be_run(tmp_path: Path, command: list[str], variables: list[str], expected: bool) -> None:
    """One entry must match all of it."""
    assert loaded(tmp_path, LISTED).allow(command, variables) is expected


def test_without_a_list_nothing_may_be_run() -> None:
    """The default."""
    assert not commands.Commands().allow(["/opt/tools/shop"], [])


@pytest.mark.parametrize(
    "text", ["{", "commands: x", "commands: [{command: x}]", "commands: [{program: [x]}]"]
)
def test_a_list_is_refused_for(tmp_path: Path, text: str) -> None:
    """Whoever starts the gateway is told which file is wrong."""
    with pytest.raises(errors.SettingsError, match=r"commands\.yaml"):
        loaded(tmp_path, text)
