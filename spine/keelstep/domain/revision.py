"""What exactly did a run start with? Revisions: the immutable contents of strategies and contracts.

A revision is the canonical JSON of kind, name and spec without its kill switch; its name is its SHA-256. Runner and
gateway read the revisions a run pinned and never the live objects.

What equals its default is left out: the API server writes the defaults of fields that are new into every spec, and a
program of the release before refuses fields that it does not know. A default therefore never changes within a version
of the kinds, nor does a field go (`tests/corpus/defaults`).
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pydantic

from keelstep.domain import canonical
from keelstep.kinds import contract, resource, strategy

_LOADED = 256
"""Revisions of each kind that are kept loaded: many runs of one process pin the same, and nobody changes one."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One accepted content."""

    payload: bytes
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """The revisions a run pinned, loaded."""

    strategy_name: str
    strategy_digest: str
    strategy: strategy.AgentStrategySpec
    contracts: Mapping[str, contract.ToolContractSpec]
    """By contract name."""


class RevisionError(ValueError):
    """The bytes are not the revision they should be."""


def build(kind: str, name: str, spec: resource.Model) -> Revision:
    """The revision of a spec; the kill switch is not part of what an agent or tool is."""
    payload = canonical.dumps({"kind": kind, "name": name, "spec": spec.given("kill_switch")})
    return Revision(payload, canonical.digest(payload))


@functools.lru_cache(maxsize=_LOADED)
def load_strategy(payload: bytes) -> tuple[str, strategy.AgentStrategySpec]:
    """Name and spec of a strategy's revision.

    Raises:
        RevisionError: the bytes are no strategy revision.
    """
    name, spec = _load(payload, "AgentStrategy")
    try:
        return name, strategy.AgentStrategySpec.model_validate(spec)
    except pydantic.ValidationError as error:
        raise RevisionError(f"strategy {name}: {error.error_count()} problems") from error


@functools.lru_cache(maxsize=_LOADED)
def load_contract(payload: bytes) -> tuple[str, contract.ToolContractSpec]:
    """Name and spec of a contract's revision.

    Raises:
        RevisionError: the bytes are no contract revision.
    """
    name, spec = _load(payload, "ToolContract")
    try:
        return name, contract.ToolContractSpec.model_validate(spec)
    except pydantic.ValidationError as error:
        raise RevisionError(f"contract {name}: {error.error_count()} problems") from error


def _load(payload: bytes, kind: str) -> tuple[str, Any]:
    try:
        content = canonical.loads(payload)
        if content["kind"] != kind:
            raise RevisionError(f"a revision of {content['kind']}, not of {kind}")
        return str(content["name"]), content["spec"]
    except (KeyError, TypeError, ValueError) as error:
        raise RevisionError(f"not a revision of {kind}: {error}") from error
