"""Does `docs/cli.md` tell of every command and every exit code?"""

from pathlib import Path

import pytest
import typer

from keelstep.cli import main
from keelstep.cli.exits import Exit

PAGE = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()


def _commands(app: typer.Typer, prefix: str = "keelstep") -> dict[str, str]:
    """Every command as it is typed, and the last lines of its help."""
    found = {f"{prefix} {command.name}": command.epilog or "" for command in app.registered_commands}
    for group in app.registered_groups:
        assert group.typer_instance is not None
        found |= _commands(group.typer_instance, f"{prefix} {group.name}")
    return found


COMMANDS = _commands(main.build())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command: str) -> None:
    """Its name stands in the page as a person types it, and its help shows an example."""
    assert f"`{command}" in PAGE
    assert COMMANDS[command].startswith(f"Example: {command}")


@pytest.mark.parametrize("code", list(Exit))
def test_every_exit_code_is_documented(code: Exit) -> None:
    """A row of the table for each."""
    assert f"\n| {code.value} |" in PAGE
