"""How does a test describe one operation, and what became of it?"""

import json
from typing import Any

from keelstep.imports.draft import Draft, Imported
from keelstep.imports.openapi import document, reading

Node = dict[str, Any]

OK: Node = {"200": {"description": "", "content": {"application/json": {"schema": {"type": "object"}}}}}


def imported(paths: Node, version: str = "3.0.3", **parts: Any) -> Imported:
    """The contracts of a document with these paths."""
    options = {name: parts.pop(name) for name in ("only", "prefix", "server") if name in parts}
    content = {
        "openapi": version,
        "servers": [{"url": "https://shop.example/v1"}],
        "paths": paths,
        **parts,
    }
    return reading.imported(document.read(json.dumps(content).encode()), **options)


def drafted(method: str, operation: Node, path: str = "/orders", **parts: Any) -> Draft:
    """The contract of one operation."""
    found = imported({path: {method: {"responses": OK, **operation}}}, **parts)
    assert not found.skipped, found.skipped
    (draft,) = found.drafts
    return draft


def skipped(method: str, operation: Node, path: str = "/orders", **parts: Any) -> str:
    """Why one operation is left out."""
    found = imported({path: {method: {"responses": OK, **operation}}}, **parts)
    assert not found.drafts
    (one,) = found.skipped
    return one.why


def parameter(name: str, place: str, *, required: bool = False, **schema: Any) -> Node:
    """A parameter."""
    return {
        "name": name,
        "in": place,
        "required": required or place == "path",
        "schema": schema or {"type": "string"},
    }


def body(schema: Node, media: str = "application/json", *, required: bool = True) -> Node:
    """A request body."""
    return {"required": required, "content": {media: {"schema": schema}}}
