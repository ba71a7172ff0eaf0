"""Is the runner's image what a restricted namespace wants, and does a whole run happen in it?"""

import ipaddress
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hack.cluster import controlplane, lifecycle, settings
from hack.cluster.containerd import images as node_images
from hack.images.buildah import Buildah
from hack.local.platform import Platform
from hack.local.world import Tenant
from tests.integration.cluster.conftest import Kubectl
from tests.node import conftest

MOST_BYTES = 120_000_000
"""What the runner may weigh over its base, unpacked: a node that has it not pulls it before a run begins."""

Built = dict[str, Any]


def images(*words: str) -> str:
    """`python -m hack.images …` as a person runs it; gives what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "hack.images", *words],
        cwd=settings.REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0 and "what is missing here" in done.stderr:
        pytest.skip(f"no images can be built: {done.stderr}")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def runner(node: lifecycle.Status, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The runner's image, of the sources as they are, in the node."""
    built: Built
    (built,) = json.loads(images("build", "runner", "--tag", "tests", "--output", "json"))
    folder = tmp_path_factory.mktemp("images")
    archive = images("save", str(folder), "--only", "runner", "--tag", "tests").strip()
    node_images.load(node.folder, Path(archive))
    return built


@pytest.fixture(scope="module")
def platform(
    node: lifecycle.Status, runner: Built, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """A keelstep whose runners are Pods of the node; the rest are processes beside it."""
    plane = controlplane.find(node.folder)
    assert plane is not None
    started = Platform(folder=tmp_path_factory.mktemp("keelstep"), plane=plane, kubectl_binary=node.kubectl)
    try:
        started.start_broker()
        started.start_example()
        started.define()
        started.start_operator(KEELSTEP_RUNNER_IMAGE=runner["image"], KEELSTEP_RUNNER_PULL_POLICY="Never")
        started.start_gateway()
        yield started
    finally:
        started.stop_all()


def test_the_runner_is_light_and_its_bill_of_materials_names_what_is_in_it(runner: Built) -> None:
    """Its lock's packages and ours, each with a version; nothing of the build is left in it."""
    assert runner["bytes_over_base"] < MOST_BYTES
    bill = json.loads(Path(runner["sbom"]).read_text())
    python = {each["name"] for each in bill["components"] if each["purl"].startswith("pkg:pypi/")}
    lock = (settings.REPOSITORY / "requirements" / "runner.txt").read_text().splitlines()
    wanted = {line.partition("==")[0] for line in lock if line[:1].isalpha() and "sys_platform" not in line}
    assert python == wanted | {"keelstep"}


def test_an_image_says_what_it_is_and_of_which_sources(runner: Built) -> None:
    """For whoever finds one in a registry."""
    found = Buildah.find(settings.read()).run("inspect", "--type", "image", runner["image"])
    labels = json.loads(found)["OCIv1"]["config"]["Labels"]
    told = {name.removeprefix("org.opencontainers.image."): value for name, value in labels.items()}
    assert (told["title"], told["licenses"]) == ("keelstep-runner", "Apache-2.0")
    assert told["description"]
    assert told["version"] != "0"
    assert told["revision"] != "unknown"


def test_the_runner_s_image_runs_as_nobody_where_nothing_may_be_written(
    kubectl: Kubectl, runner: Built
) -> None:
    """Without a command of ours it is the runner, which names the settings that it lacks and writes no file."""
    pod = conftest.probe("bare")
    (container,) = pod["spec"]["containers"]
    del container["args"]
    container["image"] = runner["image"]
    kubectl.create(pod)
    ended = kubectl.wait_phase("bare", "Failed")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert ended["exitCode"] == 2
    assert "keelstep-runner: KEELSTEP_NATS_URL: Field required" in kubectl.do("logs", "bare")


def test_a_run_with_a_question_to_a_person_happens_in_pods_of_a_restricted_namespace(
    platform: Platform,
) -> None:
    """Two attempts, two Pods: the first asks and ends, the second books the refund once."""
    tenant = Tenant(platform=platform, name=f"refunds-{secrets.token_hex(3)}")
    tenant.furnish()
    tenant.admin.run("label", "namespace", tenant.name, "pod-security.kubernetes.io/enforce=restricted")
    before = len(tenant.refunds())
    tenant.ask("refund-approved")
    tenant.answer(tenant.until_gate("refund-approved"), "Approved")
    status = tenant.until_phase("refund-approved", "Succeeded", "Failed")
    assert (status["phase"], status["attempt"]) == ("Succeeded", 2)
    assert len(tenant.refunds()) - before == 1
    pods = ipaddress.ip_network(platform.plane.plan.network.pods)
    # The run has ended before the kubelet told where it ran.
    address = tenant.until("the last Pod's address", lambda: _address(tenant, status["pod"]))
    assert ipaddress.ip_address(address) in pods


def _address(tenant: Tenant, pod: str) -> str:
    return str(tenant.get("pods", pod)["status"].get("podIP", ""))
