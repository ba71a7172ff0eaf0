"""What is a contract before a person has reviewed it? Its spec, and beside each line why it says what it says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pydantic

from keelstep.domain import schema
from keelstep.kinds.contract import ToolContractSpec

MOST_DESCRIPTION = 1024


class UnusableError(ValueError):
    """This operation or tool cannot become a contract; the message says why."""


class DocumentError(ValueError):
    """Nothing can be made of the document as a whole; the message says why and what to do."""


class UnreachableError(DocumentError):
    """Whoever was asked for it does not answer, or not as what it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One contract to review."""

    name: str
    source: str
    """What it was made of, as the document calls it. Example: `GET /orders/{id}`."""
    spec: Mapping[str, Any]
    notes: Mapping[str, str]
    """Path in the spec, dotted → why the line is as it is; the empty path is the contract itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """Something that did not become a contract."""

    source: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import came to."""

    drafts: Sequence[Draft]
    skipped: Sequence[Skipped]


@dataclass(slots=True)
class Sketch:
    """A spec in the making."""

    spec: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def put(self, path: str, value: Any, why: str = "") -> None:
        """Write one line, and why."""
        *parents, last = path.split(".")
        inner = self.spec
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[last] = value
        if why:
            self.notes[path] = why

    def note(self, path: str, why: str) -> None:
        """Say more about a line, or about the contract where the path is empty."""
        self.notes[path] = f"{self.notes[path]}; {why}" if path in self.notes else why

    def draft(self, name: str, source: str) -> Draft:
        """The finished draft.

        Raises:
            UnusableError: it would not be a valid contract.
        """
        try:
            spec = ToolContractSpec.model_validate(self.spec)
            for side, document in (("input", spec.schemas.input), ("output", spec.schemas.output)):
                _compile(side, document)
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            raise UnusableError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
        return Draft(name=name, source=source, spec=self.spec, notes=self.notes)


def _compile(side: str, document: Mapping[str, Any]) -> None:
    try:
        schema.compile_schema(document)
    except schema.SchemaError as error:
        raise UnusableError(f"schema.{side}: {error}") from error


def described(texts: Sequence[str | None]) -> str:
    """A description of the texts there are, whole sentences as far as they fit."""
    text = "\n\n".join(dict.fromkeys(each.strip() for each in texts if each and each.strip()))
    return text if len(text) <= MOST_DESCRIPTION else text[: MOST_DESCRIPTION - 1].rstrip() + "…"
