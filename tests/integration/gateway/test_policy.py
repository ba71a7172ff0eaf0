"""Does a gateway ask the rules? Those of the contract, and those of the platform as they are in force at that moment."""

import pytest

from keelstep.domain import policy
from keelstep.domain.state import State
from keelstep.kinds.policy import PlatformPolicy
from keelstep.log import ask
from keelstep.log.control import Control
from tests.integration.gateway.conftest import Begin
from tests.integration.gateway.driver import Run, Spec, Stage
from tests.integration.gateway.programs import Program
from tests.integration.gateway.test_stops import known_by, operator_of

CREDIT = ("credit.grant", {"order_id": "1042", "amount": "7.00"})
READ = ("orders.get", {"order_id": "1042"})
LOOKED_UP = {
    "name": "looked-up",
    "when": 'history.tools["orders.get"] == 0',
    "effect": "Deny",
    "message": "Look the order up first.",
}
SMALL = {"name": "small", "when": 'money(args.amount) < money("10")', "effect": "Allow"}
OTHERS = {"name": "others", "when": "true", "effect": "Escalate", "message": "A person must see this."}


@pytest.fixture
def begin(begin: Begin, strategy: Spec) -> Begin:
    """A call that was denied counts, too."""
    strategy["tools"] = [{**each, "maxCalls": 9} for each in strategy["tools"]]
    return begin


@pytest.fixture
def control(stage: Stage) -> Control:
    """The operator's hand on CONTROL."""
    return operator_of(stage)


async def rule(control: Control, stage: Stage, gateway: Program, tenant: str, *rules: dict[str, str]) -> str:
    """These are the platform's rules, and the gateway knows it; their digest."""
    built = policy.build("keelstep-policy", PlatformPolicy.model_validate({"rules": list(rules)}))
    position = await control.rule(tenant, built.payload.decode(), by="the test")
    await known_by(gateway, stage, position)
    return built.digest


async def ruled(run: Run) -> list[tuple[str, str, str]]:
    """Every event that carries what the rules said: its type, effect and rule."""
    found = []
    for event in await run.events():
        verdict = getattr(event.data, "verdict" if event.type == "policy.evaluated" else "policy", None)
        if event.type in ("tool.called", "tool.result", "policy.evaluated") and verdict is not None:
            found.append((event.type, verdict.effect, verdict.rule))
    return found


async def test_the_contracts_rules_decide_on_arguments_and_on_what_the_run_did(
    gateway: Program, begin: Begin, contracts: dict[str, Spec]
) -> None:
    """Denied before the order was looked up; free after it; each decision is in the event of its call, once."""
    contracts["credit.grant"]["policy"] = [LOOKED_UP, SMALL, OTHERS]
    run = await begin()
    plan = await run.plan(CREDIT, READ, CREDIT)
    denied = await run.result(plan, 0)
    assert denied.error is not None
    assert (denied.status, denied.error.reason, denied.error.message) == (
        "denied",
        "PolicyDenied",
        "Look the order up first.",
    )
    assert (await run.result(plan, 1)).status == "ok"
    assert (await run.result(plan, 2)).status == "ok"
    assert await ruled(run) == [
        ("tool.result", "deny", "contract/looked-up"),
        ("tool.called", "allow", "contract/small"),
    ]
    assert (await run.state()).voids == 0


async def test_a_rule_asks_a_person_and_says_so_once(
    gateway: Program, begin: Begin, contracts: dict[str, Spec]
) -> None:
    """`policy.evaluated` before the question, for the gate to show; the approved call is made at tier 3."""
    contracts["orders.get"]["policy"] = [OTHERS]
    run = await begin()
    plan = await run.plan(READ)
    for _ in range(2):
        said = await run.tool(plan)
        assert said.kind is ask.Reply.GATE
    assert await ruled(run) == [("policy.evaluated", "escalate", "contract/others")]
    await run.gate(plan)
    await run.decided(plan)
    await run.next_attempt()
    result = await run.result(plan)
    assert (result.status, result.tier) == ("ok", 3)
    state = await run.state()
    assert state.gates[(plan, 0)].used
    assert state.voids == 0


async def test_the_platforms_rules_hold_for_runs_that_go_on(
    gateway: Program, begin: Begin, contracts: dict[str, Spec], stage: Stage, control: Control, tenant: str
) -> None:
    """Tightened and loosened while a run goes on; no contract loosens them; each decision names their digest."""
    contracts["credit.grant"]["policy"] = [{"name": "all", "when": "true", "effect": "Allow"}]
    run = await begin()
    other = ("credit.grant", {"order_id": "1042", "amount": "8.00"})
    plan = await run.plan(READ, CREDIT, other)
    assert (await run.result(plan, 0)).policy is None
    digest = await rule(
        control,
        stage,
        gateway,
        tenant,
        {"name": "no-credit", "when": 'tool.name == "credit.grant"', "effect": "Deny"},
    )
    denied = await run.result(plan, 1)
    assert denied.policy is not None
    assert (denied.status, denied.policy.rule, denied.policy.platform) == (
        "denied",
        "platform/no-credit",
        digest,
    )
    await rule(control, stage, gateway, tenant)
    assert (await run.result(plan, 2)).status == "ok"


async def test_rules_that_a_gateway_cannot_read_deny_everything(
    gateway: Program, begin: Begin, stage: Stage, control: Control, tenant: str
) -> None:
    """An operator of a later version may publish what this one does not understand."""
    run = await begin()
    plan = await run.plan(READ)
    await known_by(
        gateway, stage, await control.rule(tenant, '{"kind":"PlatformPolicy","v":9}', by="the test")
    )
    denied = await run.result(plan)
    assert denied.error is not None
    assert (denied.status, denied.error.reason) == ("denied", "PolicyFailed")


async def test_another_tenants_rules_are_not_asked(
    gateway: Program, begin: Begin, stage: Stage, control: Control, tenant: str
) -> None:
    """A namespace's rules are its own."""
    await rule(
        control, stage, gateway, f"{tenant}-other", {"name": "nothing", "when": "true", "effect": "Deny"}
    )
    run = await begin()
    state: State = await run.state()
    assert state.tenant == tenant
    assert (await run.result(await run.plan(READ))).status == "ok"
