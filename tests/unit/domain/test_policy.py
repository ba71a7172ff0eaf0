"""What do the rules say about one call? They only tighten, the first match counts, and what fails denies."""

import dataclasses
from typing import Any

import pytest

from keelstep.domain import call, canonical, policy
from keelstep.events import types
from keelstep.kinds.policy import PlatformPolicy, PolicyRule
from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder
from tests.unit.domain import calls, pinned

Rules = list[dict[str, Any]]


def rule(when: str, effect: str, name: str = "r", message: str = "") -> dict[str, Any]:
    """One rule."""
    return {"name": name, "when": when, "effect": effect, "message": message}


def platform(*rules: dict[str, Any]) -> policy.Platform:
    """A platform's rules as a gateway reads them."""
    built = policy.build("keelstep-policy", PlatformPolicy.model_validate({"rules": list(rules)}))
    return policy.load(built.payload.decode())


def verdict(
    tool: str,
    *rules: dict[str, Any],
    outer: policy.Platform | None = None,
    log: LogBuilder | None = None,
    **args: Any,
) -> call.Verdict:
    """What a gateway says to a wish for a call of this tool with these rules."""
    run = log or calls.planned(tool)
    return call.decide_tool(
        call.Question(
            state=run.state,
            pinned=pinned.with_policy(tool, *rules),
            attempt=run.state.attempt,
            place=(run.state.plan.seq if run.state.plan is not None else 0, 0),
            args=args or calls.ARGS,
            stop=None,
            now=run.now,
            platform=outer,
        )
    )


def said(found: call.Verdict) -> tuple[str, str]:
    """What becomes of the call, and by which rule."""
    assert isinstance(found, call.Perform | call.Deny | call.AskGate | call.Replay)
    what = {call.Perform: "perform", call.Deny: "deny", call.AskGate: "ask", call.Replay: "replay"}[
        type(found)
    ]
    return what, found.policy.rule if found.policy is not None else "-"


ALLOW, DENY, ASK = (rule("true", effect, effect.lower()) for effect in ("Allow", "Deny", "Escalate"))
LADDER: dict[str, tuple[str, Rules, Rules, tuple[str, str]]] = {
    "no rules leave it to the tier": ("orders.get", [], [], ("perform", "-")),
    "no rules leave tier 3 to a person": ("refund.issue", [], [], ("ask", "-")),
    "allow leaves it to the tier": ("orders.get", [], [ALLOW], ("perform", "contract/allow")),
    "allow frees no tier": ("refund.issue", [], [ALLOW], ("ask", "contract/allow")),
    "deny denies what is free": ("orders.get", [], [DENY], ("deny", "contract/deny")),
    "escalate asks about what is free": ("orders.get", [], [ASK], ("ask", "contract/escalate")),
    "the first match counts": ("orders.get", [], [ALLOW, DENY], ("perform", "contract/allow")),
    "what does not match is passed over": (
        "orders.get",
        [],
        [rule("args.n > 5", "Deny"), ALLOW],
        ("perform", "contract/allow"),
    ),
    "rules without a match deny": ("orders.get", [], [rule("args.n > 5", "Allow")], ("deny", "")),
    "the platform's rules alone leave the rest to the tier": (
        "orders.get",
        [rule("args.n > 5", "Deny")],
        [],
        ("perform", ""),
    ),
    "the platform denies what the contract allows": (
        "orders.get",
        [DENY],
        [ALLOW],
        ("deny", "platform/deny"),
    ),
    "the platform asks about what the contract allows": (
        "orders.get",
        [ASK],
        [ALLOW],
        ("ask", "platform/escalate"),
    ),
    "the contract denies what the platform asks about": (
        "orders.get",
        [ASK],
        [DENY],
        ("deny", "contract/deny"),
    ),
    "where both ask, the platform is named": ("orders.get", [ASK], [ASK], ("ask", "platform/escalate")),
    "the contract's rules are asked where the platform has no objection": (
        "orders.get",
        [rule("false", "Deny")],
        [ASK],
        ("ask", "contract/escalate"),
    ),
}


@pytest.mark.parametrize("sentence", LADDER)
def test_the_stricter_word_counts(sentence: str) -> None:
    """allow < escalate < deny, whoever says it; allow means that the tier decides."""
    tool, outer, own, expected = LADDER[sentence]
    found = verdict(tool, *own, outer=platform(*outer) if outer else None)
    assert said(found) == expected


FAILING = {
    "a field that is not there": "args.missing == 1",
    "a comparison of different kinds": "args.n > 'x'",
    "something else than true or false": "args.n",
    "an amount that is none": "money(args.n) == money('1')",
    "an amount that is no number": "money('x') != money('1')",
}


@pytest.mark.parametrize("sentence", FAILING)
@pytest.mark.parametrize("effect", ["Allow", "Deny", "Escalate"])
def test_a_rule_that_cannot_be_evaluated_denies(sentence: str, effect: str) -> None:
    """Whatever it would have said, and whatever rule comes after it."""
    found = verdict("orders.get", rule(FAILING[sentence], effect), ALLOW)
    assert isinstance(found, call.Deny)
    assert found.reason == "PolicyFailed"
    assert found.policy is not None
    assert found.policy.rule == "contract/r"


def test_rules_of_a_later_version_deny_everything() -> None:
    """Who cannot read the law does not act."""
    found = verdict(
        "orders.get", outer=policy.load('{"kind":"PlatformPolicy","spec":{"rules":[{"when":1}]}}')
    )
    assert isinstance(found, call.Deny)
    assert found.reason == "PolicyFailed"


SPOKEN = {
    "arguments": "args.n == 1",
    "amounts": "money('19.90') > money('5') && money('0.000001') == 1",
    "the tool": "tool.name == 'credit.grant' && tool.sideEffect == 'Reversible' && tool.tier == 1 && tool.estimate == 1000",
    "the strategy": "strategy.name == 'support' && strategy.version == '1.0.0' && strategy.maxTier == 1",
    "the tenant": "tenant == 'shop'",
    "what the run has used": "history.steps == 1 && history.modelCalls == 1 && history.tokens == 15",
    "calls by contract, none included": "history.calls['orders.get'] == 0 && history.tools['credit.grant'] == 0",
    "money": "budget.cap == 50000 && budget.spent == 50 && budget.reserved == 0 && budget.left == 49950",
}


@pytest.mark.parametrize("sentence", SPOKEN)
def test_a_rule_may_speak_of(sentence: str) -> None:
    """Everything the decision rests on."""
    assert said(verdict("credit.grant", rule(SPOKEN[sentence], "Allow"))) == ("perform", "contract/r")


def test_a_rule_sees_what_the_run_did_before() -> None:
    """One call is free, the second asks a person."""
    rules = [rule("history.calls['orders.get'] == 0", "Allow", "first"), rule("true", "Escalate", "again")]
    log = calls.planned("orders.get")
    assert said(verdict("orders.get", *rules, log=log)) == ("perform", "contract/first")
    log.result().model().plan("orders.get", args=calls.ARGS)
    assert said(verdict("orders.get", *rules, log=log)) == ("ask", "contract/again")


def test_what_rules_said_can_be_proven_from_the_log() -> None:
    """The record names the rules by digest, and what they were asked about."""
    log, outer = calls.planned("credit.grant"), platform(rule("false", "Deny"))
    found = verdict("credit.grant", ALLOW, outer=outer, log=log)
    assert isinstance(found, call.Perform)
    assert found.policy is not None
    assert (found.policy.platform, found.policy.contract) == (outer.digest, pinned.DIGESTS["credit.grant"])
    subject = policy.Subject(
        state=log.state, pinned=pinned.pinned(), tool="credit.grant", args=calls.ARGS, cap_micro_usd=50_000
    )
    assert found.policy.input == canonical.digest(canonical.dumps(policy.values(subject)))


def test_a_question_to_a_person_stands_once_it_is_on_record() -> None:
    """Rules that are loosened meanwhile do not take it back; tier 3 is recorded, and the call needs a claim."""
    log = calls.planned("orders.get").ruled("escalate", rule="platform/ask")
    found = verdict("orders.get", log=log)
    assert isinstance(found, call.AskGate)
    assert found.tier == 3
    found = verdict("orders.get", log=log.gate().decided().attempt())
    assert isinstance(found, call.Perform)
    assert (found.tier, found.needs_claim) == (3, True)
    assert found.gate is not None


UNUSABLE = {
    "no CEL": ("args.n >", "it ends too early"),
    "an unknown variable": ("requester == 'ann'", "unknown variable 'requester'"),
    "an unknown function": ("exec(args.n)", "unknown function 'exec'"),
    "a clock": (
        "timestamp('2026-01-01T00:00:00Z') > timestamp('2026-01-01T00:00:00Z')",
        "unknown function 'timestamp'",
    ),
    "a macro inside a macro": ("args.a.all(x, args.a.all(y, x == y))", "takes too long"),
    "a macro inside a macro's list": (
        "args.a.filter(x, x > 1).map(x, args.a.exists(y, true)).size() > 1",
        "takes too long",
    ),
}


@pytest.mark.parametrize("sentence", UNUSABLE)
def test_a_rule_is_refused_for(sentence: str) -> None:
    """Before it meets a call."""
    when, why = UNUSABLE[sentence]
    with pytest.raises(policy.RuleError, match=why) as found:
        policy.check([PolicyRule.model_validate(each) for each in (ALLOW, rule(when, "Allow"))])
    assert found.value.place == 1


@pytest.mark.parametrize(
    "when",
    [
        "args.a.all(x, x > 1) && args.b.exists(y, y == 'all(x, ')",
        "args.a.filter(x, x > 1).map(x, x + 1).size() > 1",
        "// args.a.all(x, args.a.all(\ntrue",
    ],
)
def test_macros_one_after_the_other_are_usable(when: str) -> None:
    """Their time grows with the arguments, not with their square."""
    policy.check([PolicyRule.model_validate(rule(when, "Allow"))])


def test_two_rules_of_one_name_are_refused() -> None:
    """The record names a rule, and must mean one."""
    with pytest.raises(policy.RuleError, match="two rules named allow"):
        policy.check([PolicyRule.model_validate(ALLOW)] * 2)


def test_a_pure_function_is_asked_no_rules() -> None:
    """It touches nothing that one could protect, and its runner has no rules to ask."""
    adds = pinned.contract("ReadOnly", 0, transport={"builtin": {"function": "decimal.add"}})
    log = (
        builders.log().started(contracts={"sum": types.Pin(digest="b" * 64, tier=0, builtin=True)}).attempt()
    )
    log.model().plan("sum", args=calls.ARGS)
    assert log.state.plan is not None
    question = call.Question(
        state=log.state,
        pinned=dataclasses.replace(pinned.pinned(tools=[{"contract": "sum"}]), contracts={"sum": adds}),
        attempt=1,
        place=(log.state.plan.seq, 0),
        args=calls.ARGS,
        stop=None,
        now=log.now,
        platform=platform(DENY),
        asks_runner=True,
    )
    assert isinstance(call.decide_tool(question), call.Perform)
