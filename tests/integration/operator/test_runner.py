"""Where does an agent's loop run? In the image and with the compute that its strategy names."""

from functools import partial

from tests.integration.operator import manifests
from tests.integration.operator.stage import Stage

RESOURCES = {
    "requests": {"cpu": "125m", "memory": "96Mi"},
    "limits": {"cpu": "1", "memory": "256Mi"},
}


async def test_a_runner_runs_in_the_strategys_image_with_the_strategys_resources(stage: Stage) -> None:
    """Each attempt's Pod; what the strategy leaves out is the operator's own setting."""
    runner = {"image": "runner.example/special:7", "resources": RESOURCES}
    tenant = stage.namespace(manifests.contract, manifests.refund, partial(manifests.strategy, runner=runner))
    stage.create(manifests.execution(tenant))

    pod = await stage.until(manifests.core("Pod", tenant, "run-a1"), bool, "the attempt has its Pod")

    (container,) = pod["spec"]["containers"]
    assert container["image"] == "runner.example/special:7"
    assert container["resources"] == RESOURCES


async def test_a_quantity_that_no_cluster_takes_is_told(stage: Stage) -> None:
    """More asked for than allowed: the API server's own words, and no endless trying in silence."""
    runner = {"resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}}
    tenant = stage.namespace(manifests.contract, manifests.refund, partial(manifests.strategy, runner=runner))
    run = manifests.execution(tenant)
    stage.create(run)

    stalled = await stage.until(
        run,
        lambda found: any(
            each["type"] == "Stalled" and each["status"] == "True"
            for each in found.get("status", {}).get("conditions", [])
        ),
        "it is stalled",
    )

    (told,) = [each for each in stalled["status"]["conditions"] if each["type"] == "Stalled"]
    assert told["reason"] == "ChildRefused"
    assert "memory" in told["message"]
