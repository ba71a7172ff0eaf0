"""Does a release live as platform teams live with it? One installation, from its first day to its second one.

The tests are one story, in this order: each goes on from what the ones before it left.
"""

import json
import subprocess

import pytest

from hack.local.kubectl import CommandError
from hack.release import BEFORE, NOW, SYSTEM, TENANT, Scene
from tests.e2e import person

ARCHIVED = ("--set", "archive.enabled=true,archive.olderThanDays=0,archive.size=1Gi")
DONE = ("Succeeded", "Failed", "Cancelled", "Killed")


def test_a_newcomer_installs_three_charts_and_the_first_run_succeeds(scene: Scene) -> None:
    """The kinds, the example, and everything else: a run that waited for nothing but the installation ends well."""
    scene.helm.run("install", "keelstep-crds", str(scene.chart("keelstep-crds", BEFORE)), "-n", SYSTEM)
    scene.install_example(BEFORE)
    scene.admin.run(
        "wait", "--for=condition=Available", "deployment", "--all", "-n", TENANT, "--timeout=120s"
    )
    with scene.timed("helm install to first Succeeded"):
        scene.install(BEFORE)
        assert scene.until_phase("small-claim", *DONE)["phase"] == "Succeeded"


def test_a_person_approves_with_kubectl_and_one_refund_is_booked(scene: Scene) -> None:
    """The gate of the second run asks grace; the shop's own books hold one refund after her answer."""
    scene.approve(scene.until_gate("refund-approved"))
    status = scene.until_phase("refund-approved", *DONE)
    assert (status["phase"], status["attempt"]) == ("Succeeded", 2)
    assert len(scene.refunds()) == 1


def test_helm_test_finds_that_everything_answers(scene: Scene) -> None:
    """Kinds, programs, the Lease, gateways and the views API, asked from within."""
    scene.until_available()
    said = scene.helm.run("test", "keelstep", "-n", SYSTEM, "--logs", "--timeout", "2m")
    assert "FAIL" not in said


def test_what_a_run_did_is_read_through_the_api_server(scene: Scene) -> None:
    """The aggregated API answers kubectl; who has no role there is refused before it is asked."""
    scene.admin.run(
        "wait", "--for=condition=Available", "apiservice/v1alpha1.views.keelstep.io", "--timeout=60s"
    )
    trace = scene.person("grace").run("get", "executiontraces", "refund-approved", "-n", TENANT)
    assert "refund.issue" in trace
    with pytest.raises(Exception, match="forbidden"):
        scene.person("nobody").run("get", "executiontraces", "refund-approved", "-n", TENANT)


def test_the_operator_reads_secrets_of_tenants_alone(scene: Scene) -> None:
    """Its right to read a Secret by name ends with the tenants."""
    operator = f"--as=system:serviceaccount:{SYSTEM}:keelstep-operator"
    allowed = scene.admin.run("auth", "can-i", "get", "secrets", "-n", TENANT, operator)
    assert allowed.strip() == "yes"
    for elsewhere in (SYSTEM, "kube-system", "default"):
        with pytest.raises(Exception, match="no"):
            scene.admin.run("auth", "can-i", "get", "secrets", "-n", elsewhere, operator)


def test_an_upgrade_in_the_middle_of_a_call_loses_and_doubles_nothing(scene: Scene) -> None:
    """Kinds, and then every program, are replaced while the shop has booked a refund and not answered; it ends once."""
    kinds = _kinds(scene)
    before = len(scene.refunds())
    scene.ask("refund-approved", "over-an-upgrade")
    gate = scene.until_gate("over-an-upgrade")
    scene.shop("POST", "/faults", {"path": "/refunds", "mode": "hold"})
    scene.approve(gate)
    scene.until("the shop to hold the refund", lambda: scene.shop("GET", "/faults/state")["waiting"])
    with scene.timed("helm upgrade, every program replaced"):
        scene.install(NOW, *ARCHIVED)
        _until_all_run(scene, NOW)
    assert _kinds(scene) != kinds, "an upgrade that changes no kind shows less than it should"
    scene.shop("DELETE", "/faults")
    assert scene.until_phase("over-an-upgrade", *DONE)["phase"] == "Succeeded"
    assert len(scene.refunds()) == before + 1


def test_a_runner_evicted_in_mid_run_is_followed_by_the_next(scene: Scene) -> None:
    """As `kubectl drain` does it: the Pod goes by the eviction API, and the next attempt goes on from the log."""
    scene.shop("POST", "/faults", {"path": "/orders", "mode": "hold-before"})
    scene.ask("small-claim", "over-an-eviction")
    scene.until("the shop to hold the look-up", lambda: scene.shop("GET", "/faults/state")["waiting"])
    pod = scene.run_status("over-an-eviction")["pod"]
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": TENANT},
    }
    path = f"/api/v1/namespaces/{TENANT}/pods/{pod}/eviction"
    scene.admin.run("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))
    scene.until("the Pod to be gone", lambda: scene.run_status("over-an-eviction").get("pod") != pod)
    scene.shop("DELETE", "/faults")
    status = scene.until_phase("over-an-eviction", *DONE)
    assert (status["phase"], status["attempt"]) == ("Succeeded", 2)


def test_the_archivist_s_job_does_its_work_in_the_cluster(scene: Scene) -> None:
    """What is over and whose Execution is gone leaves the log for a file, and the file proves itself."""
    scene.admin.run("delete", "execution", "over-an-eviction", "-n", TENANT)
    job = ("job", "archive-now", "-n", SYSTEM)

    def archived() -> str:
        scene.admin.run("delete", *job, "--ignore-not-found")
        scene.admin.run("create", job[0], "--from=cronjob/keelstep-archive", *job[1:])
        scene.admin.run("wait", "--for=condition=Complete", *job, "--timeout=120s")
        files = list((scene.folder / "volumes").rglob("*.tar.gz"))
        return str(files[0]) if files else ""

    # the operator must have seen that a person deleted it
    file = scene.until("the log to be archived", archived)
    keys = scene.admin.get("configmap", "keelstep-public", "-n", SYSTEM)["data"]["keyring.json"]
    keyring = scene.folder / "keyring.json"
    keyring.write_text(keys)
    done = subprocess.run(
        [str(person.KEELSTEP), "archive", "verify", file, "--keyring", str(keyring)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_rollback_works(scene: Scene) -> None:
    """The release before comes back, kinds and programs, and works; and then this one again."""
    for name in ("keelstep-crds", "keelstep"):
        scene.helm.run("rollback", name, "1", "-n", SYSTEM)
    _until_all_run(scene, BEFORE)
    scene.ask("small-claim", "after-a-rollback")
    assert scene.until_phase("after-a-rollback", *DONE)["phase"] == "Succeeded"
    scene.install(NOW, *ARCHIVED)
    _until_all_run(scene, NOW)


def test_what_was_installed_again_finds_its_log_and_its_runs(scene: Scene) -> None:
    """Uninstalling takes programs away and nothing that is worth keeping: kinds, runs, log and keys are there again."""
    before = scene.run_status("refund-approved")
    refunds = len(scene.refunds())
    trace = _trace(scene)
    scene.uninstall()
    assert len(_kinds(scene)) == 4
    assert scene.run_status("refund-approved") == before
    with scene.timed("helm install again to the next Succeeded"):
        scene.install(NOW, *ARCHIVED)
        scene.ask("small-claim", "on-the-second-day")
        assert scene.until_phase("on-the-second-day", *DONE)["phase"] == "Succeeded"
    scene.until("the trace to be read again", lambda: _trace(scene) == trace, lambda: (trace, _trace(scene)))
    after = scene.run_status("refund-approved")
    assert (after["phase"], after["observedHash"]) == (before["phase"], before["observedHash"])
    assert len(scene.refunds()) == refunds


def test_every_namespace_enforces_restricted_pods(scene: Scene) -> None:
    """All of this happened so."""
    for namespace in scene.admin.get("namespaces")["items"]:
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def _kinds(scene: Scene) -> dict[str, str]:
    """The specs of our kinds, by name."""
    found = scene.admin.get("crd")["items"]
    ours = [each for each in found if each["spec"]["group"] == "keelstep.io"]
    return {each["metadata"]["name"]: json.dumps(each["spec"], sort_keys=True) for each in ours}


def _trace(scene: Scene) -> str:
    try:
        found = scene.admin.get("executiontraces", "refund-approved", "-n", TENANT)
    except CommandError as error:
        return str(error)
    return json.dumps(found["lines"], sort_keys=True)


def _until_all_run(scene: Scene, version: str) -> None:
    """Wait until every program of ours is of one release and available."""

    def replaced() -> bool:
        pods = scene.admin.get("pods", "-n", SYSTEM, "--field-selector=status.phase!=Succeeded")["items"]
        images = {container["image"] for pod in pods for container in pod["spec"]["containers"]}
        return bool(images) and all(image.endswith(f":{version}") for image in images)

    scene.until(f"every program to be of {version}", replaced)
    scene.until_available()
