"""Which arguments does an operation's request body become, and how is it written?"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keelstep.imports import nodes, schemas
from keelstep.imports.draft import UnusableError
from keelstep.imports.openapi.document import Document, Operation
from keelstep.imports.openapi.parameters import Parameters

JSON = re.compile(r"application/(json|[a-z0-9.+-]+\+json)", re.IGNORECASE)
_JSON_PREFERRED = ("application/json", "application/merge-patch+json")
_FORM, _MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
_WITH_BODY = ("POST", "PUT", "PATCH")
_FILE = {
    "type": "object",
    "required": ["filename", "content"],
    "additionalProperties": False,
    "properties": {
        "filename": {"type": "string", "minLength": 1},
        "content": {"type": "string", "contentEncoding": "base64"},
        "mediaType": {"type": "string"},
    },
}


@dataclass(slots=True)
class Body:
    """What an operation's body comes to."""

    properties: dict[str, Any] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    schema: dict[str, Any] | None = None
    """The arguments' whole schema, where the body is all there is of them."""
    expression: str | None = None
    encoding: str = "JSON"
    media_type: str = ""
    """Where it is another than the encoding's own."""
    why: str = ""
    left_out: list[str] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)


def read(document: Document, operation: Operation, parameters: Parameters) -> Body:
    """The body of an operation.

    Raises:
        UnusableError: it must have one that cannot be written.
    """
    if "requestBody" not in operation.content:
        return _none(operation)
    described = document.follow(operation.content["requestBody"])
    is_required = described.get("required") is True
    media = nodes.mapping(described.get("content"))
    if operation.method not in (*_WITH_BODY, *(("DELETE",) if is_required else ())) or not media:
        if is_required and media:
            raise UnusableError(f"it needs a body with {operation.method}")
        found = _none(operation)
        found.left_out = ["the body, which need not be sent"] if media else []
        return found
    encoding, media_type = _chosen(list(media), is_required)
    if not encoding:
        found = _none(operation)
        found.left_out = [f"the body ({', '.join(media)}), which need not be sent"]
        return found
    chosen = nodes.mapping(media[media_type])
    made = schemas.whole(document, chosen.get("schema", {}), "request")
    content = _with_files(made.content, document, chosen) if encoding == "Multipart" else made.content
    if "example" in chosen:
        content.setdefault("examples", [chosen["example"]])
    found = _placed(content, parameters, is_required and operation.method in _WITH_BODY, is_required)
    found.encoding, found.losses = encoding, made.losses
    if encoding == "JSON" and media_type != "application/json":
        found.media_type = media_type
    return found


def _none(operation: Operation) -> Body:
    if operation.method not in _WITH_BODY:
        return Body()
    return Body(expression="null", why="without a body")


def _chosen(offered: list[str], is_required: bool) -> tuple[str, str]:
    """Encoding and media type; empty where there is none, and need not be."""
    names = {each.partition(";")[0].strip().lower(): each for each in offered}
    for wanted in (*_JSON_PREFERRED, *(name for name in names if JSON.fullmatch(name))):
        if wanted in names:
            return "JSON", names[wanted]
    if "*/*" in names:
        return "JSON", names["*/*"]
    for encoding, wanted in (("Form", _FORM), ("Multipart", _MULTIPART)):
        if wanted in names:
            return encoding, names[wanted]
    if is_required:
        raise UnusableError(f"it needs a body of {', '.join(offered)}; a contract sends JSON or a form")
    return "", ""


def _placed(content: dict[str, Any], parameters: Parameters, may_be_all: bool, is_required: bool) -> Body:
    """All of the arguments, or one of them."""
    if not parameters.properties and content.get("type") == "object" and may_be_all:
        return Body(schema=content, why="the arguments are the body")
    name = "body" if "body" not in parameters.properties else "request_body"
    if is_required:
        return Body(
            properties={name: content}, required=[name], expression=f"args.{name}", why=f"{name} is the body"
        )
    return Body(
        properties={name: content},
        expression=f"has(args.{name}) ? args.{name} : null",
        why=f"{name} is the body, which need not be sent",
    )


def _with_files(content: dict[str, Any], document: Document, media: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a multipart body, its files as contracts write them."""
    properties = content.get("properties")
    if not isinstance(properties, dict):
        return content
    declared = nodes.mapping(document.follow(media.get("schema", {})).get("properties"))
    files = {name for name in properties if _is_file(document, declared.get(name, {}))}
    return {
        **content,
        "properties": {name: _FILE if name in files else inner for name, inner in properties.items()},
    }


def _is_file(document: Document, node: Any) -> bool:
    node = document.follow(node) if isinstance(node, Mapping) else {}
    is_binary = node.get("format") == "binary" or str(node.get("contentMediaType", "")).startswith(
        "application/octet"
    )
    return node.get("type", "string") == "string" and is_binary
