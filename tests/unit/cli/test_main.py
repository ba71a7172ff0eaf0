"""Is a command that is loaded alone the one of the whole command line?"""

import functools

import pytest
import typer
import typer.core
import typer.main

from keelstep.cli import main


@functools.cache
def _whole() -> typer.core.TyperGroup:
    return _group("")


def _group(typed: str) -> typer.core.TyperGroup:
    found = typer.main.get_command(main.build(typed))
    assert isinstance(found, typer.core.TyperGroup)
    return found


def test_every_command_is_known_by_its_word() -> None:
    """One that is not would be loaded with all others."""
    assert _whole().commands.keys() == main.COMMANDS.keys()


@pytest.mark.parametrize("word", main.COMMANDS)
def test_a_command_alone_says_what_it_says_among_all(word: str) -> None:
    """Its help, options and subcommands included."""
    alone, among = (group.commands[word] for group in (_group(word), _whole()))
    context = typer.Context(among, info_name=word)
    assert alone.get_help(context) == among.get_help(context)


@pytest.mark.parametrize("typed", ["", "--version", "-h", "stauts"])
def test_what_is_no_command_is_answered_by_the_whole_line(typed: str) -> None:
    """Help lists every command, and a mistake is compared with all of them."""
    assert _group(typed).commands.keys() == main.COMMANDS.keys()
