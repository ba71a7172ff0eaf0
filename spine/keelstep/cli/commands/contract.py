"""`keelstep contract import|diff|test`: contracts made of a service's own documents, compared with it, proven on it.

None of these needs a cluster. `test` calls tools, so it comes with the gateway's distribution extra, by the entry point
group `keelstep.cli`; where that is not installed, it says so.
"""

from importlib import metadata

import typer

from keelstep.cli import exits
from keelstep.cli.commands import contract_diff, contract_import

EXTRA = "keelstep[conformance]"


def add(app: typer.Typer) -> None:
    """Put the commands into the application."""
    group = typer.Typer(
        help="Make contracts of a service's documents, compare them with it, prove them on it.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    contract_import.add(group)
    contract_diff.add(group)
    points = metadata.entry_points(group="keelstep.cli", name="contract")
    if points:
        for point in points:
            point.load()(group)
    else:
        group.command(
            "test",
            epilog="Example: keelstep contract test refund.yaml --live",
            context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
        )(_not_installed)
    app.add_typer(group, name="contract")


def _not_installed() -> None:
    """Prove a contract on its tool (not installed)."""
    raise exits.usage(
        f"keelstep contract test calls tools, which this installation cannot: pip install '{EXTRA}'"
    )
