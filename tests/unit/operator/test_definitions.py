"""Which strategies and contracts are refused, and by which field?"""

from typing import Any

import pytest

from hack.generate import builtins as page
from keelstep.domain.builtins import registry
from keelstep.kinds.contract import ToolContract, ToolContractSpec
from keelstep.kinds.strategy import AgentStrategySpec
from keelstep.kinds.transport import BuiltinFunction
from keelstep_operator.decide import condition, definition

CONTRACT: dict[str, Any] = {
    "description": "x",
    "sideEffect": "ReadOnly",
    "consequenceTier": 0,
    "schema": {"input": {"type": "object", "properties": {"id": {"type": "string"}}}, "output": {}},
    "transport": {"http": {"method": "GET", "url": "http://x.example/{id}"}},
}
STRATEGY: dict[str, Any] = {"version": "1", "model": {"name": "m"}, "prompt": {"template": "{{ goal }}"}}


RECONCILE = {"contract": "find", "arguments": "args", "performed": "true", "output": "output"}


def http(**rest: Any) -> dict[str, Any]:
    """A contract's transport."""
    return {"transport": {"http": {**CONTRACT["transport"]["http"], **rest}}}


def mcp(**rest: Any) -> dict[str, Any]:
    """The contract of a tool of an MCP server."""
    return {"transport": {"mcp": {"tool": "t", **rest}}}


def builtin(**rest: Any) -> dict[str, Any]:
    """A builtin's contract, as its page shows it."""
    given: dict[str, Any] = page.contract(registry.FUNCTIONS[BuiltinFunction.DECIMAL_ADD])["spec"]
    return {**given, **rest}


CONTRACTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "a good contract": ({}, "Accepted", ""),
    "a schema that is none": (
        {"schema": {"input": {"type": "objekt"}, "output": {}}},
        "SchemaInvalid",
        "schema.input",
    ),
    "a schema that refers outside": (
        {"schema": {"input": {"type": "object"}, "output": {"$ref": "https://x.example/s"}}},
        "SchemaInvalid",
        "schema.output",
    ),
    "arguments that are no object": (
        {"schema": {"input": {"type": "string"}, "output": {}}, **http(url="http://x.example/")},
        "SchemaInvalid",
        "schema.input.type",
    ),
    "a key that is no argument": (
        {"idempotency": {"mode": "Keyed", "key": ["id", "amount"]}},
        "UnknownArgument",
        "idempotency.key[1]",
    ),
    "an address with an unknown argument": (
        http(url="http://x.example/{order}"),
        "UnknownArgument",
        "transport.http.url",
    ),
    "a body that does not compile": (http(body="{"), "ExpressionInvalid", "transport.http.body"),
    "a body that uses something else": (http(body="status"), "ExpressionInvalid", "transport.http.body"),
    "a response that uses something else": (
        http(response="args"),
        "ExpressionInvalid",
        "transport.http.response",
    ),
    "an address in a form that hides the host": (
        http(url="http://0177.0.0.1/{id}"),
        "AddressInvalid",
        "transport.http.url",
    ),
    "an address of a server behind a user": (
        mcp(http={"url": "http://shop.example@127.0.0.1/mcp"}),
        "AddressInvalid",
        "transport.mcp.http.url",
    ),
    "an issuer that is no host": (
        {"credentials": {"oauth2": {"tokenURL": "https://münchen.example/", "clientID": "c", "key": "k"}}},
        "AddressInvalid",
        "credentials.oauth2.tokenURL",
    ),
    "a header that frames the request": (
        http(headers=[{"name": "X-Shop", "value": "x"}, {"name": "Transfer-Encoding", "value": "x"}]),
        "HeaderReserved",
        "transport.http.headers[1].name",
    ),
    "a key in a header that frames the request": (
        http(idempotencyHeader="HOST"),
        "HeaderReserved",
        "transport.http.idempotencyHeader",
    ),
    "a server's header that frames the request": (
        mcp(http={"url": "http://x.example/mcp", "headers": [{"name": "Host", "value": "x"}]}),
        "HeaderReserved",
        "transport.mcp.http.headers[0].name",
    ),
    "a secret in a header that frames the request": (
        {"credentials": {"header": {"name": "Content-Length", "key": "k"}}},
        "HeaderReserved",
        "credentials.header.name",
    ),
    "a good MCP contract": (mcp(response="structured.a + text", stdio={"command": ["x"]}), "Accepted", ""),
    "a result that uses something else": (
        mcp(response="body", stdio={"command": ["x"]}),
        "ExpressionInvalid",
        "transport.mcp.response",
    ),
    "a retry condition that does not compile": (
        {"failurePolicy": {"retryWhen": "status =="}},
        "ExpressionInvalid",
        "failurePolicy.retryWhen",
    ),
    "a condition about MCP of a contract by HTTP": (
        {"failurePolicy": {"notPerformedWhen": "isError"}},
        "ExpressionInvalid",
        "failurePolicy.notPerformedWhen",
    ),
    "a reconciliation that does not compile": (
        {"failurePolicy": {"reconcile": {**RECONCILE, "arguments": "{id: "}}},
        "ExpressionInvalid",
        "failurePolicy.reconcile.arguments",
    ),
    "a compensation that does not compile": (
        {"compensation": {"contract": "undo", "arguments": "{id: "}},
        "ExpressionInvalid",
        "compensation.arguments",
    ),
    "no transport": ({"transport": {}}, "TransportMissing", "transport"),
    "two transports": (
        {"transport": {**CONTRACT["transport"], "builtin": {"function": "decimal.add"}}},
        "TransportMissing",
        "transport",
    ),
    "a good builtin": (builtin(), "Accepted", ""),
    "a builtin of a higher tier": (builtin(consequenceTier=1), "BuiltinMismatch", "transport.builtin"),
    "a builtin that costs something": (
        builtin(budgets={"estimatedCostUSD": "0.001"}),
        "BuiltinMismatch",
        "transport.builtin",
    ),
    "a builtin with another function's arguments": (
        builtin(schema={"input": {"type": "object", "properties": {"values": {}}}, "output": {}}),
        "BuiltinMismatch",
        "schema.input.properties.values",
    ),
}
STRATEGIES: dict[str, tuple[dict[str, Any], str, str]] = {
    "a good strategy": ({}, "Accepted", ""),
    "a template that does not parse": (
        {"prompt": {"template": "{{ goal"}},
        "TemplateInvalid",
        "prompt.template",
    ),
    "a template with an undeclared slot": (
        {"prompt": {"template": "{{ who }}"}},
        "TemplateInvalid",
        "'who'",
    ),
    "a slot that hides the goal": (
        {"prompt": {"template": "x", "slots": [{"name": "goal"}]}},
        "SlotReserved",
        "prompt.slots[0].name",
    ),
    "an output schema that is none": (
        {"outputSchema": {"type": "objekt"}},
        "SchemaInvalid",
        "outputSchema",
    ),
    "a criterion that does not compile": (
        {"successCriteria": [{"name": "a", "expression": "output.x =="}]},
        "ExpressionInvalid",
        "successCriteria[0].expression",
    ),
    "two tools of one name to the model": (
        {"tools": [{"contract": "a.b"}, {"contract": "a.b"}]},
        "ToolNameClash",
        "tools[1].contract",
    ),
}


@pytest.mark.parametrize("sentence", CONTRACTS)
def test_contracts(sentence: str) -> None:
    """The first thing wrong, by its field."""
    changes, reason, part = CONTRACTS[sentence]
    found = definition.check_contract(ToolContractSpec.model_validate({**CONTRACT, **changes}))
    assert found.reason == reason
    assert part in found.message


@pytest.mark.parametrize("sentence", STRATEGIES)
def test_strategies(sentence: str) -> None:
    """The first thing wrong, by its field."""
    changes, reason, part = STRATEGIES[sentence]
    found = definition.check_strategy(AgentStrategySpec.model_validate({**STRATEGY, **changes}))
    assert found.reason == reason
    assert part in found.message


RELATED: dict[str, tuple[dict[str, Any], str]] = {
    "a read that is listed": ({"failurePolicy": {"reconcile": RECONCILE}}, ""),
    "a read that is not listed": (
        {"failurePolicy": {"reconcile": {**RECONCILE, "contract": "look"}}},
        "failurePolicy.reconcile.contract: the strategy does not list look",
    ),
    "a read that changes something": (
        {"failurePolicy": {"reconcile": {**RECONCILE, "contract": "undo"}}},
        "failurePolicy.reconcile.contract: undo is no free read",
    ),
    "an undoing that is listed": ({"compensation": {"contract": "undo", "arguments": "args"}}, ""),
    "an undoing that is not listed": (
        {"compensation": {"contract": "revoke", "arguments": "args"}},
        "compensation.contract: the strategy does not list revoke",
    ),
    "an undoing that only reads": (
        {"compensation": {"contract": "find", "arguments": "args"}},
        "compensation.contract: find changes nothing",
    ),
}


@pytest.mark.parametrize("sentence", RELATED)
def test_what_a_contract_names_is_listed_by_the_strategy(sentence: str) -> None:
    """The read that finds out, the call that undoes: each of the same strategy, and fit for it."""
    changes, problem = RELATED[sentence]
    effect = {"sideEffect": "Reversible", "consequenceTier": 1}
    contracts = {
        "make": accepted("make", **effect, **changes),
        "find": accepted("find", sideEffect="ReadOnly", consequenceTier=0),
        "undo": accepted("undo", **effect),
    }
    spec = AgentStrategySpec.model_validate({**STRATEGY, "tools": [{"contract": name} for name in contracts]})
    found = definition.check_refs(spec, contracts)
    assert (found.status, found.reason) == (("False", "RelatedMissing") if problem else ("True", "Resolved"))
    assert problem in found.message


def accepted(name: str, **changes: Any) -> ToolContract:
    """A contract that the operator has accepted."""
    condition_of = {
        "type": "Accepted", "status": "True", "reason": "Accepted", "observedGeneration": 1, "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    return ToolContract.model_validate(
        {
            "metadata": {"name": name, "namespace": "shop", "uid": "u", "generation": 1},
            "spec": {**CONTRACT, **changes},
            "status": {"observedGeneration": 1, "conditions": [condition_of]},
        }
    )


def test_ready_is_the_summary_of_the_others() -> None:
    """The first that is not true says why; a kill is one of them."""
    accepted, refs = condition.holds("Accepted", "Accepted"), condition.holds("ResolvedRefs", "Resolved")
    assert condition.ready([accepted, refs]).status == "True"
    missing = condition.fails("ResolvedRefs", "ContractMissing", "no refund.issue")
    assert condition.ready([accepted, missing]).reason == "ContractMissing"
    killed = condition.holds("Killed", "Killed", "danger")
    found = condition.ready([accepted, refs, killed])
    assert (found.status, found.reason, found.message) == ("False", "Killed", "danger")


def test_a_transition_time_stays_while_the_status_stays() -> None:
    """A new reason is no transition; a new status is."""
    before = [{"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}]
    (same,) = condition.merge([condition.fails("Ready", "New")], before, generation=2, now=10**18)
    (other,) = condition.merge([condition.holds("Ready", "Ready")], before, generation=2, now=10**18)
    assert same["lastTransitionTime"] == "2026-01-01T00:00:00Z"
    assert same["observedGeneration"] == 2
    assert other["lastTransitionTime"] == "2001-09-09T01:46:40Z"


def test_a_runners_word_becomes_no_reason_that_kubernetes_refuses() -> None:
    """Whatever a log says, the status can be written."""
    assert condition.word("Done") == "Done"
    assert condition.word("not a word!") == "Unspecified"
    assert condition.word("x" * 65) == "Unspecified"
