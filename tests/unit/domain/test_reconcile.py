"""What does a read say of a call whose outcome nobody knows? Only what its contract's expressions make of it."""

from typing import Any

import pytest

from keelstep.domain import canonical, failure, reconcile, takeover
from keelstep.events import clock
from keelstep.kinds.contract import ToolContractSpec
from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder
from tests.unit.domain import pinned, stories

RULE = {
    "contract": "orders.get",
    "arguments": "{n: args.n}",
    "performed": "output.done.exists(d, d.key == key)",
    "output": "output.done[0].{id: id}",
}
ARGS = {"n": 7}
KEY = "k1"


def spec(**rule: Any) -> ToolContractSpec:
    """A write whose outcome a read can find out."""
    schema = {"input": {"type": "object"}, "output": {"type": "object", "required": ["id"]}}
    return pinned.contract("Visible", 2, schema=schema, failurePolicy={"reconcile": {**RULE, **rule}})


def said(found: object, **rule: Any) -> reconcile.Said:
    """What a read that found this says of the call."""
    contract = spec(**rule)
    assert contract.failure_policy.reconcile is not None
    return reconcile.read(contract, contract.failure_policy.reconcile, canonical.dumps(found), ARGS, KEY)


def test_a_call_that_the_read_finds_happened_and_has_its_output() -> None:
    """Found by its key, in the shape that the contract promises."""
    found = said({"done": [{"id": "a", "key": KEY}]})
    assert found.output == b'{"id":"a"}'
    rule = spec().failure_policy.reconcile
    assert rule is not None
    judged = reconcile.judged(found, rule, 12)
    assert (judged.status, judged.via, judged.via_ms) == ("ok", "orders.get", 12)


def test_a_call_that_the_read_does_not_find_did_not_happen() -> None:
    """It has failed, and says by whose word."""
    found = said({"done": [{"id": "a", "key": "another"}]})
    assert found.output is None
    rule = spec().failure_policy.reconcile
    assert rule is not None
    judged = reconcile.judged(found, rule, 0)
    assert judged.error is not None
    assert (judged.status, judged.error.reason, judged.via) == ("failed", "NotHappened", "orders.get")


UNCLEAR: dict[str, tuple[object, dict[str, str], str]] = {
    "a condition that fails": ({}, {}, "performed fails"),
    "a condition that yields no truth": (
        {"done": []},
        {"performed": "output.done.size()"},
        "performed fails",
    ),
    "an output off the schema": (
        {"done": [{"key": KEY}]},
        {"output": "output.done[0].key"},
        "does not match schema.output",
    ),
    "an output that cannot be computed": (
        {"done": [{"key": KEY}]},
        {"output": "sum(output.done)"},
        "output fails",
    ),
}


@pytest.mark.parametrize("case", UNCLEAR.values(), ids=UNCLEAR.keys())
def test_says_nothing_by(case: tuple[object, dict[str, str], str]) -> None:
    """Then the outcome stays unknown, and no word of what was read is repeated."""
    found, rule, why = case
    with pytest.raises(reconcile.UnclearError, match=why) as error:
        said(found, **rule)
    assert KEY not in str(error.value)


def test_the_read_is_asked_with_arguments_of_the_call() -> None:
    """JMESPath over its arguments and its key; anything but an object is none."""
    rule = spec(arguments="{n: args.n, key: key}").failure_policy.reconcile
    assert rule is not None
    assert reconcile.arguments(rule, ARGS, KEY) == {"n": 7, "key": KEY}
    none = spec(arguments="args.n").failure_policy.reconcile
    assert none is not None
    with pytest.raises(reconcile.UnclearError, match="no object"):
        reconcile.arguments(none, ARGS, KEY)


def test_a_claim_lasts_until_its_outcome_can_be_found_out() -> None:
    """The attempts, the time in which an effect may still appear, and two reads."""
    contracts = {"orders.get": pinned.contract("ReadOnly", 0, timeoutSeconds=4)}
    assert reconcile.claim_seconds(spec(settleSeconds=6), contracts) == 30 + 6 + 2 * 4
    assert reconcile.claim_seconds(pinned.contract("Visible", 2), contracts) == 30


PROBLEMS: dict[str, tuple[dict[str, str], str]] = {
    "a condition that is no CEL": ({"performed": "output ="}, "failurePolicy.reconcile.performed"),
    "a condition about something else": ({"performed": "status == 1"}, "failurePolicy.reconcile.performed"),
    "arguments that are no JMESPath": ({"arguments": "{n: "}, "failurePolicy.reconcile.arguments"),
    "an output that is no JMESPath": ({"output": "a b"}, "failurePolicy.reconcile.output"),
}


@pytest.mark.parametrize("case", PROBLEMS.values(), ids=PROBLEMS.keys())
def test_is_not_accepted(case: tuple[dict[str, str], str]) -> None:
    """By the name of its field, before any run meets it."""
    rule, field = case
    assert failure.problem(spec(**rule)).startswith(f"{field}: ")
    assert failure.problem(spec()) == ""


LISTED = {"orders.get": pinned.CONTRACTS["orders.get"], "credit.grant": pinned.CONTRACTS["credit.grant"]}


@pytest.mark.parametrize(
    ("contract", "problem"),
    [
        ("orders.get", ""),
        ("orders.list", "does not list orders.list"),
        ("credit.grant", "credit.grant is no free read"),
    ],
)
def test_the_read_is_one_of_the_strategys_own(contract: str, problem: str) -> None:
    """Listed, and free to be asked at any time."""
    found = failure.unlisted(spec(contract=contract), LISTED)
    assert problem in found
    assert bool(found) == bool(problem)


def in_doubt() -> LogBuilder:
    """Whether the first call happened is not known."""
    return stories.claimed().result(status="unknown").result(1, "denied").model()


def test_a_call_that_is_known_by_now_may_be_made_again_or_is_answered() -> None:
    """`tool.reconciled` ends the doubt: what happened answers an equal call, what did not may be made."""
    assert in_doubt().state.unknown_key_of("credit.grant") is not None
    for status in ("ok", "failed"):
        run = in_doubt().reconciled(status=status)
        assert run.state.unknown_key_of("credit.grant") is None
        (known,) = [known for known in run.state.keys.values() if known.tool == "credit.grant"]
        assert known.status == status
        assert run.state.successes.get("credit.grant", 0) == (status == "ok")
    run = in_doubt().reconciled(output={"id": "a"})
    seq = run.events[-1].seq
    answer = run.state.answer_of(seq)
    assert answer is not None
    assert answer.output == builders.value({"id": "a"})


def test_a_settled_claim_waits_until_a_read_can_tell() -> None:
    """An effect may appear for a while after the claim's time, where the contract says so."""
    run = stories.claimed()
    (claim,) = run.state.claims.values()
    late = clock.parse(claim.deadline) + (takeover.GRACE_SECONDS + 1) * clock.SECOND
    slow = spec(settleSeconds=60)
    assert isinstance(takeover.decide(run.state, claim, spec(), None, late), takeover.Settle)
    assert isinstance(takeover.decide(run.state, claim, slow, None, late), takeover.Wait)
