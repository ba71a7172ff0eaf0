"""Which arguments do an operation's parameters become, and where does each go?"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keelstep.imports import nodes, schemas
from keelstep.imports.draft import UnusableError
from keelstep.imports.openapi.document import Document, Node, Operation

_KEY_HEADER = re.compile(r"(x-)?idempotency-?(key|token)", re.IGNORECASE)
_SET_BY_OTHERS = frozenset(("accept", "content-type", "authorization"))
"""Headers that a document describes elsewhere."""
_HOLE = re.compile(r"\{([^{}]+)\}")
_NESTED = frozenset(("object", "array"))


@dataclass(slots=True)
class Parameters:
    """What an operation's parameters come to."""

    path: str
    """With a hole for each argument in it."""
    properties: dict[str, Any] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    query: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    key_header: str = ""
    """The header that carries an idempotency key, where there is one."""
    left_out: list[str] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)


def read(document: Document, operation: Operation) -> Parameters:
    """The parameters of an operation.

    Raises:
        UnusableError: one that must be given cannot be.
    """
    known: dict[tuple[str, str], Node] = {}
    for each in (*_listed(operation.around), *_listed(operation.content)):
        parameter = document.follow(each)
        known[str(parameter.get("in")), str(parameter.get("name"))] = parameter
    found = Parameters(path=operation.path)
    queried = {name for place, name in known if place == "query"}
    for (place, name), parameter in known.items():
        match place:
            case "path":
                _path(document, found, name, parameter, queried)
            case "query":
                _query(document, found, name, parameter)
            case "header":
                _header(document, found, name, parameter)
            case _:
                _not_sent(found, place, name, parameter)
    missing = [name for name in _HOLE.findall(found.path) if name not in found.properties]
    if missing:
        raise UnusableError(f"its path names {missing[0]!r}, which it does not describe")
    return found


def _listed(node: Node) -> list[Any]:
    return nodes.listed(node.get("parameters"))


def _path(document: Document, found: Parameters, name: str, parameter: Node, queried: set[str]) -> None:
    argument = f"path_{name}" if name in queried else name
    content = _schema(document, found, name, parameter)
    if _types(content) & _NESTED:
        raise UnusableError(f"its path parameter {name!r} is an object or a list")
    if "string" in _types(content):
        content.setdefault("minLength", 1)  # an empty text would name another path
    found.path = found.path.replace(f"{{{name}}}", f"{{{argument}}}")
    found.properties[argument] = content
    found.required.append(argument)


def _query(document: Document, found: Parameters, name: str, parameter: Node) -> None:
    content = _schema(document, found, name, parameter)
    is_list = "array" in _types(content)
    is_plain = parameter.get("style", "form") == "form" and (not is_list or parameter.get("explode", True))
    if "object" in _types(content) or not is_plain or "content" in parameter:
        _not_sent(found, "query", name, parameter, "it is written in a way that contracts cannot")
        return
    found.properties[name] = content
    found.query.append(name)
    if parameter.get("required") is True:
        found.required.append(name)


def _header(document: Document, found: Parameters, name: str, parameter: Node) -> None:
    if name.lower() in _SET_BY_OTHERS:
        return
    if _KEY_HEADER.fullmatch(name):
        found.key_header = name
        return
    content = _schema(document, found, name, parameter)
    choices = [content["const"]] if "const" in content else nodes.listed(content.get("enum"))
    if len(choices) == 1 and isinstance(choices[0], str):
        found.headers.append({"name": name, "value": choices[0]})
    else:
        _not_sent(found, "header", name, parameter)


def _not_sent(found: Parameters, place: str, name: str, parameter: Node, why: str = "") -> None:
    if parameter.get("required") is True:
        raise UnusableError(
            f"it needs the {place} parameter {name!r}, and "
            + (why or f"a contract puts no argument into a {place}")
        )
    found.left_out.append(f"{place} parameter {name}")


def _schema(document: Document, found: Parameters, name: str, parameter: Node) -> dict[str, Any]:
    node: Any = parameter.get("schema")
    if node is None and isinstance(parameter.get("content"), Mapping):
        node = nodes.mapping(next(iter(parameter["content"].values()), None)).get("schema", {})
    made = schemas.whole(document, {} if node is None else node, "request")
    found.losses += [f"{name}: {loss}" for loss in made.losses]
    content = made.content
    if isinstance(parameter.get("description"), str):
        content["description"] = parameter["description"]
    if "example" in parameter:
        content.setdefault("examples", [parameter["example"]])
    return content


def _types(content: Mapping[str, Any]) -> set[str]:
    kinds = content.get("type")
    return (
        {kinds} if isinstance(kinds, str) else {kind for kind in nodes.listed(kinds) if isinstance(kind, str)}
    )
