"""`keelstep contract import openapi|mcp`: what would the contracts of this service be?

Nothing is applied: a person reads what was inferred, corrects it and applies it. Exit 1 says that something asked for was
left out; what could be imported is written all the same.
"""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from keelstep.cli import exits, show
from keelstep.imports import naming, page, source
from keelstep.imports.draft import DocumentError, Draft, Imported, UnreachableError
from keelstep.imports.mcp import listing, tools
from keelstep.imports.mcp.listing import Server
from keelstep.imports.openapi import document, reading

Only = Annotated[
    str, typer.Option("--only", help="Operations, paths, tools or names that match.", metavar="GLOB")
]
Output = Annotated[
    str,
    typer.Option(
        "--output", "-o", help="A folder, one file for each contract; - prints them.", metavar="DIR|-"
    ),
]
Prefix = Annotated[
    str, typer.Option("--name-prefix", help="Before each contract's name, e.g. shop.", metavar="TEXT")
]
Namespace = Annotated[
    str, typer.Option("--namespace", "-n", help="The namespace to write down. Default: none.", metavar="NAME")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace files that are there, and what was corrected in them.")
]
BaseAddress = Annotated[
    str, typer.Option("--server", help="The service's address instead of the document's.", metavar="URL")
]
Where = Annotated[
    str, typer.Argument(help="The document: a file or an address.", metavar="FILE|URL", show_default=False)
]
Target = Annotated[
    list[str],
    typer.Argument(
        help="The server's address, or after -- a command that speaks MCP.",
        metavar="URL|COMMAND",
        show_default=False,
    ),
]
Variables = Annotated[
    list[str] | None,
    typer.Option(
        "--env", help="A variable of yours that the command gets; its value is not written.", metavar="NAME"
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", help="A bearer token for the server; it is not written.", metavar="FILE"),
]


def add(app: typer.Typer) -> None:
    """Put the commands into the application."""
    group = typer.Typer(
        help="Write contracts for review, of an OpenAPI document or an MCP server.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command(
        "openapi",
        epilog="Example: keelstep contract import openapi shop.yaml --only 'orders*' --name-prefix shop -o contracts/",
    )(_openapi)
    group.command(
        "mcp",
        epilog="Example: keelstep contract import mcp https://incidents.shop.example/mcp -o contracts/",
    )(_mcp)
    app.add_typer(group, name="import")


def _openapi(
    where: Where,
    only: Only = "*",
    output: Output = "-",
    name_prefix: Prefix = "",
    server: BaseAddress = "",
    namespace: Namespace = "",
    overwrite: Overwrite = False,
) -> None:
    """Write a contract for each operation of an OpenAPI 3 document.

    Exit 1: something was left out, as the last lines say.
    """
    if server and not source.is_address(server):
        raise exits.usage("--server: an address, http:// or https://")
    try:
        read = document.read(source.read(where), where)
        found = reading.imported(read, only=only, prefix=_prefix(name_prefix), server=server)
    except DocumentError as error:
        raise ended(error) from error
    _write(found, output, namespace, overwrite, only)


def _mcp(
    target: Target,
    only: Only = "*",
    output: Output = "-",
    name_prefix: Prefix = "",
    namespace: Namespace = "",
    env: Variables = None,
    token_file: TokenFile = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a contract for each tool of an MCP server, pinned to what the server says of it now.

    Exit 1: something was left out, as the last lines say.
    """
    prefix = _prefix(name_prefix)
    server, keys = server_of(target, env or [], token_file, prefix)
    found = tools.imported(server, described(server), only=only, prefix=prefix, credential_keys=keys)
    _write(found, output, namespace, overwrite, only)


def server_of(
    target: list[str], variables: list[str], token_file: Path | None, prefix: str = ""
) -> tuple[Server, dict[str, str]]:
    """The server a person names, and the keys under which its contracts will find its secrets.

    Raises:
        exits.Ended: it cannot be named so.
    """
    if not source.is_address(target[0]):
        missing = [name for name in variables if name not in os.environ]
        if missing:
            raise exits.usage(f"--env: there is no variable {missing[0]} in your environment")
        if token_file is not None:
            raise exits.usage("--token-file: a command gets its secrets by --env")
        keys = {name: naming.kebab(name) for name in variables}
        return Server(command=target, environment={name: os.environ[name] for name in variables}), keys
    if len(target) > 1:
        raise exits.usage("name one address, or a command")
    if variables:
        raise exits.usage("--env: an address has no environment; see --token-file")
    if token_file is None:
        return Server(url=target[0]), {}
    try:
        token = token_file.read_text().strip()
    except (OSError, ValueError) as error:
        raise exits.usage(f"--token-file: {token_file} cannot be read") from error
    return Server(url=target[0], headers={"Authorization": f"Bearer {token}"}), {
        "Authorization": f"{prefix.rstrip('.') or 'mcp'}-token"
    }


def described(server: Server) -> list[listing.Described]:
    """What a server offers.

    Raises:
        exits.Ended: it does not say.
    """
    try:
        return asyncio.run(listing.tools(server))
    except DocumentError as error:
        raise ended(error) from error


def ended(error: DocumentError) -> exits.Ended:
    """What it means to a person at a terminal that nothing can be made of a document."""
    return exits.unavailable(str(error)) if isinstance(error, UnreachableError) else exits.usage(str(error))


def _prefix(text: str) -> str:
    found = naming.kebab(text)
    if text and not found:
        raise exits.usage("--name-prefix: letters, digits, dashes and dots")
    return f"{found}." if found else ""


def _write(found: Imported, output: str, namespace: str, overwrite: bool, only: str) -> None:
    """Write what there is, and say what there is not."""
    if not found.drafts and not found.skipped:
        raise exits.failed(f"nothing matches {only!r}" if only != "*" else "there is nothing to import")
    left_out = [f"{each.source}: {each.why}" for each in found.skipped]
    written = len(found.drafts)
    if output == "-":
        typer.echo("".join(page.render(draft, namespace) for draft in found.drafts), nl=False)
    else:
        kept = _files(found.drafts, Path(output), namespace, overwrite)
        left_out, written = [*left_out, *kept], written - len(kept)
    for line in left_out:
        show.note(f"left out {line}")
    if left_out:
        raise exits.failed(f"{written} contracts to review, {len(left_out)} left out")


def _files(drafts: Sequence[Draft], folder: Path, namespace: str, overwrite: bool) -> list[str]:
    """A file for each; what is there already is left as it is."""
    kept = []
    shown = show.Show()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for draft in drafts:
            file = folder / f"{draft.name}.yaml"
            if file.exists() and not overwrite:
                kept.append(f"{draft.source}: {file} is there already (--overwrite replaces it)")
                continue
            file.write_text(page.render(draft, namespace))
            effect = f"{draft.spec['sideEffect']}, tier {draft.spec['consequenceTier']}"
            shown.line(f"{file}: {draft.source}, {effect}")
    except OSError as error:
        raise exits.usage(f"--output: {error.filename or folder}: {error.strerror}") from error
    return kept
