"""Is a JSON Schema one we accept, and does a document match it?

Draft 2020-12, no reference outside the document, patterns in linear time, plus the format `money` (a decimal string).
"""

import functools
import re
from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from keelstep.domain import canonical

MAX_BYTES = 256 * 1024
"""A larger schema is refused."""
MOST_LEVELS = 100
"""A schema nested deeper is refused; it must still be read as part of a revision."""
_MONEY = re.compile(r"\d{1,12}(\.\d{1,6})?", re.ASCII)


class SchemaError(ValueError):
    """The schema is not one we accept; the message says why."""


class Schema:
    """A compiled schema."""

    def __init__(self, validator: jsonschema_rs.Draft202012Validator) -> None:
        self._validator = validator

    def problems(self, document: Any, most: int = 5) -> list[str]:
        """What is wrong with a document, one sentence each with its place; empty where it matches."""
        found: list[str] = []
        for error in self._validator.iter_errors(document):
            place = ".".join(str(part) for part in error.instance_path) or "(root)"
            found.append(f"{place}: {_brief(error.message)}")
            if len(found) == most:
                break
        return found


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
            )
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


def _brief(text: str, most: int = 300) -> str:
    line = text.strip().splitlines()[0] if text.strip() else "invalid"
    return line if len(line) <= most else line[: most - 1] + "…"
