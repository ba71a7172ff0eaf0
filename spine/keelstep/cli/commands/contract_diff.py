"""`keelstep contract diff FILE`: does the service still say what was reviewed? Exit 1 where it does not.

Of an MCP tool the contract pins what was reviewed, so only what the server changed is shown. Of an OpenAPI document
nothing is pinned: what a person corrected shows as well.
"""

import dataclasses
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from keelstep.cli import exits, options, show
from keelstep.cli.commands import contract_import, files
from keelstep.cli.commands.files import Read
from keelstep.cli.show import Show
from keelstep.domain import drift
from keelstep.domain.drift import Change, How, Part, Tool
from keelstep.imports import source
from keelstep.imports.draft import DocumentError, Draft, UnusableError
from keelstep.imports.mcp import tools
from keelstep.imports.mcp.listing import Described, Server
from keelstep.imports.openapi import document, reading
from keelstep.kinds.transport import Http, Mcp

_MARKS = {How.ADDED: "+", How.REMOVED: "-", How.CHANGED: "~"}
_MOST_SHOWN = 160
_NOWHERE = "https://nowhere.invalid"

File = Annotated[
    Path,
    typer.Argument(help="YAML with ToolContracts, or a folder of it.", metavar="FILE", show_default=False),
]
Target = Annotated[
    list[str] | None,
    typer.Argument(
        help="Another server than the contracts': its address, or after -- a command.", metavar="URL|COMMAND"
    ),
]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One contract and its tool."""

    contract: str
    tool: str
    verdict: str
    """Same, Drifted, Missing (the service does not offer it) or Unpinned (the contract pins nothing)."""
    changes: tuple[Change, ...] = ()


_Document = Annotated[
    str,
    typer.Option(
        "--openapi",
        help="Compare contracts of HTTP with this document.",
        metavar="FILE|URL",
        show_default=False,
    ),
]
_HOLE = re.compile(r"\{[^{}]*\}")


def add(app: typer.Typer) -> None:
    """Put the command into the application."""
    app.command("diff", epilog="Example: keelstep contract diff incidents.yaml")(_diff)


def _diff(
    file: File,
    target: Target = None,
    env: contract_import.Variables = None,
    token_file: contract_import.TokenFile = None,
    openapi: _Document = "",
    output: options.Output = show.Output.TABLE,
) -> None:
    """Show what a service says of its tools now, where it is not what was reviewed.

    Exit 1: a tool changed, is gone, or its contract pins nothing.
    """
    asked: dict[str, list[Described]] = {}
    drafts = _drafts(openapi) if openapi else None
    compared = []
    for read in files.contracts(file):
        if read.spec.transport.http is not None and drafts is not None:
            compared.append(_against(read, read.spec.transport.http, drafts))
        if read.spec.transport.mcp is None:
            continue
        if target:
            server, _ = contract_import.server_of(target, env or [], token_file)
        else:
            server = _own(read.spec.transport.mcp, env or [], token_file)
        if server.name not in asked:
            asked[server.name] = contract_import.described(server)
        compared.append(_compare(read, read.spec.transport.mcp, server, asked[server.name]))
    if not compared:
        raise exits.usage(f"{file} holds no contract of an MCP server; those of HTTP need --openapi FILE|URL")
    _print(Show(output), compared)
    if any(each.verdict != "Same" for each in compared):
        raise exits.failed()


def _own(mcp: Mcp, variables: list[str], token_file: Path | None) -> Server:
    """The server that a contract names; what its Secret holds, a person gives."""
    if mcp.stdio is None:
        assert mcp.http is not None
        server, _ = contract_import.server_of([mcp.http.url], variables, token_file)
        headers = {header.name: header.value for header in mcp.http.headers}
        return dataclasses.replace(server, headers={**headers, **server.headers})
    environment = {each.name: each.value for each in mcp.stdio.environment if each.value is not None}
    for name in [each.name for each in mcp.stdio.environment if each.key is not None]:
        if name not in os.environ:
            raise exits.usage(f"the command needs the variable {name}; set it in your environment")
        environment[name] = os.environ[name]
    return Server(command=mcp.stdio.command, environment=environment)


def _compare(read: Read, mcp: Mcp, server: Server, described: list[Described]) -> Compared:
    live = next((tool for tool in described if tool["name"] == mcp.tool), None)
    if live is None:
        return Compared(contract=read.name, tool=mcp.tool, verdict="Missing")
    if mcp.pinned is None:
        return Compared(contract=read.name, tool=mcp.tool, verdict="Unpinned")
    said = drift.read(live)
    parts = drift.parts(mcp.pinned, said)
    if not parts:
        return Compared(contract=read.name, tool=mcp.tool, verdict="Same")
    return Compared(
        contract=read.name,
        tool=mcp.tool,
        verdict="Drifted",
        changes=tuple(_changes(read, said, _imported(server, live), parts)),
    )


def _drafts(where: str) -> Sequence[Draft]:
    """What would be imported of a document now."""
    try:
        read = document.read(source.read(where), where)
    except DocumentError as error:
        raise contract_import.ended(error) from error
    # where it lives is no matter here: a contract is found by method and path
    return reading.imported(read, server=_NOWHERE).drafts


def _against(read: Read, http: Http, drafts: Sequence[Draft]) -> Compared:
    """A contract of HTTP and the operation of the same method and the longest path that its address ends in."""
    wanted = f"{http.method} {_HOLE.sub('{}', http.url.partition('?')[0])}"
    found: Draft | None = None
    for draft in drafts:
        method, _, path = draft.source.partition(" ")
        fits = wanted.startswith(f"{method} ") and wanted.endswith(_HOLE.sub("{}", path))
        if fits and (found is None or len(draft.source) > len(found.source)):
            found = draft
    if found is None:
        return Compared(contract=read.name, tool=f"{http.method} {http.url}", verdict="Missing")
    changes = tuple(drift.compare(_written(read), _tool(found)))
    return Compared(
        contract=read.name, tool=found.source, verdict="Drifted" if changes else "Same", changes=changes
    )


def _written(read: Read) -> Tool:
    """What a contract says."""
    spec = read.spec
    return Tool(description=spec.description, input=spec.schemas.input, output=spec.schemas.output)


def _tool(draft: Draft) -> Tool:
    """What it would say if it were imported now."""
    spec = draft.spec
    return Tool(
        description=spec["description"], input=spec["schema"]["input"], output=spec["schema"]["output"]
    )


def _imported(server: Server, live: Described) -> Tool | None:
    """The tool as a contract would be written of it now; None where none can be."""
    try:
        return _tool(tools.drafted(server, live))
    except UnusableError:
        return None


def _changes(read: Read, said: Tool, now: Tool | None, parts: tuple[Part, ...]) -> list[Change]:
    """The places within the parts that are not what was pinned, as the contract would have to say them."""
    found: list[Change] = []
    if now is not None:
        found = [change for change in drift.compare(_written(read), now) if change.part in parts]
    for part in parts:
        if not any(change.part is part for change in found):
            found.append(Change(part=part, place="", how=How.CHANGED, after=getattr(said, part)))
    return found


def _print(shown: Show, compared: list[Compared]) -> None:
    if not shown.is_table:
        shown.data([_plain(each) for each in compared])
        return
    for each in compared:
        shown.line(f"{each.contract} ({each.tool}): {each.verdict}")
        for change in each.changes:
            place = f"{change.part}.{change.place}" if change.place else str(change.part)
            shown.line(f"  {_MARKS[change.how]} {place}: {_told(change)}")


def _plain(compared: Compared) -> dict[str, Any]:
    found = dataclasses.asdict(compared)
    found["changes"] = [
        {key: value for key, value in change.items() if value is not None} for change in found["changes"]
    ]
    return found


def _told(change: Change) -> str:
    after = show.one_line(json.dumps(change.after, ensure_ascii=False), _MOST_SHOWN)
    if change.how is How.ADDED or change.before is None:
        return after
    before = show.one_line(json.dumps(change.before, ensure_ascii=False), _MOST_SHOWN)
    return before if change.how is How.REMOVED else f"{before} → {after}"
