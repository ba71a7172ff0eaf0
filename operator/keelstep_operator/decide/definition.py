"""Is a strategy or a contract one we can work with? What the API server cannot check.

Each check is a question about the content that names the field it objects to; the first objection wins.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keelstep.domain import cel, schema, template
from keelstep.kinds import names
from keelstep.kinds.contract import ToolContract, ToolContractSpec
from keelstep.kinds.strategy import AgentStrategySpec
from keelstep_operator.decide import condition
from keelstep_operator.decide.condition import Finding

CRITERION_VARIABLES = ("output", "trace")
BODY_VARIABLES = ("args",)
RESPONSE_VARIABLES = ("status", "body")
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
    """`ResolvedRefs` of a strategy: every contract it lists is there and accepted."""
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


def _url(spec: ToolContractSpec) -> Objection | None:
    """Does every `{name}` of the address name an argument?"""
    if spec.transport.http is None:
        return "TransportMissing", "transport: name one, e.g. transport.http"
    for name in _URL_NAME.findall(spec.transport.http.url):
        if name not in _properties(spec):
            return "UnknownArgument", f"transport.http.url: schema.input.properties has no {name!r}"
    return None


def _mappings(spec: ToolContractSpec) -> Objection | None:
    """Do body and response compile?"""
    http = spec.transport.http
    if http is None:
        return None
    for name, source, variables in (
        ("body", http.body, BODY_VARIABLES),
        ("response", http.response, RESPONSE_VARIABLES),
    ):
        if source is not None:
            found = _cel_problem(f"transport.http.{name}", source, variables)
            if found is not None:
                return found
    return None


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
    _url,
    _mappings,
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
