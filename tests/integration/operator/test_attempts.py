"""When does a run get another attempt, and whose children does it use?"""

from tests.integration.kinds import api
from tests.integration.operator import manifests
from tests.integration.operator.actors import Cast
from tests.integration.operator.stage import Stage, condition, status
from tests.integration.operator.test_stop import patch_pod


async def test_a_pod_lost_at_once_is_made_again_under_its_own_number(stage: Stage) -> None:
    """The attempt wrote nothing and is young: nothing can be double, so the same attempt goes on."""
    _, cast = await Cast.begun(stage)
    tenant = cast.tenant
    pod = manifests.core("Pod", tenant, "run-a1")
    first = await stage.until(pod, bool)

    stage.delete(pod)

    await stage.until(pod, lambda found: found["metadata"]["uid"] != first["metadata"]["uid"], "it is back")
    assert (await cast.state()).attempt == 1


async def test_a_crashed_runner_is_followed_by_the_next_attempt(stage: Stage) -> None:
    """A Pod that exited counts as missing; the old identity is revoked, its Secret goes, its Pod stays for the log."""
    run, cast = await Cast.begun(stage)
    tenant = cast.tenant
    await cast.model()
    client = await cast.connect(1)
    pod = manifests.core("Pod", tenant, "run-a1")
    patch_pod(stage, pod, phase="Failed", reason="Error", exit_code=1)

    await stage.until(run, lambda found: status(found).get("attempt") == 2, "the next attempt begins")

    await stage.eventually(lambda: client.is_closed, "the old identity is revoked")
    await stage.until_gone(manifests.core("Secret", tenant, "run-a1-identity"))
    assert stage.get(pod) is not None
    await stage.until(manifests.core("Pod", tenant, "run-a2"), bool)


async def test_a_pod_that_cannot_start_says_why_in_the_condition(stage: Stage) -> None:
    """ImagePullBackOff stands in phase reason and condition; no new attempt is wasted on it."""
    run, cast = await Cast.begun(stage)
    tenant = cast.tenant
    pod = manifests.core("Pod", tenant, "run-a1")
    await stage.until(pod, bool)
    patch_pod(stage, pod, phase="Pending", waiting="ImagePullBackOff")

    shown = await stage.until_phase(run, "Scheduled", "ImagePullBackOff")

    assert condition(shown, "Succeeded")["message"] == "no such image"
    assert (await cast.state()).attempt == 1


async def test_a_pod_that_is_not_ours_is_never_used(stage: Stage) -> None:
    """ChildForged: a person must act; once it is gone the run begins by itself."""
    tenant = stage.tenant()
    stolen = manifests.core(
        "Pod", tenant, "run-a1", spec={"containers": [{"name": "runner", "image": "evil.example/x"}]}
    )
    # without its account a Pod is refused; the controllers make it a moment after the namespace
    await stage.eventually(lambda: stage.admin.create(stolen).status in (201, 409), "the account is there")
    run = manifests.execution(tenant)
    stage.create(run)

    stalled = await stage.until(run, lambda found: condition(found, "Stalled").get("status") == "True")

    assert condition(stalled, "Stalled")["reason"] == "ChildForged"
    assert "Pod run-a1" in condition(stalled, "Stalled")["message"]
    stage.delete(stolen)
    await stage.until(run, lambda found: condition(found, "Stalled").get("status") == "False", "it heals")


async def test_a_secret_that_is_not_ours_is_never_mounted(stage: Stage) -> None:
    """ChildForged, and no Pod: a runner with an identity that somebody else knows must not start. Nor is it ever deleted."""
    tenant = stage.tenant()
    forged = manifests.core("Secret", tenant, "run-a1-identity", stringData={"identity.creds": "mine"})
    stage.create(forged)
    run = manifests.execution(tenant)
    stage.create(run)

    stalled = await stage.until(run, lambda found: condition(found, "Stalled").get("status") == "True")

    assert condition(stalled, "Stalled")["reason"] == "ChildForged"
    assert "Secret run-a1-identity" in condition(stalled, "Stalled")["message"]
    assert stage.get(manifests.core("Pod", tenant, "run-a1")) is None

    stage.patch(run, {"spec": {"killSwitch": {"engaged": True, "reason": "over"}}})
    await stage.until_phase(run, "Killed")
    assert stage.get(forged) is not None, "whoever names a run names its children, and may mean this one"


async def test_a_pod_that_kubernetes_refuses_stalls_the_run_with_its_words(stage: Stage) -> None:
    """ChildRefused: less memory allowed than asked for; a person must mend the strategy."""
    tenant = stage.namespace(manifests.contract, manifests.refund, _impossible)
    run = manifests.execution(tenant)
    stage.create(run)

    stalled = await stage.until(run, lambda found: condition(found, "Stalled").get("status") == "True")

    assert condition(stalled, "Stalled")["reason"] == "ChildRefused"
    assert "memory" in condition(stalled, "Stalled")["message"]


async def test_a_run_that_a_quota_holds_up_goes_on_as_it_was_once_there_is_room(stage: Stage) -> None:
    """Its attempt was none that failed: Kubernetes would not have the Pod."""
    tenant = stage.tenant()
    full = manifests.core("ResourceQuota", tenant, "full", spec={"hard": {"pods": "0"}})
    stage.create(full)
    await stage.until(full, lambda found: status(found).get("hard"), "the quota is in force")
    run = manifests.execution(tenant)
    stage.create(run)
    stalled = await stage.until(run, lambda found: condition(found, "Stalled").get("status") == "True")
    assert condition(stalled, "Stalled")["reason"] == "ChildRefused"
    assert "exceeded quota: full" in condition(stalled, "Stalled")["message"]

    stage.delete(full)

    found = await stage.until(
        run, lambda one: condition(one, "Stalled").get("status") == "False", "it goes on"
    )
    assert stage.get(manifests.core("Pod", tenant, "run-a1")) is not None
    assert status(found)["attempt"] == 1


def _impossible(namespace: str) -> api.Object:
    resources = {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}
    return manifests.strategy(namespace, runner={"resources": resources})
