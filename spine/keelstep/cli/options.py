"""Which options do commands share? Each is spelled here once."""

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
