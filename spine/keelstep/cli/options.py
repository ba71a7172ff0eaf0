"""Which options do commands share? Each is spelled here once."""

from pathlib import Path
from typing import Annotated

import typer

from keelstep.cli import show

Kubeconfig = Annotated[
    str | None,
    typer.Option(
        "--kubeconfig", envvar="KUBECONFIG", help="The kubeconfig file.", metavar="FILE", show_default=False
    ),
]
Context = Annotated[str | None, typer.Option("--context", help="The kubeconfig's context.", metavar="NAME")]
Namespace = Annotated[
    str | None,
    typer.Option("--namespace", "-n", help="The namespace. Default: the context's own.", metavar="NAME"),
]
Output = Annotated[show.Output, typer.Option("--output", "-o", help="table, json or yaml.", metavar="FORM")]
AllNamespaces = Annotated[bool, typer.Option("--all-namespaces", "-A", help="Every namespace.")]
Execution = Annotated[str, typer.Argument(help="The Execution's name.", metavar="NAME", show_default=False)]

NatsUrl = Annotated[
    str,
    typer.Option(
        "--nats-url",
        envvar="KEELSTEP_NATS_URL",
        help="The broker, nats://host:port; several of a cluster separated by commas.",
        metavar="URL",
        show_default=False,
    ),
]
NatsCa = Annotated[
    Path | None,
    typer.Option(
        "--nats-ca",
        envvar="KEELSTEP_NATS_CA_FILE",
        help="The CA of the broker's certificate.",
        metavar="FILE",
    ),
]
KeyringFile = Annotated[
    Path,
    typer.Option(
        "--keyring",
        envvar="KEELSTEP_KEYRING",
        help="Public keys of operator and gateway.",
        metavar="FILE",
        show_default=False,
    ),
]
Dsn = Annotated[
    str,
    typer.Option(
        "--dsn",
        envvar="KEELSTEP_POSTGRES_DSN",
        help="The database, postgresql://…",
        metavar="DSN",
        show_default=False,
    ),
]
Shard = Annotated[
    int, typer.Option("--shard", envvar="KEELSTEP_SHARD", help="The shard.", min=0, metavar="N")
]

Installation = Annotated[
    Path,
    typer.Option(
        "--installation",
        envvar="KEELSTEP_INSTALLATION",
        help="The installation's folder: its accounts, credentials and keys.",
        metavar="FOLDER",
        show_default=False,
    ),
]


def nats_creds(identity: str) -> typer.models.OptionInfo:
    """The credentials of one of the broker's identities."""
    option: typer.models.OptionInfo = typer.Option(
        "--nats-creds",
        envvar="KEELSTEP_NATS_CREDENTIALS",
        help=f"Credentials of the identity {identity}.",
        metavar="FILE",
        show_default=False,
    )
    return option
