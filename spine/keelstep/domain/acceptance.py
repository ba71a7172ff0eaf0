"""Is a contract one we can work with? What the API server cannot check of it.

Asked by the operator when it is applied, and by whoever tests it without a cluster. Each check is a question about the
content that names the field it objects to; the first objection wins.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keelstep.domain import cel, contract, egress, failure, policy, present, schema
from keelstep.domain.builtins import fit
from keelstep.kinds.contract import ToolContractSpec
from keelstep.kinds.transport import RESERVED_HEADERS

BODY_VARIABLES = ("args",)
RESPONSE_VARIABLES = ("status", "body")
RESULT_VARIABLES = ("structured", "text", "content")
_URL_NAME = re.compile(r"\{([^{}]*)\}")

Objection = tuple[str, str]
"""Reason and message."""


def objection(spec: ToolContractSpec) -> Objection | None:
    """The first thing that is wrong with a contract; None where nothing is."""
    return next(filter(None, (check(spec) for check in _CHECKS)), None)


def of_schema(where: str, document: Mapping[str, Any]) -> Objection | None:
    """What is wrong with a schema."""
    try:
        schema.compile_schema(document)
    except schema.SchemaError as error:
        return "SchemaInvalid", f"{where}: {error}"
    return None


def of_expression(where: str, source: str, variables: Sequence[str]) -> Objection | None:
    """What is wrong with an expression in CEL over these variables."""
    try:
        cel.compile_expression(source, variables)
    except cel.CompileError as error:
        return "ExpressionInvalid", f"{where}: {error}"
    return None


def _schemas(spec: ToolContractSpec) -> Objection | None:
    """Are both schemas valid, and is the input an object?"""
    for name, document in (("input", spec.schemas.input), ("output", spec.schemas.output)):
        found = of_schema(f"schema.{name}", document)
        if found is not None:
            return found
    if spec.schemas.input.get("type") != "object":
        return "SchemaInvalid", "schema.input.type: must be object; the arguments of a call are named"
    return None


def _idempotency_key(spec: ToolContractSpec) -> Objection | None:
    """Does every key name an argument?"""
    for place, key in enumerate(spec.idempotency.key):
        if key not in _properties(spec):
            return (
                "UnknownArgument",
                f"idempotency.key[{place}]: schema.input.properties has no {key!r}",
            )
    return None


def _transport(spec: ToolContractSpec) -> Objection | None:
    """Is there exactly one way to make the call?"""
    if len(spec.transport.wire()) != 1:
        return "TransportMissing", "transport: name one, e.g. transport.http"
    return None


def _builtin(spec: ToolContractSpec) -> Objection | None:
    """Does the function take what the schema promises, and is it called for what it is?"""
    builtin = spec.transport.builtin
    if builtin is None:
        return None
    if not contract.is_free_read(spec):
        return (
            "BuiltinMismatch",
            "transport.builtin: a pure function is ReadOnly, tier 0, and costs nothing",
        )
    mismatch = fit.problem(builtin, spec)
    return ("BuiltinMismatch", mismatch) if mismatch else None


def _url(spec: ToolContractSpec) -> Objection | None:
    """Does every `{name}` of the address and its query name an argument?"""
    if spec.transport.http is None:
        return None
    for name in _URL_NAME.findall(spec.transport.http.url):
        if name not in _properties(spec):
            return "UnknownArgument", f"transport.http.url: schema.input.properties has no {name!r}"
    for place, name in enumerate(spec.transport.http.query):
        if name not in _properties(spec):
            return (
                "UnknownArgument",
                f"transport.http.query[{place}]: schema.input.properties has no {name!r}",
            )
    return None


def _addresses(spec: ToolContractSpec) -> Objection | None:
    """Does every address name its host in one form?"""
    http, mcp, oauth2 = spec.transport.http, spec.transport.mcp, spec.credentials.oauth2
    for name, url in (
        ("transport.http.url", http.url if http is not None else None),
        ("transport.mcp.http.url", mcp.http.url if mcp is not None and mcp.http is not None else None),
        ("credentials.oauth2.tokenURL", oauth2.token_url if oauth2 is not None else None),
    ):
        try:
            if url is not None:
                egress.target(url)
        except egress.AddressError as error:
            return "AddressInvalid", f"{name}: {error}"
    return None


def _headers(spec: ToolContractSpec) -> Objection | None:
    """Is no header one of those that frame the request?"""
    http, mcp, secret = spec.transport.http, spec.transport.mcp, spec.credentials.header
    named: list[tuple[str, str]] = []
    if http is not None:
        named += [(f"transport.http.headers[{n}].name", each.name) for n, each in enumerate(http.headers)]
        named.append(("transport.http.idempotencyHeader", http.idempotency_header))
    if mcp is not None and mcp.http is not None:
        named += [
            (f"transport.mcp.http.headers[{n}].name", each.name) for n, each in enumerate(mcp.http.headers)
        ]
    if secret is not None:
        named.append(("credentials.header.name", secret.name))
    for where, name in named:
        if name.lower() in RESERVED_HEADERS:
            return "HeaderReserved", f"{where}: {name} frames the request and is not a contract's to set"
    return None


def _mappings(spec: ToolContractSpec) -> Objection | None:
    """Do body and response compile?"""
    http, mcp = spec.transport.http, spec.transport.mcp
    for name, source, variables in (
        ("http.body", http.body if http is not None else None, BODY_VARIABLES),
        ("http.response", http.response if http is not None else None, RESPONSE_VARIABLES),
        ("mcp.response", mcp.response if mcp is not None else None, RESULT_VARIABLES),
    ):
        if source is not None:
            found = of_expression(f"transport.{name}", source, variables)
            if found is not None:
                return found
    return None


def _failure(spec: ToolContractSpec) -> Objection | None:
    """Can what it says about failure be followed?"""
    problem = failure.problem(spec)
    return ("ExpressionInvalid", problem) if problem else None


def _present(spec: ToolContractSpec) -> Objection | None:
    """Can what the model sees be selected?"""
    select = spec.present.select
    problem = present.check(select) if select is not None else ""
    return ("ExpressionInvalid", f"present.select: {problem}") if problem else None


def _policy(spec: ToolContractSpec) -> Objection | None:
    """Can its rules be asked?"""
    try:
        policy.check(spec.policy)
    except policy.RuleError as error:
        return "ExpressionInvalid", f"policy[{error.place}].when: {error}"
    return None


def _freshness(spec: ToolContractSpec) -> Objection | None:
    """Can the time of an output be found?"""
    as_of = spec.freshness.as_of if spec.freshness is not None else None
    problem = present.check(as_of) if as_of is not None else ""
    return ("ExpressionInvalid", f"freshness.asOf: {problem}") if problem else None


def _properties(spec: ToolContractSpec) -> Mapping[str, Any]:
    found = spec.schemas.input.get("properties")
    return found if isinstance(found, dict) else {}


_CHECKS: Sequence[Callable[[ToolContractSpec], Objection | None]] = (
    _schemas,
    _idempotency_key,
    _transport,
    _builtin,
    _url,
    _addresses,
    _headers,
    _mappings,
    _policy,
    _present,
    _freshness,
    _failure,
)
