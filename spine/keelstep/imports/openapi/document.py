"""What is in an OpenAPI document? Its operations, and whatever a reference leads to.

Nothing outside the document is ever read; whoever wrote it is not trusted to send us elsewhere.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from keelstep.domain import canonical
from keelstep.imports import nodes
from keelstep.imports.draft import DocumentError, UnusableError
from keelstep.imports.references import References

Node = Mapping[str, Any]

METHODS = ("get", "put", "post", "delete", "patch", "options", "head", "trace", "query")
_VERSION = re.compile(r"3\.[01]\.\d+")
_MOST_HOPS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation as it stands in the document."""

    method: str
    """Upper case."""
    path: str
    content: Node
    around: Node
    """The path item it stands in."""
    siblings: tuple[str, ...]
    """Methods of this path and of those one step below, upper case."""

    @property
    def source(self) -> str:
        """What people call it."""
        return f"{self.method} {self.path}"

    @property
    def name(self) -> str:
        """The document's own name for it, or one made of method and path."""
        return str(self.content.get("operationId") or f"{self.method.lower()}{self.path}")


class Document(References):
    """One document."""

    def __init__(self, content: Node, address: str = "") -> None:
        super().__init__(content, is_3_0=str(content["openapi"]).startswith("3.0"))
        self.address = address
        """Where it was read, for addresses that are relative to it."""

    def operations(self) -> Iterator[Operation]:
        """Every operation, in the document's order."""
        items, _ = self._items()
        below: dict[str, list[Node]] = {}
        for path, item in items.items():
            parent, _, last = path.rpartition("/")
            if last.startswith("{") and last.endswith("}"):
                below.setdefault(parent, []).append(item)
        for path, item in items.items():
            near = (item, *below.get(path.rstrip("/"), ()))
            methods = {method.upper() for each in near for method in METHODS if method in each}
            for method in METHODS:
                if isinstance(item.get(method), Mapping):
                    yield Operation(
                        method=method.upper(),
                        path=path,
                        content=item[method],
                        around=item,
                        siblings=tuple(sorted(methods)),
                    )

    def unreadable(self) -> Mapping[str, str]:
        """The paths of which nothing can be read, and why."""
        _, unreadable = self._items()
        return unreadable

    def _items(self) -> tuple[dict[str, Node], dict[str, str]]:
        found: dict[str, Node] = {}
        unreadable: dict[str, str] = {}
        for path, item in nodes.mapping(self.content.get("paths")).items():
            try:
                found[str(path)] = self.follow(item)
            except UnusableError as error:
                unreadable[str(path)] = str(error)
        return found, unreadable

    def follow(self, node: Any) -> Node:
        """What a node is, wherever it refers to.

        Raises:
            UnusableError: it refers to another document, to nothing, or to itself.
        """
        for _ in range(_MOST_HOPS):
            if not isinstance(node, Mapping):
                raise UnusableError(f"the document has {type(node).__name__} where an object belongs")
            if "$ref" not in node:
                return node
            node = self.target(node["$ref"])
        raise UnusableError("a reference leads only to other references")


def read(payload: bytes, address: str = "") -> Document:
    """A document from JSON or YAML.

    Raises:
        DocumentError: it is neither, or no OpenAPI 3.0 or 3.1.
    """
    content = _parsed(payload)
    if not isinstance(content, dict):
        raise DocumentError("this is no OpenAPI document: not an object")
    if "swagger" in content:
        raise DocumentError(
            f"this is Swagger {content['swagger']}; convert it to OpenAPI 3 first, e.g. with swagger2openapi"
        )
    if not _VERSION.fullmatch(str(content.get("openapi", ""))):
        raise DocumentError(
            f"openapi is {content.get('openapi')!r}, must be 3.0.x or 3.1.x; is this an OpenAPI document?"
        )
    return Document(content, address)


def _refuse_bombs(payload: bytes) -> None:
    """Few lines can stand for more than any memory or patience holds: by aliases, by levels."""
    depth = 0
    for event in yaml.parse(payload, Loader=_Loader):
        match event:
            case yaml.AliasEvent():
                raise DocumentError(
                    "the document uses YAML aliases (*name), which are not read; write it out"
                )
            case yaml.CollectionStartEvent():
                depth += 1
            case yaml.CollectionEndEvent():
                depth -= 1
        if depth > canonical.MOST_LEVELS:
            raise DocumentError(f"the document is nested deeper than {canonical.MOST_LEVELS} levels")


def _parsed(payload: bytes) -> Any:
    try:
        return canonical.loads(payload)
    except ValueError as error:
        if payload.lstrip()[:1] == b"{":
            raise DocumentError(f"the document cannot be read: {error}") from error
    try:
        _refuse_bombs(payload)
        content = yaml.load(payload, Loader=_Loader)  # noqa: S506 a SafeLoader that leaves dates alone
        # keys that are numbers become texts, as in JSON; what JSON cannot say is refused
        return canonical.loads(json.dumps(content, allow_nan=False).encode())
    except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
        line = " ".join(str(error).split())
        raise DocumentError(f"the document is neither JSON nor YAML: {line[:200]}") from error


class _Loader(yaml.CSafeLoader):
    """Reads what JSON could say: no dates, whose place is a text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
