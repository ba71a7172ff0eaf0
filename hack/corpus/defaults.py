"""What does a revision mean where it is silent? Every field that one can have, with the default that it stands for.

A revision leaves out what equals its default, so each line is a promise: within a version of the kinds no default
changes, no field goes, and what must be given must always be. Lines are added, never edited. The models say what a
default is, not this list.
"""

import json
import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from keelstep.domain import policy
from keelstep.kinds import policy as rules
from keelstep.kinds import resource
from keelstep.kinds.contract import ToolContractSpec
from keelstep.kinds.strategy import AgentStrategySpec

FILE = Path("defaults") / f"{resource.VERSION}.txt"
"""The list, in the corpus."""
REVISIONS: tuple[tuple[str, type[resource.Model]], ...] = (
    ("AgentStrategy", AgentStrategySpec),
    ("ToolContract", ToolContractSpec),
    (policy.KIND, rules.PlatformPolicy),
)
"""What is kept as revisions."""


def now() -> list[str]:
    """A line for every field of every revision as this version has them."""
    return [line for kind, model in REVISIONS for line in _walk(kind, model)]


def add(corpus: Path) -> Sequence[str]:
    """Add the lines of fields that the list does not know yet; these lines."""
    file = corpus / FILE
    known = {line.split()[0] for line in read(corpus)}
    new = [line for line in now() if line.split()[0] not in known]
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as listed:
        listed.writelines(f"{line}\n" for line in new)
    return new


def read(corpus: Path) -> list[str]:
    """The lines of the list."""
    file = corpus / FILE
    return file.read_text().splitlines() if file.exists() else []


def text(default: Any) -> str:
    """As JSON; of a part with fields of its own, only what differs from theirs."""
    found = default.given() if isinstance(default, resource.Model) else default
    return json.dumps(found, ensure_ascii=False)


def _walk(path: str, model: type[resource.Model]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if name == "kill_switch":
            continue  # no part of a revision
        place = f"{path}.{field.alias}"
        yield f"{place} {'(required)' if field.is_required() else text(field.get_default(call_default_factory=True))}"
        for inner, suffix in _models(field.annotation):
            yield from _walk(place + suffix, inner)


def _models(annotation: Any, suffix: str = "") -> Iterator[tuple[type[resource.Model], str]]:
    """The models inside an annotation, each with what a path says of the way there."""
    origin = typing.get_origin(annotation)
    if isinstance(annotation, type) and issubclass(annotation, resource.Model):
        yield annotation, suffix
    elif origin is typing.Annotated or origin in (typing.Union, types.UnionType):
        for part in typing.get_args(annotation):
            yield from _models(part, suffix)
    elif origin is list:
        yield from _models(typing.get_args(annotation)[0], f"{suffix}[]")
