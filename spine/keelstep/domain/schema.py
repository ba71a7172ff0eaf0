"""Is a JSON Schema one we accept, and does a document match it?

Draft 2020-12, no reference outside the document, patterns in linear time, plus the format `money` (a decimal string).
References may be recursive, but not multiply: a few lines that each refer twice to the next would be a million to check.
"""

import functools
import itertools
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

import jsonschema_rs

from keelstep.domain import canonical

MAX_BYTES = 256 * 1024
"""A larger schema is refused."""
MOST_LEVELS = 100
"""A schema nested deeper is refused; it must still be read as part of a revision."""
MOST_UNFOLDED = 50_000
"""A schema that has more parts is refused, each counted as often as it is referred to; some ten milliseconds to check."""
MOST_PATTERNS = 200
"""A schema with more patterns is refused: each costs up to a millisecond to compile."""
_MOST_OF_A_PATTERN = 200_000
"""Bytes that a pattern may take, compiled: `[0-9a-f]{8}` takes some hundred, `\\pL{20}` more than this."""
_MOST_TOLD = 2_000
"""Of a schema with more parts one problem is told: the library looks at every way to fail before it tells the first."""
_MOST_TOLD_AGAIN = 500
"""Of a schema that refers to itself more than once, no problem is told where its parts, with all that they refer to in so
deep a document, are more: to look at every way to fail takes twice as long for every level."""
_MONEY = re.compile(r"\d{1,12}(\.\d{1,6})?", re.ASCII)


class SchemaError(ValueError):
    """The schema is not one we accept; the message says why."""


class Schema:
    """A compiled schema."""

    def __init__(
        self,
        validator: jsonschema_rs.Draft202012Validator,
        quick: jsonschema_rs.Draft202012Validator,
        size: "_Size",
    ) -> None:
        self._validator = validator
        self._quick = quick
        self._unfolded = size.parts
        self._most_levels = _most_levels(size)

    def problems(self, document: Any, most: int = 5) -> list[str]:
        """What is wrong with a document, one sentence each with its place; empty where it matches."""
        if self._quick.is_valid(document):
            return []
        if self._most_levels is not None and canonical.is_deeper(document, self._most_levels):
            return ["(root): it does not match; of a schema that refers to itself it is not told where"]
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


def of_revision(document: Mapping[str, Any]) -> Schema:
    """As `compile_schema`, found by the object itself: only for a document that nobody changes, as of a revision."""
    known = _KNOWN.get(id(document))
    if known is None:
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
        known = _KNOWN[id(document)] = document, compile_schema(document)
    return known[1]


_KNOWN: dict[int, tuple[Mapping[str, Any], Schema]] = {}
"""By identity; each document is kept beside its schema, so that no other takes its identity."""
_MOST_KNOWN = 2048


@functools.lru_cache(maxsize=2048)
def _compile(payload: bytes) -> Schema:
    document = canonical.loads(payload)
    outside = _external_reference(document)
    if outside:
        raise SchemaError(outside)
    if _patterns(document) > MOST_PATTERNS:
        raise SchemaError(f"more than {MOST_PATTERNS} patterns")
    size = _unfold(document)
    if size.parts > MOST_UNFOLDED:
        raise SchemaError(f"its references make more than {MOST_UNFOLDED} parts of it")
    try:
        jsonschema_rs.meta.validate({**document, "$schema": _DRAFT})
        native = _native(document)
        told = _validator(document)
        return Schema(told, told if native == document else _validator(native), size)
    except jsonschema_rs.ValidationError as error:
        place = ".".join(str(part) for part in error.instance_path)
        raise SchemaError(f"{place}: {_brief(str(error))}" if place else _brief(str(error))) from error
    except (jsonschema_rs.ReferencingError, ValueError) as error:
        raise SchemaError(_brief(str(error))) from error


def _validator(document: Any) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        document,
        validate_formats=True,
        formats={"money": lambda text: bool(_MONEY.fullmatch(text))},
        pattern_options=jsonschema_rs.RegexOptions(size_limit=_MOST_OF_A_PATTERN),
        offline=True,
        mask="the value",
    )


def _native(document: Any) -> Any:
    """The same schema with our format as a pattern, which the library checks itself: half the time of many amounts."""
    if isinstance(document, list):
        return [_native(each) for each in document]
    if not isinstance(document, dict):
        return document
    found = {key: each if key in LITERAL else _native(each) for key, each in document.items()}
    if found.get("format") == "money" and "pattern" not in found:
        del found["format"]
        found["pattern"] = _MONEY_PATTERN
    return found


LITERAL = frozenset({"const", "default", "enum", "examples"})
"""What stands below is a value and no schema."""
_MONEY_PATTERN = r"^[0-9]{1,12}(\.[0-9]{1,6})?$"
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


def _patterns(document: Any) -> int:
    """How many patterns there are to compile, at most."""
    if isinstance(document, list):
        return sum(map(_patterns, document))
    if not isinstance(document, dict):
        return 0
    named = document.get("patternProperties")
    own = ("pattern" in document) + (len(named) if isinstance(named, dict) else 0)
    return own + sum(map(_patterns, document.values()))


class _Size(NamedTuple):
    """How much there is to check."""

    parts: int
    """Parts of the schema, one counted as often as it is referred to; a reference back to what it is a part of is one."""
    returns: int
    """References back among them, counted likewise."""


def _most_levels(size: _Size) -> int | None:
    """Of how deep a document problems are told; None where its depth is no matter."""
    if size.returns < 2:
        return None
    levels, looked_at = 0, size.parts * size.returns
    while looked_at <= _MOST_TOLD_AGAIN:
        levels, looked_at = levels + 1, looked_at * size.returns
    return levels


def _unfold(document: Any) -> _Size:
    """How much there is of a schema with all that it refers to."""
    anchors: dict[str, Any] = {}
    _find_anchors(document, anchors)
    known: dict[int, _Size] = {}

    def size(node: Any) -> _Size:
        if not isinstance(node, dict | list):
            return _Size(0, 0)
        if id(node) in known:
            return known[id(node)]
        known[id(node)] = _Size(1, 1)  # of a reference back to here
        parts, returns = 1, 0
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            is_reference = key in ("$ref", "$dynamicRef") and isinstance(value, str)
            found = size(_referred(document, anchors, value) if is_reference else value)
            parts, returns = parts + found.parts, returns + found.returns
        known[id(node)] = _Size(min(parts, MOST_UNFOLDED + 1), min(returns, MOST_UNFOLDED))
        return known[id(node)]

    try:
        return size(document)
    except RecursionError:
        return _Size(MOST_UNFOLDED + 1, 0)


def references(document: Mapping[str, Any]) -> Callable[[str], Any]:
    """How a reference within a schema is followed: to the part it leads to, or to None."""
    anchors: dict[str, Any] = {}
    _find_anchors(document, anchors)
    return functools.partial(_referred, document, anchors)


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
