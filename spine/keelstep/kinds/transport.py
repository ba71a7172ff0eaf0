"""How is a tool called? The transports a contract may name, one class for each.

What a call means, costs and may do is said in `contract`; whom it proves to be in `credentials`.
"""

from enum import StrEnum
from typing import Annotated, Literal

import pydantic

from keelstep.kinds import resource
from keelstep.kinds.resource import Model

Expression = Annotated[str, pydantic.Field(min_length=1, max_length=4096)]
"""CEL."""
Address = Annotated[str, pydantic.Field(pattern=r"^https?://[^{}/?#]+([/?#][^{}]*)?$", max_length=1024)]
"""A whole address, without holes."""
Digest = Annotated[str, pydantic.Field(pattern=r"^[0-9a-f]{64}$", max_length=64)]
"""A SHA-256, hex."""
CredentialKey = Annotated[str, pydantic.Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=253)]
"""A key of the namespace's Secret `keelstep-credentials`."""


RESERVED_HEADERS = frozenset(
    (
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
"""Headers that say where a request begins, ends and goes: never a contract's, as others share its connection."""


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
    query: Annotated[
        list[Annotated[str, pydantic.Field(min_length=1, max_length=128)]], pydantic.Field(max_length=64)
    ] = []
    """Arguments that go into the query under their own names where they are given, a list as one field for each of its
    items. Default: none. Example: `["limit", "cursor"]`."""
    body: Expression | None = None
    """CEL over `args` that yields the body; null is no body. Default: all arguments for POST, PUT and PATCH; none else.
    Example: `{"order": args.order_id, "amount": args.amount}`."""
    response: Expression | None = None
    """CEL over `status` and `body` that yields the output. Default: the JSON body.
    Example: `{"refund_id": body.id, "status": body.state}`."""
    idempotency_header: Annotated[str, pydantic.Field(pattern=r"^[A-Za-z0-9-]+$", max_length=64)] = (
        "Idempotency-Key"
    )
    """The header that carries the idempotency key. Default: Idempotency-Key."""
    encoding: Literal["JSON", "Form", "Multipart"] = "JSON"
    """How the body is written: a JSON document, or an object's fields as `application/x-www-form-urlencoded` or
    `multipart/form-data`. A field of a multipart body that is an object `{filename, content, mediaType}` is a file,
    its content base64. Default: JSON."""
    max_redirects: Annotated[int, pydantic.Field(ge=0, le=5)] = 0
    """How many redirects are followed, each to the address's own host or one of `redirectHosts`; credentials never go
    to another host. Default: 0, a redirect is an answer like any other."""
    redirect_hosts: Annotated[
        list[Annotated[str, pydantic.Field(pattern=r"^[A-Za-z0-9.:-]+$", max_length=253)]],
        pydantic.Field(max_length=8),
    ] = []
    """Hosts that a redirect may lead to besides the address's own. Default: none. Example: `["files.shop.example"]`."""


class Variable(
    Model,
    json_schema_extra=resource.rules(
        ("has(self.value) != has(self.key)", "environment: a variable has a value or a key")
    ),
):
    """One environment variable of a command."""

    name: Annotated[str, pydantic.Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=64)]
    """Its name. Example: `SHOP_TOKEN`."""
    value: Annotated[str, pydantic.Field(max_length=1024)] | None = None
    """Its value, never a secret. Default: none. Example: `berlin`."""
    key: CredentialKey | None = None
    """The key in the Secret `keelstep-credentials` that holds its value. Default: none. Example: `shop-token`."""


class McpHttp(Model):
    """An MCP server reached by streamable HTTP."""

    url: Address
    """The server's address. Example: `https://incidents.shop.example/mcp`."""
    headers: Annotated[list[Header], pydantic.Field(max_length=32)] = []
    """Headers sent with every request. Default: none."""


class McpStdio(Model):
    """An MCP server that the gateway runs itself, with the gateway's own rights: the platform team lists the commands
    that may be run (`KEELSTEP_STDIO_COMMANDS`)."""

    command: Annotated[
        list[Annotated[str, pydantic.Field(max_length=1024)]], pydantic.Field(min_length=1, max_length=32)
    ]
    """Program and arguments; no shell reads them. Example: `["/opt/tools/incidents", "--stdio"]`."""
    environment: Annotated[list[Variable], pydantic.Field(max_length=32)] = []
    """Its whole environment. Default: empty."""


class Pinned(Model):
    """What a server said of a tool when the contract was reviewed, as digests: SHA-256 of the canonical JSON, hex."""

    description: Digest
    """Of its description. Example: `40a9010373bd9336e588d27bd350f42496c44732c03418b0a812d6a399e4cb2c`."""
    input: Digest
    """Of the schema of its arguments. Example: `03ced19471ad2fe3c2959e1c2064717aadc658e7b94a7594ba6522fcc4f81256`."""
    output: Digest
    """Of the schema of its structured content, or of null where it declares none.
    Example: `74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b`."""
    annotations: Digest
    """Of its hints. Example: `44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a`."""


class Mcp(
    Model,
    json_schema_extra=resource.rules(
        ("has(self.http) != has(self.stdio)", "transport.mcp: name one, http or stdio")
    ),
):
    """A call of a tool of an MCP server."""

    tool: Annotated[str, pydantic.Field(min_length=1, max_length=128)]
    """The tool's name at its server. Example: `get_incident`."""
    http: McpHttp | None = None
    """A server reached by streamable HTTP."""
    stdio: McpStdio | None = None
    """A server that the gateway runs."""
    response: Expression | None = None
    """CEL over `structured` (the structured content, or null), `text` (the text blocks, joined by line breaks) and
    `content` (every block) that yields the output. Default: the structured content; where there is none, the text, as
    JSON if it is that. Example: `{"lines": text.split("\\n")}`."""
    idempotency_argument: Annotated[str, pydantic.Field(min_length=1, max_length=128)] | None = None
    """The argument that carries the idempotency key; it is also in the call's `_meta`. Default: none.
    Example: `request_id`."""
    on_error: Literal["Unknown", "NotPerformed"] = "Unknown"
    """What it proves that the server answers a call with an error: nothing, or that nothing happened. Default: Unknown;
    a ReadOnly tool's call has failed either way."""
    pinned: Pinned | None = None
    """What the server said of the tool when this contract was reviewed; `keelstep contract import mcp` writes it, and
    `keelstep contract diff` compares. Default: none, and nobody compares."""


class BuiltinFunction(StrEnum):
    """Pure functions that a runner evaluates itself; docs/builtins.md says what each takes and gives."""

    DECIMAL_ADD = "decimal.add"
    DECIMAL_SUBTRACT = "decimal.subtract"
    DECIMAL_MULTIPLY = "decimal.multiply"
    DECIMAL_DIVIDE = "decimal.divide"
    DECIMAL_SUM = "decimal.sum"
    DECIMAL_ROUND = "decimal.round"
    DECIMAL_COMPARE = "decimal.compare"
    DATE_PARSE = "date.parse"
    DATE_FORMAT = "date.format"
    DATE_ADD = "date.add"
    DATE_DIFFERENCE = "date.difference"
    DATE_WEEKDAY = "date.weekday"
    JSON_SELECT = "json.select"
    RESULT_PAGE = "result.page"


class Builtin(Model):
    """A pure function, evaluated where the agent runs: no network, no credentials, no clock."""

    function: BuiltinFunction
    """Which one; docs/builtins.md says what each takes and gives. Example: `decimal.add`."""


class Transport(Model):
    """How the call is made: exactly one of its fields."""

    http: Http | None = None
    """A call by HTTP."""
    mcp: Mcp | None = None
    """A call of a tool of an MCP server."""
    builtin: Builtin | None = None
    """A pure function, evaluated by the runner itself: a tier-0 read that costs nothing."""
