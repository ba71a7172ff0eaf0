"""`keelstep keys`: new signing keys and broker credentials for an installation, while it works.

For whoever holds the installation's folder (in a cluster, the content of its Secret); what is to be done between the
steps is in docs/operations.md.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from keelstep.cli import exits, options, show
from keelstep.cli.show import Output, Show
from keelstep.events import clock
from keelstep.log import connection, identities, rotation
from keelstep.log.identities import Role

Folder = Annotated[
    Path, typer.Argument(help="The installation's folder.", metavar="FOLDER", show_default=False)
]
Signer = Annotated[Role, typer.Argument(help="operator or gateway.", metavar="PROGRAM", show_default=False)]
Program = Annotated[
    Role,
    typer.Argument(help=f"{', '.join(role.value for role in Role)}.", metavar="PROGRAM", show_default=False),
]
Form = Annotated[Output, typer.Option("--output", "-o", help="table, json or yaml.", metavar="FORM")]


def add(app: typer.Typer) -> None:
    """Put the commands into the application."""
    group = typer.Typer(
        help="New signing keys and broker credentials, while everything works.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    examples: dict[Callable[..., None], tuple[str, str]] = {
        _list: ("list", "keelstep keys list installation"),
        _add: ("add", "keelstep keys add installation gateway"),
        _switch: ("switch", "keelstep keys switch installation gateway"),
        _renew: ("renew", "keelstep keys renew installation gateway"),
        _revoke: ("revoke", "keelstep keys revoke installation --nats-url nats://127.0.0.1:4222"),
    }
    for function, (name, example) in examples.items():
        group.command(name, epilog=f"Example: {example}")(function)
    app.add_typer(group, name="keys")


def _list(folder: Folder, output: Form = Output.TABLE) -> None:
    """Show every signing key: in use, next, or retired. Retired ones still prove old events."""
    found = rotation.standing(rotation.read(folder))
    out = Show(output)
    if out.is_table:
        out.table(("KEY", "PROGRAM", "STATE"), [(each.kid, each.writer.value, each.state) for each in found])
    else:
        out.data([{"key": each.kid, "writer": each.writer.value, "state": each.state} for each in found])


def _add(folder: Folder, program: Signer) -> None:
    """Make a new signing key and add it to the keyring; nothing signs with it yet.

    Then give every program the new keyring, and let runners that began before be replaced.
    """
    rotation.apply(folder, rotation.add_signer(rotation.read(folder), program))
    show.note("now every program and runner must get the new keyring.json; then `keelstep keys switch`")


def _switch(folder: Folder, program: Signer) -> None:
    """Let a program sign with the key that was added, from its next start on; the old private key is gone."""
    rotation.apply(folder, rotation.switch_signer(rotation.read(folder), program))
    show.note(f"now restart {program.value} with the new signing.key")


def _renew(folder: Folder, program: Program) -> None:
    """Make new broker credentials for a program; the old ones stay good until they are revoked."""
    change = rotation.renew_credentials(rotation.read(folder), program, clock.now())
    rotation.apply(folder, change)
    show.note(f"now restart {program.value} with its new credentials; then `keelstep keys revoke`")


def _revoke(folder: Folder, nats_url: options.NatsUrl, nats_ca: options.NatsCa = None) -> None:
    """End all broker credentials that were replaced; whoever still uses them is disconnected."""
    files = rotation.read(folder)
    waiting = rotation.to_revoke(files)
    if not waiting:
        show.note("nothing was replaced")
        return
    creds = folder / "operator" / "sys.creds"
    if not creds.is_file():
        raise exits.usage(f"{creds} is no file: revoking needs the system account")

    async def revoke() -> list[Role]:
        nc = await connection.connect(
            nats_url,
            creds,
            "keys",
            inbox_prefix=identities.inbox(Role.SYSTEM),
            tls_ca=nats_ca,
            within_seconds=5,
        )
        try:
            return await rotation.revoke(nc, files)
        finally:
            await nc.close()

    ended = asyncio.run(revoke())
    show.note(f"revoked {len(waiting)} replaced credentials of {', '.join(role.value for role in ended)}")
