"""What do all our resource kinds have in common?

The camelCase wire form, metadata, conditions, money as a decimal string, and the notes (`CRD`) from which
`hack/generate` makes the CustomResourceDefinition. Nothing here knows a particular kind.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import pydantic
from pydantic import alias_generators

GROUP = "keelstep.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

Money = Annotated[str, pydantic.Field(pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?$", max_length=16)]
"""US dollars as a decimal string with at most six digits behind the point: `"0.25"`. Never a float."""

Decimal = Annotated[str, pydantic.Field(pattern=r"^[0-9]{1,3}(\.[0-9]{1,6})?$", max_length=10)]
"""A small decimal number as a string, `"0.2"`: floats do not survive every JSON round trip."""

Name = Annotated[
    str, pydantic.Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", min_length=1, max_length=63)
]
"""The name of another object in the same namespace."""

MOST_PROPERTIES = 256
"""Of a JSON object in a resource."""

JsonObject = Annotated[
    dict[str, Any],
    pydantic.Field(
        max_length=MOST_PROPERTIES, json_schema_extra={"x-kubernetes-preserve-unknown-fields": True}
    ),
]
"""A JSON object of any shape; what it must look like is said where it is used."""

Seconds = Annotated[int, pydantic.Field(ge=1, le=31_536_000)]
"""A whole number of seconds, at most a year."""


class Model(pydantic.BaseModel):
    """A part of a resource: camelCase on the wire, unknown fields refused, docstrings are descriptions."""

    model_config = pydantic.ConfigDict(
        alias_generator=alias_generators.to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )

    def wire(self) -> dict[str, Any]:
        """The JSON form, camelCase, without what is absent: absent is not zero."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def given(self, *without: str) -> dict[str, Any]:
        """The JSON form without what equals its default, at every depth, and without these fields (Python's names)."""
        return self.model_dump(
            mode="json", by_alias=True, exclude_none=True, exclude_defaults=True, exclude=set(without)
        )


def rules(*pairs: tuple[str, str]) -> dict[str, Any]:
    """CEL rules for the API server, as (expression, message) pairs, for `json_schema_extra`."""
    return {
        "x-kubernetes-validations": [
            {"rule": expression, "message": message} for expression, message in pairs
        ]
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One printer column of `kubectl get`; `priority` 1 shows only with `-o wide`."""

    name: str
    path: str
    type: Literal["string", "integer", "date"] = "string"
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CRD:
    """What a CustomResourceDefinition says besides its schema."""

    kind: str
    plural: str
    short_names: Sequence[str]
    columns: Sequence[Column]
    selectable_fields: Sequence[str] = ()
    first_phase: str = ""
    """The phase a new object shows before the operator has seen it; empty for kinds without phases."""
    root_rules: Sequence[tuple[str, str]] = ()
    """CEL over the whole object (metadata.name may be used), as (expression, message)."""

    @property
    def singular(self) -> str:
        """The lower-case kind."""
        return self.kind.lower()


class KillSwitch(Model):
    """Stops what it stands on at once. Engaging latches: taking it back here lifts nothing (see `status.killSwitch`)."""

    engaged: bool = False
    """True engages the kill switch. Default: false."""
    reason: Annotated[str, pydantic.Field(max_length=256)] = ""
    """Why, in a sentence for the record. Default: none. Example: `refunds doubled since 14:00`."""


class LatchedKill(Model):
    """A kill switch in force. Written by the operator alone; lifted by approving the gate it names."""

    engaged: bool
    """True while the kill is in force."""
    since: Annotated[str, pydantic.Field(max_length=40)] = ""
    """When it was latched (RFC 3339)."""
    reason: Annotated[str, pydantic.Field(max_length=256)] = ""
    """The reason given when it was engaged."""
    gate: Annotated[str, pydantic.Field(max_length=253)] = ""
    """The ApprovalGate whose approval lifts it."""


class Condition(Model):
    """One aspect of the observed state, as in every Kubernetes API."""

    type: Annotated[str, pydantic.Field(max_length=64)]
    """The aspect, CamelCase. Example: `Ready`."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: Annotated[str, pydantic.Field(min_length=1, max_length=64)]
    """Why, one CamelCase word; every reason is explained in docs/reasons.md."""
    message: Annotated[str, pydantic.Field(max_length=2048)] = ""
    """The same as a sentence for a person."""
    observed_generation: Annotated[int, pydantic.Field(ge=0)] = 0
    """The metadata.generation this was computed from."""
    last_transition_time: Annotated[str, pydantic.Field(max_length=40)]
    """When `status` last changed (RFC 3339)."""


Conditions = Annotated[
    list[Condition],
    pydantic.Field(
        max_length=16,
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
    ),
]
"""Conditions, one per type."""


class Metadata(pydantic.BaseModel):
    """The parts of ObjectMeta our programs read; everything else is kept as it came."""

    model_config = pydantic.ConfigDict(
        alias_generator=alias_generators.to_camel,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
    )

    name: str
    namespace: str
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None
    labels: dict[str, str] = pydantic.Field(default_factory=dict)
    annotations: dict[str, str] = pydantic.Field(default_factory=dict)
    owner_references: list[dict[str, Any]] = pydantic.Field(default_factory=list)


class Resource(pydantic.BaseModel):
    """A whole object as the API server returns it. Subclasses add `spec` and `status`."""

    model_config = pydantic.ConfigDict(
        alias_generator=alias_generators.to_camel,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
    )

    crd: ClassVar[CRD]
    metadata: Metadata
