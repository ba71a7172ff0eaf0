"""ToolContract: what may be called, and on what terms?

Schemas both ways, side effect and tier, idempotency, cost, timeout, what a failure means, how the call is made.
"""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

import pydantic

from keelstep.kinds import resource
from keelstep.kinds.credentials import Credentials
from keelstep.kinds.failure import Compensation, FailurePolicy
from keelstep.kinds.limits import Breaker, Budgets
from keelstep.kinds.policy import PolicyRule
from keelstep.kinds.resource import Column, Model
from keelstep.kinds.results import Cache, Freshness, Present
from keelstep.kinds.transport import Transport


class SideEffect(StrEnum):
    """What a call does to the world; each has a lowest tier."""

    READ_ONLY = "ReadOnly"
    REVERSIBLE = "Reversible"
    VISIBLE = "Visible"
    IRREVERSIBLE = "Irreversible"


class Schemas(Model):
    """What goes in and what comes out: JSON Schema 2020-12 without external references; format `money` is known."""

    input: resource.JsonObject
    """Schema of the arguments; `type: object`. Example: `{"type": "object", "required": ["order_id"]}`."""
    output: resource.JsonObject
    """Schema of the result as the response mapping yields it. Example: `{"type": "object"}`."""


class Idempotency(Model):
    """Whether the tool recognises a repeated call."""

    mode: Literal["Keyed", "PerCall", "None"] = "None"
    """`Keyed`: the tool honours the key we send, equal calls of a run share one key and one result. `PerCall`: it
    honours the key, but every call is an effect of its own. `None`: it promises nothing, so a call is performed at
    most once. Default: None."""
    key: Annotated[
        list[Annotated[str, pydantic.Field(min_length=1, max_length=128)]],
        pydantic.Field(max_length=16),
    ] = []
    """The arguments that make a call the same call. Default: all. Example: `["order_id", "amount"]`."""


class Approval(Model):
    """The question asked where a call needs a person."""

    required: Annotated[int, pydantic.Field(ge=1, le=5)] = 1
    """How many different people must approve. Default: 1."""
    deadline_seconds: resource.Seconds = 86_400
    """Time to decide; after it the answer is no. Unit: seconds. Default: 86400 (a day)."""
    valid_for_seconds: resource.Seconds = 3_600
    """How long an approval may be used. Unit: seconds. Default: 3600 (an hour)."""


def _one_of(path: str, model: type[Model]) -> str:
    """CEL: exactly one of a model's fields is given."""
    return f"{_given(path, model)}.size() == 1"


def _given(path: str, model: type[Model], *names: str) -> str:
    """CEL: a list with one entry for each of a model's fields, or of those named, that is given."""
    fields = [field.alias for name, field in model.model_fields.items() if not names or name in names]
    given = ", ".join(f"has(self.{path}.{alias})" for alias in fields)
    return f"[{given}].filter(given, given)"


def _not_of_builtins(is_absent: str, field: str) -> tuple[str, str]:
    """A rule: what a builtin does not read may not be said of it, or somebody would rely on it."""
    return f"!has(self.transport.builtin) || {is_absent}", f"{field}: not with transport.builtin"


_OPTIONAL = [name for name, field in FailurePolicy.model_fields.items() if field.default is None]
"""Fields of a failure policy that are absent where nothing was said."""
_LIMITS = [name for name, field in Budgets.model_fields.items() if field.default is None]
"""Those of the budgets."""


class ToolContractSpec(
    Model,
    json_schema_extra=resource.rules(
        (
            "self.sideEffect != 'Reversible' || self.consequenceTier >= 1",
            "consequenceTier: a Reversible tool is at least tier 1",
        ),
        (
            "self.sideEffect != 'Visible' || self.consequenceTier >= 2",
            "consequenceTier: a Visible tool is at least tier 2",
        ),
        (
            "self.sideEffect != 'Irreversible' || self.consequenceTier == 3",
            "consequenceTier: an Irreversible tool is tier 3",
        ),
        (_one_of("transport", Transport), "transport: name one, e.g. transport.http"),
        (
            "!has(self.transport.builtin) || self.sideEffect == 'ReadOnly' && self.consequenceTier == 0",
            "transport.builtin: a pure function is sideEffect ReadOnly and consequenceTier 0",
        ),
        (
            "!has(self.compensation) || self.sideEffect != 'ReadOnly'",
            "compensation: a ReadOnly tool changes nothing that could be undone",
        ),
        # the API server fills in defaults before it asks: what equals its default was not given, or makes no difference
        _not_of_builtins(f"{_given('credentials', Credentials)}.size() == 0", "credentials"),
        _not_of_builtins("self.timeoutSeconds == 30", "timeoutSeconds"),
        _not_of_builtins("self.budgets.estimatedCostUSD.matches('^0+([.]0+)?$')", "budgets.estimatedCostUSD"),
        _not_of_builtins("self.idempotency.mode == 'None'", "idempotency"),
        _not_of_builtins(
            f"{_given('failurePolicy', FailurePolicy, *_OPTIONAL)}.size() == 0"
            " && size(self.failurePolicy.notPerformed) == 0 && self.failurePolicy.maxAttempts == 3"
            " && self.failurePolicy.backoffSeconds == 1 && self.failurePolicy.backoffFactor == 2"
            " && self.failurePolicy.maxBackoffSeconds == 60 && self.failurePolicy.onExhaust == 'Fail'",
            "failurePolicy",
        ),
        _not_of_builtins(
            "self.approval.required == 1 && self.approval.deadlineSeconds == 86400"
            " && self.approval.validForSeconds == 3600",
            "approval",
        ),
        _not_of_builtins("size(self.policy) == 0", "policy"),
        _not_of_builtins(
            f"{_given('budgets', Budgets, *_LIMITS)}.size() == 0",
            "budgets",
        ),
        _not_of_builtins("!has(self.breaker)", "breaker"),
        _not_of_builtins("!has(self.freshness)", "freshness"),
        _not_of_builtins("!has(self.cache)", "cache"),
        (
            "!has(self.freshness) || self.sideEffect == 'ReadOnly'",
            "freshness: only of a ReadOnly tool; what acts is not done again because time passes",
        ),
        (
            "!has(self.cache) || self.sideEffect == 'ReadOnly' && self.idempotency.mode != 'PerCall'",
            "cache: only of a ReadOnly tool, and not with idempotency.mode PerCall",
        ),
        (
            "!has(self.transport.builtin) || !self.killSwitch.engaged",
            "killSwitch: not with transport.builtin, which touches nothing; stop the strategy or the run instead",
        ),
        (
            "!has(self.idempotency) || !has(self.idempotency.key) || size(self.idempotency.key) == 0"
            " || self.idempotency.mode == 'Keyed'",
            "idempotency.key: only with idempotency.mode Keyed",
        ),
        (
            f"{_given('credentials', Credentials, 'bearer', 'header', 'basic', 'oauth2')}.size() <= 1",
            "credentials: name one of bearer, header, basic and oauth2",
        ),
        (
            "!has(self.transport.mcp) || !has(self.transport.mcp.stdio)"
            f" || {_given('credentials', Credentials)}.size() == 0",
            "credentials: not with transport.mcp.stdio, whose secrets are environment variables",
        ),
        (
            "!has(self.transport.mcp) || !has(self.transport.mcp.idempotencyArgument)"
            " || self.idempotency.mode != 'None'",
            "transport.mcp.idempotencyArgument: not with idempotency.mode None",
        ),
    ),
):
    """What may be called and on what terms. Every accepted content becomes an immutable revision."""

    description: Annotated[str, pydantic.Field(min_length=1, max_length=1024)]
    """What the tool does, as the model reads it. Example: `Look up one order.`"""
    # `schema` on the wire; pydantic keeps that name for itself
    schemas: Annotated[Schemas, pydantic.Field(alias="schema")]
    """What goes in and what comes out."""
    side_effect: SideEffect
    """What a call does to the world."""
    consequence_tier: Annotated[int, pydantic.Field(ge=0, le=3)]
    """0 read-only, 1 reversible, 2 visible, 3 irreversible: always asks. At least the side effect's own."""
    idempotency: Idempotency = Idempotency()
    """Whether the tool recognises a repeated call."""
    budgets: Budgets = Budgets()
    """What a call may cost, and how many there may be."""
    breaker: Breaker | None = None
    """When the tool is left alone because it keeps failing. Default: never."""
    timeout_seconds: Annotated[int, pydantic.Field(ge=1, le=600)] = 30
    """One attempt, from connect to the last byte. Unit: seconds. Default: 30."""
    failure_policy: FailurePolicy = FailurePolicy()
    """What a failure means."""
    compensation: Compensation | None = None
    """The call that undoes this one. Default: none, so that what it did stands."""
    policy: Annotated[
        list[PolicyRule],
        pydantic.Field(
            max_length=32,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
        ),
    ] = []
    """Rules asked about each call, in this order; the first that matches counts, and where none does, the call is denied.
    Default: none, so the tier decides."""
    present: Present = Present()
    """What the model sees of an output."""
    freshness: Freshness | None = None
    """How old a result may be when it is used again; only of a ReadOnly tool. Default: as old as the run."""
    cache: Cache | None = None
    """Whether a result may answer equal calls of other runs; only of a ReadOnly tool. Default: not."""
    approval: Approval = Approval()
    """The question asked where a call needs a person."""
    transport: Transport
    """How the call is made."""
    credentials: Credentials = Credentials()
    """How the call proves who it is. Default: not at all."""
    kill_switch: resource.KillSwitch = resource.KillSwitch()
    """Refuses this tool to everyone; ends no execution."""


class Conformance(Model):
    """A pass of `keelstep contract test`, as whoever ran it states it."""

    digest: Annotated[str, pydantic.Field(pattern=r"^[0-9a-f]{64}$", max_length=64)]
    """The pass's own digest, which the test printed: the same whenever the same content passes the same questions."""
    kind: Literal["live", "recorded", "static"]
    """What was asked: the tool itself, its recorded answers, or the contract alone."""
    at: Annotated[str, pydantic.Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z$", max_length=20)]
    """When, RFC 3339."""


class Attested(Model):
    """The annotation `keelstep.io/conformance`: which content passed, and what came of it."""

    revision: Annotated[str, pydantic.Field(pattern=r"^[0-9a-f]{64}$", max_length=64)]
    """The revision that was tested."""
    passed: Conformance


class ToolContractStatus(Model):
    """What the operator found. Written by the operator alone."""

    observed_generation: Annotated[int, pydantic.Field(ge=0)] = 0
    """The generation the conditions speak of. Writer: operator."""
    conditions: resource.Conditions = []
    """Accepted and its summary Ready; Healthy where there is a breaker, Drifted where a gateway met another tool than was
    reviewed. Writer: operator."""
    revision: Annotated[str, pydantic.Field(max_length=80)] = ""
    """SHA-256 of the accepted content, hex. Writer: operator."""
    kill_switch: resource.LatchedKill | None = None
    """The kill in force, if any. Writer: operator."""
    conformance: Conformance | None = None
    """The last pass that somebody states of this very content (annotation `keelstep.io/conformance`). Writer: operator."""


class ToolContract(resource.Resource):
    """What an agent may call, and on what terms."""

    crd: ClassVar[resource.CRD] = resource.CRD(
        kind="ToolContract",
        plural="toolcontracts",
        short_names=("tool",),
        columns=(
            Column(name="Effect", path=".spec.sideEffect"),
            Column(name="Tier", path=".spec.consequenceTier", type="integer"),
            Column(name="Ready", path='.status.conditions[?(@.type=="Ready")].status'),
            Column(name="Reason", path='.status.conditions[?(@.type=="Ready")].reason'),
            Column(name="Drifted", path='.status.conditions[?(@.type=="Drifted")].status'),
            Column(name="Tested", path=".status.conformance.at", type="date"),
            Column(name="Pass", path=".status.conformance.digest", priority=1),
            Column(name="Age", path=".metadata.creationTimestamp", type="date"),
        ),
        root_rules=(
            (
                "size(self.metadata.name) <= 63",
                "metadata.name: at most 63 characters; it becomes the tool's name for the model",
            ),
        ),
    )
    spec: ToolContractSpec
    status: ToolContractStatus = ToolContractStatus()
