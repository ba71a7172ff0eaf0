"""Is a strategy or a contract one we can work with? What the API server cannot check.

Each check is a question about the content that names the field it objects to; the first objection wins.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keelstep.domain import cel, contract, egress, failure, policy, present, schema, template
from keelstep.domain.builtins import fit
from keelstep.kinds import names
from keelstep.kinds.contract import ToolContract, ToolContractSpec
from keelstep.kinds.strategy import AgentStrategySpec
from keelstep.kinds.transport import RESERVED_HEADERS
from keelstep_operator.decide import condition
from keelstep_operator.decide.condition import Finding

CRITERION_VARIABLES = ("output", "trace")
BODY_VARIABLES = ("args",)
RESPONSE_VARIABLES = ("status", "body")
RESULT_VARIABLES = ("structured", "text", "content")
_URL_NAME = re.compile(r"\{([^{}]*)\}")

Objection = tuple[str, str]
"""Reason and message."""


def check_contract(spec: ToolContractSpec) -> Finding:
    """`Accepted` of a contract."""
    return _accepted(spec, _CONTRACT_CHECKS)


def check_strategy(spec: AgentStrategySpec) -> Finding:
    """`Accepted` of a strategy."""
    return _accepted(spec, _STRATEGY_CHECKS)


def check_refs(spec: AgentStrategySpec, contracts: Mapping[str, ToolContract]) -> Finding:
    """`ResolvedRefs` of a strategy: every contract it lists is there and accepted, and so is what those name."""
    for place, grant in enumerate(spec.tools):
        found = contracts.get(grant.contract)
        if found is None:
            return condition.fails(
                "ResolvedRefs",
                "ContractMissing",
                f"tools[{place}].contract: there is no ToolContract {grant.contract} in this namespace",
            )
        accepted = next((known for known in found.status.conditions if known.type == "Accepted"), None)
        if accepted is None or found.status.observed_generation != found.metadata.generation:
            return condition.unknown(
                "ResolvedRefs", "ContractPending", f"ToolContract {grant.contract} has not been checked yet"
            )
        if accepted.status != "True":
            return condition.fails(
                "ResolvedRefs",
                "ContractNotAccepted",
                f"tools[{place}].contract: ToolContract {grant.contract} is not accepted: {accepted.message}",
            )
    listed = {grant.contract: contracts[grant.contract].spec for grant in spec.tools}
    for place, grant in enumerate(spec.tools):
        problem = failure.unlisted(listed[grant.contract], listed)
        if problem:
            return condition.fails(
                "ResolvedRefs", "RelatedMissing", f"tools[{place}].contract: {grant.contract}: {problem}"
            )
    return condition.holds("ResolvedRefs", "Resolved")


def _accepted(spec: Any, checks: Sequence[Callable[[Any], Objection | None]]) -> Finding:
    for check in checks:
        objection = check(spec)
        if objection is not None:
            return condition.fails("Accepted", *objection)
    return condition.holds("Accepted", "Accepted")


def _schemas(spec: ToolContractSpec) -> Objection | None:
    """Are both schemas valid, and is the input an object?"""
    for name, document in (("input", spec.schemas.input), ("output", spec.schemas.output)):
        found = _schema_problem(f"schema.{name}", document)
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
            found = _cel_problem(f"transport.{name}", source, variables)
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


def _template(spec: AgentStrategySpec) -> Objection | None:
    """Does the template compile and use only declared slots?"""
    try:
        template.check(spec.prompt.template, [slot.name for slot in spec.prompt.slots])
    except template.TemplateError as error:
        return "TemplateInvalid", f"prompt.template: {error}"
    return None


def _slots(spec: AgentStrategySpec) -> Objection | None:
    """Does no slot hide the goal?"""
    for place, slot in enumerate(spec.prompt.slots):
        if slot.name == template.GOAL:
            return "SlotReserved", f"prompt.slots[{place}].name: {slot.name!r} is the goal itself"
    return None


def _criteria(spec: AgentStrategySpec) -> Objection | None:
    """Do the success criteria compile?"""
    for place, criterion in enumerate(spec.success_criteria):
        where = f"successCriteria[{place}].expression"
        found = _cel_problem(where, criterion.expression, CRITERION_VARIABLES)
        if found is not None:
            return found
    return None


def _output(spec: AgentStrategySpec) -> Objection | None:
    """Is the output schema valid?"""
    return None if spec.output_schema is None else _schema_problem("outputSchema", spec.output_schema)


def _tool_names(spec: AgentStrategySpec) -> Objection | None:
    """Does the model see each tool under a name of its own?"""
    seen: dict[str, str] = {}
    for place, grant in enumerate(spec.tools):
        name = names.model_tool(grant.contract)
        if name in seen:
            return (
                "ToolNameClash",
                f"tools[{place}].contract: {grant.contract} and {seen[name]} are both {name} to the model",
            )
        seen[name] = grant.contract
    return None


_CONTRACT_CHECKS: Sequence[Callable[[ToolContractSpec], Objection | None]] = (
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
_STRATEGY_CHECKS: Sequence[Callable[[AgentStrategySpec], Objection | None]] = (
    _slots,
    _template,
    _output,
    _criteria,
    _tool_names,
)


def _properties(spec: ToolContractSpec) -> Mapping[str, Any]:
    found = spec.schemas.input.get("properties")
    return found if isinstance(found, dict) else {}


def _schema_problem(where: str, document: Mapping[str, Any]) -> Objection | None:
    try:
        schema.compile_schema(document)
    except schema.SchemaError as error:
        return "SchemaInvalid", f"{where}: {error}"
    return None


def _cel_problem(where: str, source: str, variables: Sequence[str]) -> Objection | None:
    try:
        cel.compile_expression(source, variables)
    except cel.CompileError as error:
        return "ExpressionInvalid", f"{where}: {error}"
    return None
