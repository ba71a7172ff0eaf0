"""Is a strategy or a contract one we can work with? What the API server cannot check.

Of a contract `domain.acceptance` says it, for whoever tests one without a cluster, too. Each check of a strategy is a
question about the content that names the field it objects to; the first objection wins.
"""

from collections.abc import Callable, Mapping, Sequence

from keelstep.domain import acceptance, failure, template
from keelstep.domain.acceptance import Objection
from keelstep.kinds import names
from keelstep.kinds.contract import ToolContract, ToolContractSpec
from keelstep.kinds.strategy import AgentStrategySpec
from keelstep_operator.decide import condition
from keelstep_operator.decide.condition import Finding

CRITERION_VARIABLES = ("output", "trace")


def check_contract(spec: ToolContractSpec) -> Finding:
    """`Accepted` of a contract."""
    return _accepted(acceptance.objection(spec))


def check_strategy(spec: AgentStrategySpec) -> Finding:
    """`Accepted` of a strategy."""
    return _accepted(next(filter(None, (check(spec) for check in _STRATEGY_CHECKS)), None))


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


def _accepted(objection: Objection | None) -> Finding:
    if objection is not None:
        return condition.fails("Accepted", *objection)
    return condition.holds("Accepted", "Accepted")


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
        found = acceptance.of_expression(where, criterion.expression, CRITERION_VARIABLES)
        if found is not None:
            return found
    return None


def _output(spec: AgentStrategySpec) -> Objection | None:
    """Is the output schema valid?"""
    return None if spec.output_schema is None else acceptance.of_schema("outputSchema", spec.output_schema)


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


_STRATEGY_CHECKS: Sequence[Callable[[AgentStrategySpec], Objection | None]] = (
    _slots,
    _template,
    _output,
    _criteria,
    _tool_names,
)
