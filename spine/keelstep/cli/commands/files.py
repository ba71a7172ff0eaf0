"""Which contracts does a file or a folder hold? Read and checked as far as that can be done without a cluster."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic
import yaml

from keelstep.cli import exits
from keelstep.kinds import resource
from keelstep.kinds.contract import ToolContractSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One contract of a file."""

    name: str
    spec: ToolContractSpec
    wire: dict[str, Any]
    """The spec as it was written."""


def contracts(file: Path) -> list[Read]:
    """The ToolContracts of a YAML file, or of every one in a folder; other objects are passed over.

    Raises:
        exits.Ended: it cannot be read, holds none, or one of them is not valid.
    """
    listed = sorted(file.glob("*.yaml")) if file.is_dir() else [file]
    found = [_contract(each, document) for each in listed for document in _documents(each)]
    if not found:
        raise exits.usage(f"{file} holds no ToolContract")
    return found


def _documents(file: Path) -> list[dict[str, Any]]:
    """What a file holds of contracts, as it was written."""
    try:
        return [each for each in yaml.safe_load_all(file.read_text()) if _is_contract(each)]
    except (OSError, ValueError) as error:
        raise exits.usage(f"{file}: {getattr(error, 'strerror', None) or 'cannot be read'}") from error
    except RecursionError as error:
        raise exits.usage(f"{file}: nested too deeply") from error
    except yaml.YAMLError as error:
        raise exits.usage(f"{file}: {unreadable(error)}") from error


def unreadable(error: yaml.YAMLError) -> str:
    """Why a text is no YAML, and where."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return " ".join(str(error).split())[:200]
    mark = error.problem_mark
    return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem or error.context}"


def by_name(file: Path) -> dict[str, Read]:
    """The ToolContracts of a YAML file by their names.

    Raises:
        exits.Ended: as `contracts`, or two of them have one name, so that nobody knows which is meant.
    """
    found: dict[str, Read] = {}
    for each in contracts(file):
        if each.name in found:
            raise exits.usage(f"{file}: ToolContract {each.name} stands there twice")
        found[each.name] = each
    return found


def _is_contract(document: Any) -> bool:
    return (
        isinstance(document, dict)
        and document.get("apiVersion") == resource.API_VERSION
        and document.get("kind") == "ToolContract"
    )


def _contract(file: Path, document: dict[str, Any]) -> Read:
    metadata = document.get("metadata")
    name = str(metadata.get("name", "")) if isinstance(metadata, dict) else ""
    try:
        spec = ToolContractSpec.model_validate(document.get("spec"))
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in ("spec", *first["loc"]))
        raise exits.usage(f"{file}: ToolContract {name or '(unnamed)'}: {place}: {first['msg']}") from error
    return Read(name=name, spec=spec, wire=document["spec"])
