"""Can everything that programs and people expect of a node be done on this one?"""

import ssl
import subprocess
import urllib.error
import urllib.request

import pytest

from hack.cluster import lifecycle
from keelstep.testing import ports
from tests.integration.cluster.conftest import Kubectl, until
from tests.node import conftest


def test_pods_reach_each_other_by_service_name_and_by_cluster_ip(kubectl: Kubectl) -> None:
    """Bridge, kube-proxy and CoreDNS together: the short name, the full name and the ClusterIP are the same Pod."""
    conftest.serve(kubectl, "shop", "open")
    until(lambda: conftest.addresses_of(kubectl, "shop"), "the Service has an address")
    ip = kubectl.get("service", "shop")["spec"]["clusterIP"]
    full = f"shop.{kubectl.namespace}.svc.cluster.local"
    for number, host in enumerate((ip, "shop", full)):
        assert conftest.answer(kubectl, f"asks-{number}", "get", f"http://{host}/") == "open"


def test_a_pod_reaches_itself_by_its_own_service(kubectl: Kubectl) -> None:
    """The way out of the bridge port and back into it."""
    conftest.serve(kubectl, "self", "me")
    said = kubectl.do("exec", "self", "--", "/probe", "get", f"http://self.{kubectl.namespace}.svc/")
    assert said == "me"


def test_a_pod_reaches_the_api_server_by_its_service(kubectl: Kubectl) -> None:
    """`kubernetes.default` is this machine's API server; it asks who is there before it says anything else."""
    found = kubectl.run("run", "unused", "--dry-run=server", "--image=none")
    assert found.returncode != 0  # Pod Security is enforced here, so what runs below is as strict.
    assert "restricted" in found.stderr
    conftest.answer(kubectl, "looks", "look", "kubernetes.default")


def test_the_machine_reaches_pods_and_services(kubectl: Kubectl) -> None:
    """So that an aggregated API server, a webhook or a person's curl needs no proxy."""
    conftest.serve(kubectl, "near", "here")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    pod = kubectl.get("pod", "near")["status"]["podIP"]
    until(lambda: conftest.addresses_of(kubectl, "near"), "the Service has an address")
    service = kubectl.get("service", "near")["spec"]["clusterIP"]
    for address in (f"{pod}:8080", service):

        def answers(url: str = f"http://{address}/") -> bool:
            try:
                with opener.open(url, timeout=5) as reply:
                    return bool(reply.read() == b"here")
            except OSError:
                return False

        until(answers, f"{address} answers")


def test_logs_and_exec_work(kubectl: Kubectl) -> None:
    """The API server reaches the kubelet, and is known there."""
    conftest.serve(kubectl, "told", "secret")
    assert kubectl.do("logs", "told") == "serving secret\n"
    # Nobody's number, and a root file system that may not be written.
    assert kubectl.do("exec", "told", "--", "/probe", "own") == "65535 false\n"


def test_a_port_is_forwarded(kubectl: Kubectl) -> None:
    """What a person opens in a browser."""
    conftest.serve(kubectl, "window", "view")
    port = ports.one()
    command = [str(kubectl.program), "--kubeconfig", str(kubectl.kubeconfig), "-n", kubectl.namespace]
    with subprocess.Popen(
        [*command, "port-forward", "--address", "127.0.0.1", "pod/window", f"{port}:8080"],
        stdout=subprocess.PIPE,
        text=True,
    ) as forward:
        assert forward.stdout is not None
        try:
            assert "Forwarding" in forward.stdout.readline()
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as reply:
                assert reply.read() == b"view"
        finally:
            forward.terminate()


def test_a_name_outside_of_the_cluster_does_not_exist_and_is_told_at_once(kubectl: Kubectl) -> None:
    """There is no resolver to ask; a program must not hang on one."""
    kubectl.create(conftest.probe("asks", "look", "keelstep.example"))
    kubectl.wait_phase("asks", "Failed")
    assert "no such host" in kubectl.do("logs", "asks")


def test_memory_beyond_its_limit_ends_a_pod(kubectl: Kubectl) -> None:
    """Limits are real: the kernel kills what exceeds them, and the Pod says so."""
    pod = conftest.probe("greedy", "eat", "200")
    pod["spec"]["containers"][0]["resources"] = {"limits": {"memory": "64Mi", "cpu": "500m"}}
    kubectl.create(pod)
    found = kubectl.wait_phase("greedy", "Failed")
    assert found["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] == "OOMKilled"


def test_who_is_not_the_api_server_may_ask_the_kubelet_nothing(node: lifecycle.Status) -> None:
    """Anyone on this machine reaches its port."""
    part = next(part for part in node.parts if part.name == "kubelet")
    context = ssl.create_default_context(cafile=str(node.folder / "pki" / "ca.crt"))
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        opener.open(f"https://{conftest.address_of(node)}:{part.port}/pods", timeout=10)
    assert refused.value.code == 401
    refused.value.close()
