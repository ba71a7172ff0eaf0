"""Which contracts do an MCP server's tools come to? One for each, pinned to what the server says of it now."""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from keelstep.domain import drift
from keelstep.imports import draft, effects, naming, nodes, schemas
from keelstep.imports.draft import Draft, Imported, Sketch, Skipped, UnusableError
from keelstep.imports.mcp.listing import Described, Server
from keelstep.imports.references import References
from keelstep.kinds.contract import SideEffect
from keelstep.kinds.failure import ErrorClass

_KEY_ARGUMENT = re.compile(r"idempotency[_-]?(key|token)", re.IGNORECASE)


def imported(
    server: Server,
    described: Sequence[Described],
    *,
    only: str = "*",
    prefix: str = "",
    credential_keys: Mapping[str, str] | None = None,
) -> Imported:
    """The contracts of the tools whose name, or contract's name, matches `only`.

    `credential_keys` are keys of the tenant's Secret: of each variable of a command, and under `Authorization` of a token.
    """
    named = naming.distinct(((naming.kebab(tool["name"]), tool["name"]) for tool in described), prefix)
    drafts: list[Draft] = []
    skipped: list[Skipped] = []
    seen: set[str] = set()
    for tool, (name, note) in zip(described, named, strict=True):
        if not any(fnmatchcase(each, only) for each in (tool["name"], name)):
            continue
        try:
            if tool["name"] in seen:
                raise UnusableError(
                    "the server lists another tool of this name; which one answers is not known"
                )
            seen.add(tool["name"])
            sketch = _sketch(server, tool, credential_keys or {})
            if note:
                sketch.note("metadata.name", note)
            drafts.append(sketch.draft(name, f"MCP tool {tool['name']}"))
        except UnusableError as error:
            skipped.append(Skipped(source=tool["name"], why=str(error)))
    return Imported(drafts=drafts, skipped=skipped)


def drafted(server: Server, tool: Described) -> Draft:
    """The contract of one tool, named after it.

    Raises:
        UnusableError: it cannot become one.
    """
    return _sketch(server, tool, {}).draft(
        naming.fitting(naming.kebab(tool["name"]) or "unnamed"), tool["name"]
    )


def _sketch(server: Server, tool: Described, keys: Mapping[str, str]) -> Sketch:
    said = drift.read(tool)
    effect = effects.of_hints(tool["name"], said.annotations)
    sketch = Sketch()
    text = draft.described([said.description or nodes.text(tool.get("title"))])
    sketch.put("description", text or tool["name"], "" if text else "the server does not describe it")
    if text:
        sketch.note(
            "description", "the server's words, and what the model reads: see that they tell it nothing else"
        )
    sketch.put("sideEffect", str(effect.side_effect), effect.why)
    sketch.put("consequenceTier", effect.tier, "the lowest of that side effect")
    key_argument = _schemas(sketch, said)
    _repetition(sketch, effect.side_effect, said, key_argument)
    sketch.put("timeoutSeconds", 30, "the server does not say; keelstep contract test suggests one")
    _transport(sketch, server, tool["name"], keys)
    if key_argument:
        sketch.put("transport.mcp.idempotencyArgument", key_argument, "the gateway fills it, not the model")
    sketch.put(
        "transport.mcp.pinned",
        drift.digest(said).wire(),
        "what the server said when this was written; keelstep contract diff compares",
    )
    if server.url and "Authorization" in keys:
        sketch.put(
            "credentials.bearer.key",
            keys["Authorization"],
            "put the token into the Secret keelstep-credentials under this key",
        )
    return sketch


def _schemas(sketch: Sketch, said: drift.Tool) -> str:
    """Both schemas; the argument that carries an idempotency key, where there is one."""
    made = schemas.whole(References(said.input), said.input, "request")
    content: dict[str, Any] = {"type": "object", **made.content}
    properties = nodes.mapping(content.get("properties"))
    found = next((name for name in properties if _KEY_ARGUMENT.fullmatch(name)), "")
    if found:
        content["properties"] = {name: inner for name, inner in properties.items() if name != found}
        content["required"] = [name for name in nodes.listed(content.get("required")) if name != found]
        if not content["required"]:
            del content["required"]
    sketch.put("schema.input", content)
    for loss in made.losses:
        sketch.note("schema.input", loss)
    if said.output is None:
        sketch.put("schema.output", {}, "the server does not declare it: whatever it answers is passed on")
        return found
    output = schemas.whole(References(said.output), said.output, "response")
    sketch.put("schema.output", output.content)
    for loss in output.losses:
        sketch.note("schema.output", loss)
    return found


def _repetition(sketch: Sketch, side_effect: SideEffect, said: drift.Tool, key_argument: str) -> None:
    """What is known of asking twice."""
    every = [str(each) for each in ErrorClass]
    if side_effect is SideEffect.READ_ONLY:
        sketch.put("failurePolicy.retryable", every, "reading again does no harm")
    elif key_argument:
        why = f"the tool takes the argument {key_argument}; prove it with keelstep contract test"
        sketch.put("idempotency.mode", "Keyed", why)
        sketch.put("failurePolicy.retryable", every, "with the same key")
    elif said.annotations.get("idempotentHint") is True:
        why = (
            "the server says idempotentHint; once keelstep contract test has proven it, PerCall lets a call whose"
            " answer was lost be sent again"
        )
        sketch.put("idempotency.mode", "None", why)
    else:
        sketch.put("idempotency.mode", "None", "the tool takes no key, so a call is sent at most once")


def _transport(sketch: Sketch, server: Server, tool: str, keys: Mapping[str, str]) -> None:
    sketch.put("transport.mcp.tool", tool)
    if server.url:
        sketch.put("transport.mcp.http.url", server.url)
        return
    sketch.put(
        "transport.mcp.stdio.command",
        list(server.command),
        "run by the gateway, with its rights, where KEELSTEP_STDIO_COMMANDS lists it",
    )
    if server.environment:
        variables = [{"name": name, "key": keys.get(name, naming.kebab(name))} for name in server.environment]
        sketch.put(
            "transport.mcp.stdio.environment",
            variables,
            "put the values into the Secret keelstep-credentials under these keys",
        )
