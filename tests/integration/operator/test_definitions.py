"""Which strategies and contracts are accepted, and what is kept of them?"""

from keelstep.domain import revision
from keelstep.log.identities import Role
from keelstep.log.objects import Objects
from tests.integration.operator import manifests
from tests.integration.operator.stage import Stage, condition, status


async def test_an_accepted_content_is_kept_as_an_immutable_revision(stage: Stage) -> None:
    """In OBJ under its digest, where runs read it, and as a ControllerRevision; the status names it."""
    tenant = stage.tenant()
    strategy = manifests.strategy(tenant)

    ready = await stage.until(strategy, lambda found: condition(found, "Ready").get("status") == "True")

    digest = status(ready)["revision"]
    nc = await stage.broker.connect(Role.READER)
    name, spec = revision.load_strategy(await Objects(nc).get_revision(tenant, digest))
    assert name == "support"
    assert spec.version == "1.0.0"
    path = f"/apis/apps/v1/namespaces/{tenant}/controllerrevisions/agentstrategy-support-{digest[:16]}"
    kept = stage.admin.fetch(path)
    assert kept.is_ok, kept.message
    assert kept.body["data"]["spec"]["version"] == "1.0.0"
    assert kept.body["metadata"]["ownerReferences"][0]["uid"] == ready["metadata"]["uid"]


async def test_a_changed_strategy_is_another_revision_and_runs_keep_theirs(stage: Stage) -> None:
    """What a run pinned does not change under it."""
    tenant = stage.tenant()
    strategy, run = manifests.strategy(tenant), manifests.execution(tenant)
    before = await stage.until(strategy, lambda found: condition(found, "Ready").get("status") == "True")
    stage.create(run)
    await stage.until_phase(run, "Scheduled")

    stage.patch(strategy, {"spec": {"version": "2.0.0"}})

    await stage.until(
        strategy,
        lambda found: (
            status(found)["revision"] != status(before)["revision"]
            and condition(found, "Ready")["status"] == "True"
        ),
        "the new content is accepted",
    )
    late = manifests.execution(tenant, "late")
    stage.create(late)
    assert status(await stage.until_phase(late, "Scheduled"))["strategyVersion"] == "2.0.0"
    kept = await stage.until(run, bool)
    assert status(kept)["strategyVersion"] == "1.0.0"


async def test_a_strategy_waits_for_its_contracts_and_heals(stage: Stage) -> None:
    """ResolvedRefs names the contract that is missing; it becomes true by watch."""
    tenant = stage.namespace(manifests.contract, manifests.strategy)
    strategy = manifests.strategy(tenant)

    waiting = await stage.until(
        strategy, lambda found: condition(found, "ResolvedRefs").get("reason") == "ContractMissing"
    )
    assert "refund.issue" in condition(waiting, "ResolvedRefs")["message"]
    stage.create(manifests.refund(tenant))

    await stage.until(strategy, lambda found: condition(found, "Ready").get("status") == "True", "it heals")


async def test_what_the_api_server_cannot_check_is_refused_by_field(stage: Stage) -> None:
    """Accepted is false and names the field; mended, it is accepted."""
    tenant = stage.namespace()
    broken = manifests.contract(tenant, transport={"http": {"response": "this is not CEL ("}})
    stage.create(broken)

    refused = await stage.until(broken, lambda found: condition(found, "Accepted").get("status") == "False")
    assert condition(refused, "Accepted")["reason"] == "ExpressionInvalid"
    assert condition(refused, "Accepted")["message"].startswith("transport.http.response:")
    assert condition(refused, "Ready")["status"] == "False"
    stage.patch(broken, {"spec": {"transport": {"http": {"response": "body"}}}})

    await stage.until(broken, lambda found: condition(found, "Ready").get("status") == "True", "it heals")


async def test_what_undoes_a_call_must_be_on_the_list(stage: Stage) -> None:
    """A contract names another by its compensation: until the strategy lists that one, too, ResolvedRefs is false."""
    undone = {"contract": "refund.stop", "arguments": "{order_id: args.order_id}"}
    tenant = stage.namespace(
        manifests.contract,
        lambda where: manifests.refund(where, compensation=undone),
        lambda where: manifests.refund(where, "refund.stop"),
        manifests.strategy,
    )
    strategy = manifests.strategy(tenant)

    refused = await stage.until(
        strategy, lambda found: condition(found, "ResolvedRefs").get("reason") == "RelatedMissing"
    )
    assert "refund.stop" in condition(refused, "ResolvedRefs")["message"]
    listed = [*strategy["spec"]["tools"], {"contract": "refund.stop"}]
    stage.patch(strategy, {"spec": {"tools": listed}})

    await stage.until(strategy, lambda found: condition(found, "Ready").get("status") == "True", "it heals")
