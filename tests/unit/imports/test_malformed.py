"""Malformed documents: whatever stands in a place, it is imported or named, and never a fault."""

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from keelstep.imports import page
from keelstep.imports.draft import DocumentError
from keelstep.imports.mcp import tools
from keelstep.imports.mcp.listing import Server
from keelstep.imports.openapi import document, reading

DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "servers": [{"url": "https://{r}.example", "variables": {"r": {"default": "eu"}}}],
    "security": [{"token": ["a"]}],
    "paths": {
        "/orders/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "put": {
                "operationId": "putOrder",
                "summary": "Put.",
                "parameters": [
                    {
                        "name": "n",
                        "in": "query",
                        "schema": {"type": "array", "items": {"$ref": "#/components/schemas/N"}},
                    },
                    {"name": "X-V", "in": "header", "schema": {"enum": ["1"]}},
                ],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Order"}, "example": {}}
                    },
                },
                "responses": {
                    "200": {
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}
                    },
                    "404": {"description": "none"},
                },
                "x-google-backend": {"deadline": 3.5},
            },
            "post": {
                "security": [{"client": []}],
                "requestBody": {
                    "content": {
                        "multipart/form-data": {
                            "schema": {
                                "type": "object",
                                "properties": {"f": {"type": "string", "format": "binary"}},
                            }
                        }
                    }
                },
                "responses": {"204": {}},
            },
        }
    },
    "components": {
        "schemas": {
            "N": {"type": "integer", "minimum": 0, "exclusiveMinimum": True, "nullable": True},
            "Order": {
                "allOf": [{"type": "object", "required": ["id"], "properties": {"id": {"readOnly": True}}}],
                "oneOf": [{"$ref": "#/components/schemas/Order"}, {"type": "object"}],
                "not": {"pattern": "^(a+)+$"},
                "additionalProperties": {"example": 1},
            },
        },
        "securitySchemes": {
            "token": {"type": "http", "scheme": "bearer"},
            "client": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "/t", "scopes": {}}}},
        },
    },
}
TOOL: dict[str, Any] = {
    "name": "refund",
    "description": "Pay back.",
    "inputSchema": {
        "type": "object",
        "properties": {"idempotency_key": {"$ref": "#/$defs/K"}},
        "$defs": {"K": {}},
    },
    "outputSchema": {"type": "object"},
    "annotations": {"readOnlyHint": False, "destructiveHint": False, "openWorldHint": False},
}
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        1.5,
        "",
        "x",
        "#",
        "#/components",
        "{",
        [],
        [1],
        [None],
        [[]],
        {},
        {"": None},
        {"$ref": 1},
        {"type": {}},
    ]
) | st.recursive(
    st.none() | st.integers() | st.text(max_size=3), lambda each: st.lists(each, max_size=2), max_leaves=3
)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of everything within a document."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(found for key, value in inner for found in places(value, (*path, key)))]


def put(content: Any, path: tuple[Any, ...], odd: Any) -> Any:
    """The document with something else in one place."""
    if not path:
        return odd
    changed = copy.deepcopy(content)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = odd
    return changed


@settings(max_examples=600)
@given(st.sampled_from(places(DOCUMENT)), ODD)
def test_a_document_with_anything_anywhere_is_read_or_refused(path: tuple[Any, ...], odd: Any) -> None:
    """What is drafted can be written, and what is not is named."""
    try:
        read = document.read(json.dumps(put(DOCUMENT, path, odd)).encode())
    except DocumentError:
        return
    found = reading.imported(read)
    for draft in found.drafts:
        page.render(draft)
    assert all(each.why for each in found.skipped)


@settings(max_examples=300)
@given(st.sampled_from([path for path in places(TOOL) if path and path != ("name",)]), ODD)
def test_a_tool_with_anything_anywhere_is_read_or_refused(path: tuple[Any, ...], odd: Any) -> None:
    """As the SDK would let it through, and beyond."""
    found = tools.imported(Server(url="https://tools.example/mcp"), [put(TOOL, path, odd)])
    for draft in found.drafts:
        page.render(draft)
    assert len(found.drafts) + len(found.skipped) == 1
