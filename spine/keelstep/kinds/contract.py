"""ToolContract: what may be called, and on what terms?

Schemas both ways, side effect and tier, idempotency, cost, timeout, what a failure means, how the call is made.
"""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

import pydantic

from keelstep.kinds import resource
from keelstep.kinds.resource import Column, Model


class SideEffect(StrEnum):
    """What a call does to the world; each has a lowest tier."""

    READ_ONLY = "ReadOnly"
    REVERSIBLE = "Reversible"
    VISIBLE = "Visible"
    IRREVERSIBLE = "Irreversible"


class ErrorClass(StrEnum):
    """Normalised classes of failure a contract may call retryable."""

    TIMEOUT = "Timeout"
    RATE_LIMITED = "RateLimited"
    UNAVAILABLE = "Unavailable"
    CONNECTION_FAILED = "ConnectionFailed"


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


class Budgets(Model):
    """What a call may cost."""

    estimated_cost_usd: Annotated[resource.Money, pydantic.Field(alias="estimatedCostUSD")] = "0"
    """The most one call can cost; reserved before it is made. Unit: US dollars. Default: 0. Example: `"0.002"`."""


class FailurePolicy(Model):
    """What a failure means and whether trying again can help."""

    retryable: Annotated[list[ErrorClass], pydantic.Field(max_length=8)] = []
    """Classes worth another attempt, with the same key; ignored after the first byte where the call is not
    idempotent. Default: none."""
    max_attempts: Annotated[int, pydantic.Field(ge=1, le=10)] = 3
    """Attempts altogether, within `timeoutSeconds` each. Default: 3 (only with `retryable`)."""
    backoff_seconds: Annotated[int, pydantic.Field(ge=0, le=60)] = 1
    """Wait before the second attempt, doubled for each further. Unit: seconds. Default: 1."""
    not_performed: Annotated[
        list[Annotated[int, pydantic.Field(ge=400, le=599)]], pydantic.Field(max_length=32)
    ] = []
    """HTTP statuses that prove nothing happened: the result is then `failed`, any other error `unknown`.
    Default: none. Example: `[400, 404, 422]`."""


class Approval(Model):
    """The question asked where a call needs a person."""

    required: Annotated[int, pydantic.Field(ge=1, le=5)] = 1
    """How many different people must approve. Default: 1."""
    deadline_seconds: resource.Seconds = 86_400
    """Time to decide; after it the answer is no. Unit: seconds. Default: 86400 (a day)."""
    valid_for_seconds: resource.Seconds = 3_600
    """How long an approval may be used. Unit: seconds. Default: 3600 (an hour)."""


class Header(Model):
    """One HTTP header sent with every call."""

    name: Annotated[str, pydantic.Field(pattern=r"^[A-Za-z0-9-]+$", max_length=64)]
    """The header's name. Example: `X-Shop`."""
    value: Annotated[str, pydantic.Field(max_length=1024)]
    """Its value, never a secret (see `credentials`). Example: `berlin`."""


class Http(Model):
    """A call by HTTP."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    """The HTTP method."""
    url: Annotated[str, pydantic.Field(pattern=r"^https?://[^{}/?#]+([/?#].*)?$", max_length=1024)]
    """The address; `{name}` in path or query is replaced by that argument, percent-encoded.
    Example: `https://orders.shop.example/orders/{order_id}`."""
    headers: Annotated[list[Header], pydantic.Field(max_length=32)] = []
    """Headers sent with every call. Default: none."""
    body: Annotated[str, pydantic.Field(min_length=1, max_length=4096)] | None = None
    """CEL over `args` that yields the JSON body. Default: all arguments for POST, PUT and PATCH; none else.
    Example: `{"order": args.order_id, "amount": args.amount}`."""
    response: Annotated[str, pydantic.Field(min_length=1, max_length=4096)] | None = None
    """CEL over `status` and `body` that yields the output. Default: the JSON body.
    Example: `{"refund_id": body.id, "status": body.state}`."""
    idempotency_header: Annotated[str, pydantic.Field(pattern=r"^[A-Za-z0-9-]+$", max_length=64)] = (
        "Idempotency-Key"
    )
    """The header that carries the idempotency key. Default: Idempotency-Key."""


class Transport(Model):
    """How the call is made: exactly one of its fields."""

    http: Http | None = None
    """A call by HTTP."""


CredentialKey = Annotated[str, pydantic.Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=253)]
"""A key of the namespace's Secret `keelstep-credentials`."""


class Bearer(Model):
    """`Authorization: Bearer …`."""

    key: CredentialKey
    """The key in the Secret `keelstep-credentials` that holds the token. Example: `refunds-token`."""


class HeaderCredential(Model):
    """A secret header."""

    name: Annotated[str, pydantic.Field(pattern=r"^[A-Za-z0-9-]+$", max_length=64)]
    """The header's name. Example: `X-Api-Key`."""
    key: CredentialKey
    """The key in the Secret `keelstep-credentials` that holds its value. Example: `shop-key`."""


class Credentials(Model):
    """How the call proves who it is: at most one of its fields. The secret stays in the gateway."""

    bearer: Bearer | None = None
    """A bearer token."""
    header: HeaderCredential | None = None
    """A secret header."""


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
        ("has(self.transport.http)", "transport: name one, e.g. transport.http"),
        (
            "!has(self.idempotency) || !has(self.idempotency.key) || size(self.idempotency.key) == 0"
            " || self.idempotency.mode == 'Keyed'",
            "idempotency.key: only with idempotency.mode Keyed",
        ),
        (
            "!has(self.credentials) || !(has(self.credentials.bearer) && has(self.credentials.header))",
            "credentials: name one, bearer or header",
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
    """What a call may cost."""
    timeout_seconds: Annotated[int, pydantic.Field(ge=1, le=600)] = 30
    """One attempt, from connect to the last byte. Unit: seconds. Default: 30."""
    failure_policy: FailurePolicy = FailurePolicy()
    """What a failure means."""
    approval: Approval = Approval()
    """The question asked where a call needs a person."""
    transport: Transport
    """How the call is made."""
    credentials: Credentials = Credentials()
    """How the call proves who it is. Default: not at all."""
    kill_switch: resource.KillSwitch = resource.KillSwitch()
    """Refuses this tool to everyone; ends no execution."""


class ToolContractStatus(Model):
    """What the operator found. Written by the operator alone."""

    observed_generation: Annotated[int, pydantic.Field(ge=0)] = 0
    """The generation the conditions speak of. Writer: operator."""
    conditions: resource.Conditions = []
    """Accepted and its summary Ready. Writer: operator."""
    revision: Annotated[str, pydantic.Field(max_length=80)] = ""
    """SHA-256 of the accepted content, hex. Writer: operator."""
    kill_switch: resource.LatchedKill | None = None
    """The kill in force, if any. Writer: operator."""


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
