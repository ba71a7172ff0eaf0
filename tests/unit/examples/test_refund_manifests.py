"""Are the refund example's manifests, script and prices right, and do they fit each other?"""

import json
import pathlib
import re
from typing import Any

import pytest
import yaml

from examples.refund import model, orders, render, script, service, testing
from keelstep import kinds
from keelstep.domain import cel, reply, revision, schema, template
from keelstep.kinds import contract, execution, resource, strategy

SHOP_URL = "http://127.0.0.1:18080"
TOKEN = "generated-for-this-test"
FOLDER = pathlib.Path(render.__file__).parent
KINDS = {kind.crd.kind: kind for kind in kinds.KINDS}


def _documents() -> list[dict[str, Any]]:
    rendered = render.render(SHOP_URL, TOKEN)
    return [document for text in rendered.values() for document in yaml.safe_load_all(text)]


def _named(kind: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in _documents() if each["kind"] == kind}


CONTRACTS = {
    name: contract.ToolContract.model_validate(each) for name, each in _named("ToolContract").items()
}
STRATEGIES = {
    name: strategy.AgentStrategy.model_validate(each) for name, each in _named("AgentStrategy").items()
}
EXECUTIONS = {name: execution.Execution.model_validate(each) for name, each in _named("Execution").items()}
SCRIPT = script.load(testing.SCRIPT)


def _pinned(name: str) -> revision.Pinned:
    spec = STRATEGIES[name].spec
    return revision.Pinned(
        strategy_name=name,
        strategy_digest="",
        strategy=spec,
        contracts={tool.contract: CONTRACTS[tool.contract].spec for tool in spec.tools},
    )


def _problems(document: dict[str, Any], value: object) -> list[str]:
    return schema.compile_schema(document).problems(value)


@pytest.mark.parametrize(
    "document", _documents(), ids=lambda each: f"{each['kind']}-{each['metadata']['name']}"
)
def test_every_manifest_is_of_the_tenant_and_fits_its_kind(document: dict[str, Any]) -> None:
    """Our kinds validate as the API server will; everything but the namespace itself is in it."""
    if document["kind"] != "Namespace":
        assert document["metadata"]["namespace"] == render.NAMESPACE
    if document["apiVersion"] == resource.API_VERSION:
        KINDS[document["kind"]].model_validate(document)


def test_rendering_leaves_no_placeholder_and_no_secret_outside_the_secret() -> None:
    """The shop's address is filled in everywhere; the token stands in the Secret alone."""
    rendered = render.render(SHOP_URL, TOKEN)
    assert not [name for name, text in rendered.items() if "${" in text]
    assert [name for name, text in rendered.items() if TOKEN in text] == ["credentials.yaml"]
    assert all(
        each.spec.transport.http is not None and each.spec.transport.http.url.startswith(SHOP_URL)
        for each in CONTRACTS.values()
    )


def test_a_token_is_made_once_and_readable_by_its_owner_alone(tmp_path: pathlib.Path) -> None:
    """The shop and the Secret must agree, so a second rendering keeps the token."""
    path = tmp_path / "token"
    first = render.ensure_token(path)
    assert len(first) >= 24
    assert render.ensure_token(path) == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert render.ensure_token(tmp_path / "other") != first


def test_the_example_shows_one_tool_of_every_tier_under_the_refund_terms() -> None:
    """Tier by side effect; the refund is the contract the system was conceived around."""
    assert {
        name: (str(each.spec.side_effect), each.spec.consequence_tier) for name, each in CONTRACTS.items()
    } == {
        "orders.get": ("ReadOnly", 0),
        "credit.grant": ("Reversible", 1),
        "ticket.reply": ("Visible", 2),
        "refund.issue": ("Irreversible", 3),
    }
    refund = CONTRACTS["refund.issue"].spec
    assert refund.idempotency == contract.Idempotency(mode="Keyed", key=["order_id", "amount"])
    assert refund.budgets.estimated_cost_usd == "0.002"
    assert [str(each) for each in refund.failure_policy.retryable or ()] == ["Timeout", "RateLimited"]
    assert 409 not in refund.failure_policy.not_performed


def test_strategies_executions_and_credentials_refer_to_what_exists() -> None:
    """A name that leads nowhere would be refused only at run time."""
    for each in STRATEGIES.values():
        assert {tool.contract for tool in each.spec.tools} <= set(CONTRACTS)
    secret = _named("Secret")["keelstep-credentials"]["stringData"]
    for tool in CONTRACTS.values():
        bearer = tool.spec.credentials.bearer
        assert (bearer is not None) == (tool.spec.side_effect != contract.SideEffect.READ_ONLY)
        assert bearer is None or bearer.key in secret
    for run in EXECUTIONS.values():
        prompt = STRATEGIES[run.spec.strategy_ref.name].spec.prompt
        required = {slot.name for slot in prompt.slots if not slot.optional}
        assert required <= set(run.spec.inputs or {}) <= {slot.name for slot in prompt.slots}
        assert run.spec.requested_by == "demo-requester"


def test_prompts_use_their_declared_slots_and_nothing_else() -> None:
    """The template passes the operator's check, and an optional slot may be left out."""
    for each in STRATEGIES.values():
        template.check(each.spec.prompt.template, [slot.name for slot in each.spec.prompt.slots])
    source = STRATEGIES["support-agent"].spec.prompt.template
    assert "for years" in template.render(source, {"customer_name": "Ada", "vip": True})
    assert "for years" not in template.render(source, {"customer_name": "Ada", "vip": None})
    with pytest.raises(template.TemplateError, match="customer_name"):
        template.render(source, {})


@pytest.mark.parametrize("name", CONTRACTS)
def test_the_shops_own_reply_satisfies_the_contract_after_mapping(name: str) -> None:
    """Arguments → body as the shop reads it; the shop's reply → output as the schema wants it."""
    spec = CONTRACTS[name].spec
    args, body_model, answer = {
        "orders.get": ({"order_id": "1042"}, None, orders.ORDERS["1042"].model_dump()),
        "credit.grant": (
            {"order_id": "1042", "amount": "12.25"},
            service.CreditBody,
            {"id": "CR-000001", "state": "granted"},
        ),
        "ticket.reply": (
            {"ticket_id": "T-1042", "message": "Dear Lena"},
            service.ReplyBody,
            {"id": "RE-000001", "state": "sent"},
        ),
        "refund.issue": (
            {"order_id": "1071", "amount": "189.00", "reason": "damaged"},
            service.RefundBody,
            {"id": "RF-000001", "state": "issued"},
        ),
    }[name]
    assert not _problems(spec.schemas.input, args)
    http = spec.transport.http
    assert http is not None
    if body_model is not None:
        assert http.body is not None
        body_model.model_validate(cel.compile_expression(http.body, ["args"]).evaluate({"args": args}))
    output = answer
    if http.response is not None:
        mapping = cel.compile_expression(http.response, ["status", "body"])
        output = mapping.evaluate({"status": 201, "body": answer})
    assert not _problems(spec.schemas.output, output)


def test_schemas_refuse_what_the_shop_would_refuse() -> None:
    """A float, a missing reason or an invented field never leaves the gateway."""
    document = CONTRACTS["refund.issue"].spec.schemas.input
    good = {"order_id": "1071", "amount": "189.00", "reason": "damaged"}
    assert not _problems(document, good)
    for wrong in (
        {"amount": 189.0},
        {"amount": "a lot"},
        {"reason": "because"},
        {"to": "me"},
        {"order_id": "../x"},
    ):
        assert _problems(document, good | wrong)


def test_every_model_that_may_be_called_has_a_price() -> None:
    """An unknown price is a refusal before the call."""
    table = yaml.safe_load((FOLDER / "prices.yaml").read_text())
    assert table["version"]
    for each in STRATEGIES.values():
        for name in (each.spec.model.name, *each.spec.model.fallbacks):
            prices = table["models"][name]
            assert set(prices) == {"inputUSDPerMillionTokens", "outputUSDPerMillionTokens"}
            assert all(re.fullmatch(r"[0-9]+\.[0-9]+", price) for price in prices.values())
            assert name.removeprefix("openai/") in SCRIPT.models


RESULTS: dict[str, dict[str, Any]] = {
    "orders.get": {"id": "1042"},
    "credit.grant": {"credit_id": "CR-000001", "status": "granted"},
    "ticket.reply": {"reply_id": "RE-000001", "status": "sent"},
    "refund.issue": {"refund_id": "RF-000001", "status": "issued"},
}
ENDINGS = {
    "small claim": ("small-claim", "ok", "credited"),
    "small claim, credit denied": ("small-claim", "denied", "escalated"),
    "refund approved": ("refund-approved", "ok", "refunded"),
    "refund approved, but the person said no": ("refund-approved", "denied", "declined"),
    "refund approved, outcome not known": ("refund-approved", "unknown", "escalated"),
    "refund rejected": ("refund-rejected", "denied", "declined"),
    "refund rejected, but the person said yes": ("refund-rejected", "ok", "refunded"),
    "refund rejected, tool failed": ("refund-rejected", "failed", "escalated"),
    "malformed arguments": ("malformed-arguments", "ok", "credited"),
}


@pytest.mark.parametrize(("run", "status", "resolution"), ENDINGS.values(), ids=ENDINGS.keys())
def test_a_scripted_run_ends_truthfully_whatever_becomes_of_the_money(
    run: str, status: str, resolution: str
) -> None:
    """Walks the script with the runner's own reading of replies, and ends in an output that meets the criteria."""
    pinned = _pinned(EXECUTIONS[run].spec.strategy_ref.name)
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "prompt"},
        {"role": "user", "content": EXECUTIONS[run].spec.goal},
    ]
    done = dict.fromkeys(pinned.contracts, 0)
    complaints: list[str] = []
    while True:
        answer = script.choose(SCRIPT, "shop-scripted-1", messages)
        assert answer.scenario == run
        said = model.message(answer)
        messages.append(said)
        meaning = reply.read(json.dumps(said).encode(), answer.turn + 1, pinned)
        if isinstance(meaning, reply.Final):
            break
        if isinstance(meaning, reply.Malformed):
            complaints.append(meaning.reason)
            messages.append(
                {"role": "tool", "content": json.dumps({"status": "invalid", "reason": meaning.reason})}
            )
            continue
        for call in meaning.calls:
            result: dict[str, Any] = {
                "status": status if call.tool in {"credit.grant", "refund.issue"} else "ok"
            }
            if result["status"] == "ok":
                done[call.tool] += 1
                result["output"] = RESULTS[call.tool]
            messages.append({"role": "tool", "content": json.dumps(result)})
    output = json.loads(meaning.output)
    assert output["resolution"] == resolution
    for criterion in pinned.strategy.success_criteria:
        expression = cel.compile_expression(criterion.expression, ["output", "trace"])
        assert expression.holds({"output": output, "trace": {"tools": done}}), criterion.name
    assert complaints == (["ArgumentsNotJson"] if run == "malformed-arguments" else [])


def test_an_agent_that_claims_what_it_did_not_do_fails_its_criteria() -> None:
    """The criteria look at the trace, not at the agent's words."""
    claims = {"resolution": "refunded", "summary": "done"}
    criteria = {each.name: each.expression for each in STRATEGIES["support-agent"].spec.success_criteria}
    trace = {"tools": {"orders.get": 1, "ticket.reply": 0, "refund.issue": 0, "credit.grant": 0}}
    held = {
        name: cel.compile_expression(text, ["output", "trace"]).holds({"output": claims, "trace": trace})
        for name, text in criteria.items()
    }
    assert held == {"customer-answered": False, "refund-as-said": False, "credit-as-said": True}


def test_the_runaway_run_goes_on_for_minutes_and_only_reads() -> None:
    """It must still be running when a person reaches for the kill switch, and must harm nobody until then."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": EXECUTIONS["runaway"].spec.goal}]
    limits = STRATEGIES["runaway-agent"].spec.limits
    thought = 0.0
    for turn in range(600):
        answer = script.choose(SCRIPT, "shop-scripted-1", messages)
        assert (answer.scenario, answer.turn) == ("runaway", turn)
        assert [call.name for call in answer.reply.calls] == ["orders_get"]
        thought += answer.reply.seconds
        messages += [{"role": "assistant", "content": None}, {"role": "tool", "content": '{"status": "ok"}'}]
    assert thought >= 240
    assert min(limits.model_calls, limits.tool_calls, limits.steps // 2) >= 600


def test_every_execution_has_a_scenario_of_its_name_and_no_scenario_is_idle() -> None:
    """Five runs, five scenarios, each found by its goal and by no other."""
    assert set(EXECUTIONS) == {scenario.name for scenario in SCRIPT.scenarios}
    for name, run in EXECUTIONS.items():
        found = [each.name for each in SCRIPT.scenarios if re.search(each.goal, run.spec.goal)]
        assert found == [name]
