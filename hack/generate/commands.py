"""Which commands and options are there? `docs/commands.md`, from the command line's own declarations.

What a command is good for is told in `docs/cli.md`, by hand; this is the whole list, and says nothing of its own.
"""

from collections.abc import Iterator

import typer
import typer.core
import typer.main

from keelstep.cli import main

PATH = "docs/commands.md"
_HEAD = """# Commands and options

<!-- Written by `python -m hack.generate` from spine/keelstep/cli; edit the docstrings and options there. -->

What each is good for, with examples: [cli.md](cli.md). `keelstep COMMAND --help` says the same as this page.
"""
_EXAMPLE = "Example: "


def render_all() -> dict[str, str]:
    """The page, by its path."""
    command = typer.main.get_command(main.build())
    sections = [_section(name, each) for name, each in _commands(command, "keelstep")]
    return {PATH: "\n".join([_HEAD, *sections])}


def _commands(command: object, name: str) -> Iterator[tuple[str, typer.core.TyperCommand]]:
    if isinstance(command, typer.core.TyperGroup):
        for word, each in command.commands.items():
            yield from _commands(each, f"{name} {word}")
    else:
        assert isinstance(command, typer.core.TyperCommand)
        yield name, command


def _section(name: str, command: typer.core.TyperCommand) -> str:
    context = typer.Context(command, info_name=name)
    records = [found for each in command.params if (found := each.get_help_record(context)) is not None]
    rows = [f"| `{term}` | {_cell(told)} |" for term, told in records]
    lines = [f"## {name}", "", (command.help or "").strip(), "", "| | meaning |", "|---|---|", *rows, ""]
    if command.epilog:
        lines += [f"    {command.epilog.removeprefix(_EXAMPLE).strip()}", ""]
    return "\n".join(lines)


def _cell(told: str) -> str:
    return told.strip().replace("|", "\\|").replace("  [", " [")
