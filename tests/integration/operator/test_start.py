"""How does a run begin? From an applied Execution to its log, its identity and its Pod."""

import msgspec

from keelstep.kinds import names
from tests.integration.operator import manifests
from tests.integration.operator.actors import Cast
from tests.integration.operator.stage import Stage, condition, status


async def test_an_applied_execution_gets_a_log_an_identity_and_a_pod(stage: Stage) -> None:
    """Execution applied → log started → Secret and runner Pod created; the status follows."""
    tenant = stage.tenant()
    run = manifests.execution(tenant)
    uid = stage.create(run)["metadata"]["uid"]

    shown = status(await stage.until_phase(run, "Scheduled"))

    assert shown["executionID"] == uid
    assert shown["strategyVersion"] == "1.0.0"
    assert shown["attempt"] == 1
    assert shown["pod"] == "run-a1"
    assert shown["observedSeq"] == 2
    pod = await stage.until(manifests.core("Pod", tenant, "run-a1"), bool)
    assert pod["spec"]["containers"][0]["image"] == "runner.example/keelstep:test"
    assert pod["metadata"]["labels"][names.LABEL_EXECUTION_ID] == uid
    assert [owner["uid"] for owner in pod["metadata"]["ownerReferences"]] == [uid]
    secret = await stage.until(manifests.core("Secret", tenant, "run-a1-identity"), bool)
    assert set(secret["data"]) == {"identity.creds", "keyring.json"}


async def test_what_a_run_began_with_is_pinned_and_bounded_in_its_log(stage: Stage) -> None:
    """exec.started: pinned digests, the smaller budget, the nearer deadline, who asked, the trace."""
    _, cast = await Cast.begun(stage, deadlineSeconds=60)
    tenant = cast.tenant

    state = await cast.state()

    started = state.started
    assert started is not None
    assert set(started.contracts) == {"orders.get", "refund.issue"}
    assert started.contracts["refund.issue"].tier == 3
    assert started.contracts["refund.issue"].estimate_micro_usd == 2_000
    assert started.budget_micro_usd == 250_000
    assert started.requester == manifests.REQUESTER
    assert len(state.trace_id) == 32
    strategy = await stage.until(manifests.strategy(tenant), bool)
    assert started.strategy_digest == status(strategy)["revision"]


async def test_the_runners_identity_is_its_own(stage: Stage) -> None:
    """Minted for this attempt: the broker takes its events, and nobody else's from it."""
    run, cast = await Cast.begun(stage)
    await cast.model()

    await cast.plan(("orders.get", {"order_id": "1"}))

    shown = status(await stage.until_phase(run, "Running"))
    assert shown["step"] == 1
    assert (await cast.state()).voids == 0


async def test_a_run_waits_for_a_strategy_and_begins_once_there_is_one(stage: Stage) -> None:
    """ResolvedRefs is false with a reason, and heals by watch: nobody has to apply anything again."""
    tenant = stage.namespace(manifests.contract, manifests.refund)
    run = manifests.execution(tenant)
    stage.create(run)

    waiting = await stage.until_phase(run, "Pending", "StrategyMissing")
    assert condition(waiting, "ResolvedRefs")["status"] == "False"
    assert "support" in condition(waiting, "ResolvedRefs")["message"]
    stage.create(manifests.strategy(tenant))

    begun = await stage.until_phase(run, "Scheduled")
    assert condition(begun, "ResolvedRefs")["status"] == "True"


async def test_inputs_that_do_not_fit_are_refused_by_the_slots_name(stage: Stage) -> None:
    """Accepted is false, naming the slot; nothing is started."""
    tenant = stage.tenant()
    run = manifests.execution(tenant, inputs={"customer": "Ada", "vip": "yes"})
    stage.create(run)

    refused = await stage.until_phase(run, "Pending", "InputsInvalid")

    assert "inputs.vip" in condition(refused, "Accepted")["message"]
    assert stage.get(manifests.core("Pod", tenant, "run-a1")) is None


async def test_a_transition_is_told_as_a_kubernetes_event(stage: Stage) -> None:
    """The Event's reason is the condition's own."""
    run, cast = await Cast.begun(stage)
    await cast.model()
    await cast.finish()
    await stage.until_phase(run, "Succeeded")

    reasons = {event["reason"] for event in stage.events(run)}

    assert {"RunnerStarting", "OutputAccepted"} <= reasons


async def test_a_void_message_changes_nothing_and_is_told(stage: Stage) -> None:
    """What breaks a rule is no event; people hear of it."""
    run, cast = await Cast.begun(stage)
    client = await cast.connect(1)
    subject = f"spine.0.{cast.tenant}.{cast.xid}.a1"
    await client.request(subject, msgspec.json.encode({"v": 1}), timeout=60)
    await client.close()
    await cast.model()

    await stage.eventually(
        lambda: any(event["reason"] == "VoidEvents" for event in stage.events(run)), "the void is told"
    )

    assert (await cast.state()).voids == 1
    shown = await stage.until_phase(run, "Running")
    assert "1 void message in the log" in condition(shown, "Succeeded")["message"]
