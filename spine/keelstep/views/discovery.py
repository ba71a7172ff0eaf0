"""How does Kubernetes learn what is served here? Discovery and OpenAPI documents, made from `resources`.

Pure. `kubectl explain executiontraces.lines` reads the docstrings there.
"""

from typing import Any

from keelstep.views import resources

Document = dict[str, Any]

_PACKAGE = "io.keelstep.views.v1alpha1"
_SCHEMAS = "#/components/schemas/"


def groups() -> Document:
    """`/apis`: the one group."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group()]}


def group() -> Document:
    """`/apis/<group>`: its one version."""
    version = {"groupVersion": resources.API_VERSION, "version": resources.VERSION}
    return {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": resources.GROUP,
        "versions": [version],
        "preferredVersion": version,
    }


def resource_list() -> Document:
    """`/apis/<group>/<version>`: what can be asked for; everything is read, nothing written or watched."""
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": resources.API_VERSION,
        "resources": [
            {
                "name": kind.plural,
                "singularName": kind.__name__.lower(),
                "namespaced": True,
                "kind": kind.__name__,
                "verbs": ["get", "list"],
                "shortNames": resources.SHORT_NAMES[kind.plural],
                "categories": ["keelstep-views"],
            }
            for kind in resources.KINDS
        ],
    }


def openapi_v2() -> Document:
    """`/openapi/v2`: nothing; whoever wants schemas asks for version 3."""
    return {"swagger": "2.0", "info": _INFO, "paths": {}, "definitions": {}}


def openapi_v3_index() -> Document:
    """`/openapi/v3`: where each group's document is."""
    path = f"apis/{resources.API_VERSION}"
    return {"paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}"}}}


def openapi_v3() -> Document:
    """The group's document: paths, and each kind's schema with its descriptions."""
    paths: Document = {}
    schemas: Document = {}
    for kind in resources.KINDS:
        found = kind.model_json_schema(by_alias=True, ref_template=_SCHEMAS + _PACKAGE + ".{model}")
        for name, part in found.pop("$defs", {}).items():
            schemas[f"{_PACKAGE}.{name}"] = _plain(part)
        identity = {"group": resources.GROUP, "version": resources.VERSION, "kind": kind.__name__}
        schema = _plain(found)
        schema["x-kubernetes-group-version-kind"] = [identity]
        schemas[f"{_PACKAGE}.{kind.__name__}"] = schema
        paths |= _paths(kind, identity)
    return {
        "openapi": "3.0.0",
        "info": _INFO,
        "paths": paths,
        "components": {"schemas": schemas},
    }


_INFO = {"title": "keelstep views", "version": resources.VERSION}


def _paths(kind: resources.Kind, identity: Document) -> Document:
    root = f"/apis/{resources.API_VERSION}/namespaces/{{namespace}}/{kind.plural}"
    content = {"application/json": {"schema": {"$ref": f"{_SCHEMAS}{_PACKAGE}.{kind.__name__}"}}}
    return {
        f"{root}/{{name}}": {
            "get": {
                "description": (kind.__doc__ or "").strip(),
                "x-kubernetes-action": "get",
                "x-kubernetes-group-version-kind": identity,
                "responses": {"200": {"description": "OK", "content": content}},
            }
        }
    }


def _plain(schema: Any) -> Any:
    """Without what OpenAPI 3.0 does not know: titles, `const`, and null beside a type."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: ({name: _plain(part) for name, part in value.items()} if key == "properties" else _plain(value))
        for key, value in schema.items()
        if key != "title" or isinstance(value, dict)
    }
    if "const" in kept:
        kept["enum"] = [kept.pop("const")]
    variants = [each for each in kept.get("anyOf", []) if each != {"type": "null"}]
    if len(variants) == 1:
        del kept["anyOf"]
        kept = {**variants[0], **kept}
        if kept.get("default", 0) is None:
            del kept["default"]
    if "$ref" in kept and len(kept) > 1:
        # beside a reference nothing else counts; within allOf it does
        kept["allOf"] = [{"$ref": kept.pop("$ref")}]
    return kept
