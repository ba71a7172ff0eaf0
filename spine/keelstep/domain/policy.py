"""What do the rules say about one call? Those of the platform team first, then the contract's own.

    platform's rules   first match: Deny ──────────────────────────────────► deny
        │ Escalate, or none                                                    ▲
        ▼                                                                      │
    contract's rules   none at all ► allow · first match · rules, and no match ┤
        │                                                                      │
        ▼                                                what cannot be evaluated
    the stricter of the two: allow < escalate < deny

`allow` only means that the tier decides. A rule that cannot be evaluated denies, for nobody knows what it would have said.
"""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import structs

from keelstep.domain import canonical, cel, contract, functions, revision
from keelstep.domain.revision import Pinned, Revision
from keelstep.domain.state import State
from keelstep.events import types
from keelstep.kinds.policy import Effect, PlatformPolicy, PolicyRule

KIND = "PlatformPolicy"
"""What a revision of the platform's rules is called."""
VARIABLES = ("args", "budget", "history", "strategy", "tenant", "tool")
"""What a rule may speak of."""
FUNCTIONS = frozenset(
    (
        "bool",
        "contains",
        "double",
        "endsWith",
        "int",
        "matches",
        "money",
        "size",
        "startsWith",
        "string",
    )
)
"""What a rule may call, beside operators and macros."""
DENIED, UNMATCHED, FAILED = "PolicyDenied", "PolicyUnmatched", "PolicyFailed"
_MOST_MESSAGE = 300


class RuleError(ValueError):
    """A rule cannot be used; `place` is its number in the list."""

    def __init__(self, place: int, message: str) -> None:
        super().__init__(message)
        self.place = place


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule, compiled."""

    name: str
    when: cel.Expression
    effect: Effect
    message: str


Needs = Mapping[str, frozenset[str] | None]
"""Which of `VARIABLES`, and which of their fields, None for all; to convert the others for CEL would cost more than all
rules together."""


@dataclass(frozen=True, slots=True)
class _Rules:
    """A list of rules, compiled."""

    each: tuple[Rule, ...]
    needs: Needs
    """What those speak of that are evaluated at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """The platform's rules for a namespace, as they are in force now."""

    digest: str
    """SHA-256 of their revision."""
    rules: tuple[PolicyRule, ...] = ()
    problem: str = ""
    """Why they cannot be used: then they deny everything."""


def check(rules: Sequence[PolicyRule]) -> None:
    """Can these rules be used?

    Raises:
        RuleError: one does not compile, uses what is not there, or could take too long.
    """
    names: set[str] = set()
    for place, rule in enumerate(rules):
        if rule.name in names:
            raise RuleError(place, f"there are two rules named {rule.name}")
        names.add(rule.name)
        try:
            cel.compile_expression(rule.when, VARIABLES, FUNCTIONS)
        except cel.CompileError as error:
            raise RuleError(place, str(error)) from error
        if cel.has_nested_macros(rule.when):
            raise RuleError(
                place, "one of all, exists, exists_one, map and filter inside another takes too long"
            )


def build(name: str, rules: PlatformPolicy) -> Revision:
    """The revision of a platform's rules, as it is published."""
    return revision.build(KIND, name, rules)


@functools.lru_cache(maxsize=1024)
def load(published: str) -> Platform:
    """The rules in a revision; where they cannot be used, such that deny everything."""
    digest = canonical.digest(published.encode())
    try:
        content = canonical.loads(published.encode())
        rules = PlatformPolicy.model_validate(content["spec"]).rules
        check(rules)
    except (KeyError, TypeError, ValueError) as error:
        kind = type(error).__name__
        return Platform(digest=digest, problem=f"this version cannot read the platform's rules ({kind})")
    return Platform(digest=digest, rules=tuple(rules))


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The call that rules are asked about."""

    state: State
    pinned: Pinned
    tool: str
    """The contract's name."""
    args: Mapping[str, Any]
    cap_micro_usd: int
    """What the run may spend."""
    evaluate: cel.Evaluate = cel.here
    """Where rules with macros are evaluated."""


def values(subject: Subject) -> dict[str, Any]:
    """What rules may speak of."""
    state, pinned = subject.state, subject.pinned
    spec = pinned.contracts[subject.tool]
    cap, spent, reserved = subject.cap_micro_usd, state.spent_micro_usd, state.reserved_micro_usd
    return {
        "args": subject.args,
        "tool": {
            "name": subject.tool,
            "sideEffect": spec.side_effect.value,
            "tier": spec.consequence_tier,
            "estimate": contract.estimate_micro_usd(spec),
        },
        "strategy": {
            "name": pinned.strategy_name,
            "version": pinned.strategy.version,
            "maxTier": pinned.strategy.autonomy.max_tier,
        },
        "tenant": state.tenant,
        "history": {
            "steps": state.step,
            "modelCalls": state.ordinal,
            "toolCalls": state.tool_calls,
            "tokens": state.tokens,
            "calls": {each: state.calls.get(each, 0) for each in pinned.contracts},
            "tools": {each: state.successes.get(each, 0) for each in pinned.contracts},
        },
        "budget": {"cap": cap, "spent": spent, "reserved": reserved, "left": cap - spent - reserved},
    }


def judge(platform: Platform | None, subject: Subject) -> types.PolicyVerdict | None:
    """What the rules say about a call, for the record; None where there are none at all."""
    own = tuple(subject.pinned.contracts[subject.tool].policy)
    if platform is None and not own:
        return None
    if platform is not None and platform.problem:
        said = _failed("", platform.problem)
    else:
        rules = platform.rules if platform is not None else ()
        said = evaluate(rules, own, values(subject), subject.evaluate)
    return structs.replace(
        said,
        platform=platform.digest if platform is not None else "",
        contract=subject.state.pins[subject.tool].digest,
    )


def is_plain(platform: Platform | None, own: Sequence[PolicyRule]) -> bool:
    """Are these rules that say at once whether they match?"""
    rules = (*(platform.rules if platform is not None else ()), *own)
    return all(cel.is_plain(rule.when) for rule in rules)


def evaluate(
    platform: tuple[PolicyRule, ...],
    own: tuple[PolicyRule, ...],
    found: Mapping[str, Any],
    elsewhere: cel.Evaluate = cel.here,
) -> types.PolicyVerdict:
    """What these rules say, given what they may speak of: the stricter of the platform's word and the contract's."""
    outer, inner = _compiled(platform), _compiled(own)
    try:
        prepared = cel.prepare(_spoken_of(found, outer.needs, inner.needs), functions.CALLABLE)
        digest = canonical.digest(canonical.dumps(found))
    except ValueError as error:  # what the rules may speak of has no form in CEL or JSON
        return _failed("", str(error))

    def matches(when: cel.Expression) -> bool:
        return (
            when.holds(prepared) if when.is_plain else cel.holds(when, found, elsewhere, functions.CALLABLE)
        )

    said = _first("platform", outer.each, matches)
    if own and said.effect != "deny":
        also = _first("contract", inner.each, matches, is_closed=True)
        said = also if _STRICTNESS[also.effect] > _STRICTNESS[said.effect] or not said.rule else said
    return structs.replace(said, input=digest)


_STRICTNESS: Mapping[types.PolicyEffect, int] = {"allow": 0, "escalate": 1, "deny": 2}
_EFFECTS: Mapping[Effect, types.PolicyEffect] = {
    Effect.ALLOW: "allow",
    Effect.DENY: "deny",
    Effect.ESCALATE: "escalate",
}


def _first(
    whose: str,
    rules: tuple[Rule, ...],
    matches: Callable[[cel.Expression], bool],
    *,
    is_closed: bool = False,
) -> types.PolicyVerdict:
    """What the first rule that matches says; where none does, `is_closed` denies."""
    for rule in rules:
        name = f"{whose}/{rule.name}"
        try:
            if not matches(rule.when):
                continue
        except cel.EvaluationError as error:
            return _failed(name, str(error))
        reason = DENIED if rule.effect is Effect.DENY else ""
        return types.PolicyVerdict(
            effect=_EFFECTS[rule.effect], rule=name, reason=reason, message=rule.message
        )
    if is_closed:
        return types.PolicyVerdict(
            effect="deny", reason=UNMATCHED, message="no rule of the contract allows this call"
        )
    return types.PolicyVerdict(effect="allow")


def _failed(rule: str, why: str) -> types.PolicyVerdict:
    message = f"the rules cannot be evaluated: {why}"[:_MOST_MESSAGE]
    return types.PolicyVerdict(effect="deny", rule=rule, reason=FAILED, message=message)


def _spoken_of(found: Mapping[str, Any], *needs: Needs) -> dict[str, Any]:
    """Of what rules may speak of, as much as these do."""
    spoken: dict[str, Any] = {}
    for name in {name for each in needs for name in each}:
        fields = _union(each[name] for each in needs if name in each)
        whole = found[name]
        if fields is None or not isinstance(whole, Mapping):
            spoken[name] = whole
        else:
            spoken[name] = {field: whole[field] for field in fields if field in whole}
    return spoken


def _union(fields: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    known = tuple(fields)
    return None if None in known else frozenset().union(*filter(None, known))


@functools.lru_cache(maxsize=4096)
def _compiled(rules: tuple[PolicyRule, ...]) -> _Rules:
    each = tuple(map(_rule, rules))
    speaking = [(rule.when, set(rule.when.program.variables())) for rule in each if rule.when.is_plain]
    needs = {
        name: _union(cel.fields(when.source, name) for when, names in speaking if name in names)
        for name in VARIABLES
        if any(name in names for _, names in speaking)
    }
    return _Rules(each, needs)


def _rule(rule: PolicyRule) -> Rule:
    when = cel.compile_expression(rule.when, VARIABLES, FUNCTIONS)
    return Rule(name=rule.name, when=when, effect=rule.effect, message=rule.message)
