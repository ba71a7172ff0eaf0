"""Is a JSON Schema one we accept, and does a document match it?

Draft 2020-12, no reference outside the document, patterns in linear time, plus the format `money` (a decimal string).
References may be recursive, but not multiply: a few lines that each refer twice to the next would be a million to check.
"""

import functools
import itertools
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import jsonschema_rs

from keelstep.domain import canonical

MAX_BYTES = 256 * 1024
"""A larger schema is refused."""
MOST_LEVELS = 100
"""A schema nested deeper is refused; it must still be read as part of a revision."""
MOST_UNFOLDED = 50_000
"""A schema that has more parts is refused, each counted as often as it is referred to; some ten milliseconds to check."""
_MOST_TOLD = 2_000
"""Of a schema with more parts one problem is told: the library looks at every way to fail before it tells the first."""
_MONEY = re.compile(r"\d{1,12}(\.\d{1,6})?", re.ASCII)


class SchemaError(ValueError):
    """The schema is not one we accept; the message says why."""


class Schema:
    """A compiled schema."""

    def __init__(self, validator: jsonschema_rs.Draft202012Validator, unfolded: int) -> None:
        self._validator = validator
        self._unfolded = unfolded

    def problems(self, document: Any, most: int = 5) -> list[str]:
        """What is wrong with a document, one sentence each with its place; empty where it matches."""
        if self._validator.is_valid(document):
            return []
        if self._unfolded > _MOST_TOLD:
            try:
                self._validator.validate(document)
            except jsonschema_rs.ValidationError as error:
                return [_told(error)]
        return [_told(error) for error in itertools.islice(self._validator.iter_errors(document), most)]


def compile_schema(document: Mapping[str, Any]) -> Schema:
    """Compile a schema.

    Raises:
        SchemaError: it is too large, not valid 2020-12, or refers to another document.
    """
    if canonical.is_deeper(document, MOST_LEVELS):
        raise SchemaError(f"nested deeper than {MOST_LEVELS} levels")
    payload = canonical.dumps(document)
    if len(payload) > MAX_BYTES:
        raise SchemaError(f"{len(payload)} bytes; at most {MAX_BYTES}")
    return _compile(payload)


@functools.lru_cache(maxsize=2048)
def _compile(payload: bytes) -> Schema:
    document = canonical.loads(payload)
    outside = _external_reference(document)
    if outside:
        raise SchemaError(outside)
    unfolded = _unfold(document)
    if unfolded > MOST_UNFOLDED:
        raise SchemaError(f"its references make more than {MOST_UNFOLDED} parts of it")
    try:
        jsonschema_rs.meta.validate({**document, "$schema": _DRAFT})
        return Schema(
            jsonschema_rs.Draft202012Validator(
                document,
                validate_formats=True,
                formats={"money": lambda text: bool(_MONEY.fullmatch(text))},
                pattern_options=jsonschema_rs.RegexOptions(size_limit=1_000_000),
                offline=True,
                mask="the value",
            ),
            unfolded,
        )
    except jsonschema_rs.ValidationError as error:
        place = ".".join(str(part) for part in error.instance_path)
        raise SchemaError(f"{place}: {_brief(str(error))}" if place else _brief(str(error))) from error
    except (jsonschema_rs.ReferencingError, ValueError) as error:
        raise SchemaError(_brief(str(error))) from error


_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def _external_reference(document: Any) -> str:
    """What refers to another document, which the library would fetch; empty where nothing does."""
    if isinstance(document, dict):
        for key in ("$ref", "$dynamicRef"):
            target = document.get(key)
            if isinstance(target, str) and not target.startswith("#"):
                return f"{key} to {target!r}: only references within the schema are allowed"
        draft = document.get("$schema", _DRAFT)
        if isinstance(draft, str) and draft != _DRAFT:
            return f"$schema is {draft!r}, must be {_DRAFT!r} or left out"
        return next(filter(None, map(_external_reference, document.values())), "")
    if isinstance(document, list):
        return next(filter(None, map(_external_reference, document)), "")
    return ""


def _unfold(document: Any) -> int:
    """How many parts a schema has, one counted as often as it is referred to; a recursive reference counts once."""
    anchors: dict[str, Any] = {}
    _find_anchors(document, anchors)
    known: dict[int, int] = {}

    def size(node: Any) -> int:
        if not isinstance(node, dict | list):
            return 0
        if id(node) in known:
            return known[id(node)]
        known[id(node)] = 1  # of a reference back to here
        total = 1
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            is_reference = key in ("$ref", "$dynamicRef") and isinstance(value, str)
            total += size(_referred(document, anchors, value) if is_reference else value)
        known[id(node)] = min(total, MOST_UNFOLDED + 1)
        return known[id(node)]

    try:
        return size(document)
    except RecursionError:
        return MOST_UNFOLDED + 1


def _find_anchors(document: Any, found: dict[str, Any]) -> None:
    """Every part that has a name of its own."""
    if isinstance(document, dict):
        for key in ("$anchor", "$dynamicAnchor"):
            if isinstance(document.get(key), str):
                found[document[key]] = document
        for value in document.values():
            _find_anchors(value, found)
    elif isinstance(document, list):
        for value in document:
            _find_anchors(value, found)


def _referred(document: Any, anchors: Mapping[str, Any], reference: str) -> Any:
    """The part that a reference within the schema leads to; nothing where there is none, which the library says."""
    path = unquote(reference.removeprefix("#"))
    if not path.startswith("/"):
        return anchors.get(path) if path else document
    for token in path[1:].split("/"):
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(document, list) and key.isdecimal() and int(key) < len(document):
            document = document[int(key)]
        elif isinstance(document, dict):
            document = document.get(key)
        else:
            return None
    return document


def _told(error: jsonschema_rs.ValidationError) -> str:
    place = ".".join(str(part) for part in error.instance_path) or "(root)"
    return f"{place}: {_brief(error.message)}"


def _brief(text: str, most: int = 300) -> str:
    line = text.strip().splitlines()[0] if text.strip() else "invalid"
    return line if len(line) <= most else line[: most - 1] + "…"
