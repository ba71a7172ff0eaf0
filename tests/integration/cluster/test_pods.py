"""Does the process node do with a Pod what its author asked, and say so where it cannot?"""

import http.client
import signal
import ssl
import subprocess
import time
from pathlib import Path

from hack.cluster import lifecycle, processes, progress, settings
from tests.integration.cluster import conftest
from tests.integration.cluster.conftest import Kubectl, pod, until


def terminated(found: dict[str, object], container: str = "main") -> dict[str, object]:
    """Give how a container of a Pod ended."""
    statuses = found["status"]["containerStatuses"]  # type: ignore[index]
    ended: dict[str, object] = next(
        status["state"]["terminated"] for status in statuses if status["name"] == container
    )
    return ended


def process_of(kubectl: Kubectl, name: str) -> processes.Identity:
    """Find the process of a Pod that wrote its own pid as the first line of its log."""
    until(lambda: kubectl.run("logs", name).stdout.strip(), f"{name} writes its pid")
    identity = processes.Identity.of(int(kubectl.do("logs", name).splitlines()[0]))
    assert identity is not None
    return identity


def shell(name: str, script: str, **spec: object) -> dict[str, object]:
    """Build a Pod that runs a shell script; `$` needs no escape from Kubernetes here."""
    return pod(name, "sh", "-c", script.replace("$", "$$"), **spec)


def count(kubectl: Kubectl, phase: str) -> int:
    """Count the Pods in a phase."""
    words = ("get", "pods", f"--field-selector=status.phase={phase}", "-o", "name")
    return len(kubectl.do(*words).splitlines())


def test_a_pod_whose_command_ends_with_zero_succeeds(kubectl: Kubectl) -> None:
    """The phase is Succeeded, with exit code, reason, start and end."""
    kubectl.create(pod("good", "true"))
    found = kubectl.wait_phase("good", "Succeeded")
    ended = terminated(found)
    assert (ended["exitCode"], ended["reason"]) == (0, "Completed")
    assert str(ended["startedAt"]) <= str(ended["finishedAt"])
    conditions = {c["type"]: c["status"] for c in found["status"]["conditions"]}
    assert conditions["PodScheduled"] == "True"
    assert conditions["Ready"] == "False"
    assert found["status"]["podIP"] == "127.0.0.1"


def test_a_pod_whose_command_fails_tells_its_exit_code_and_last_words(kubectl: Kubectl) -> None:
    """The phase is Failed; under FallbackToLogsOnError the log's end becomes the message."""
    kubectl.create(
        shell(
            "bad",
            "echo it was the keel >&2; exit 7",
            container={"terminationMessagePolicy": "FallbackToLogsOnError"},
        )
    )
    ended = terminated(kubectl.wait_phase("bad", "Failed"))
    assert (ended["exitCode"], ended["reason"]) == (7, "Error")
    assert ended["message"] == "it was the keel\n"


def test_a_command_that_does_not_exist_is_a_start_error(kubectl: Kubectl) -> None:
    """The message names the program and reminds that no image is run."""
    kubectl.create(pod("absent", "no-such-program-of-ours"))
    ended = terminated(kubectl.wait_phase("absent", "Failed"))
    assert (ended["exitCode"], ended["reason"]) == (127, "StartError")
    assert "no-such-program-of-ours" in str(ended["message"])


def test_the_environment_comes_from_literals_secrets_configmaps_and_the_pod(
    kubectl: Kubectl,
) -> None:
    """Every source is honoured, `$(VAR)` is expanded, and the agent's own variables stay away."""
    kubectl.do("create", "secret", "generic", "keys", "--from-literal=token=s3cret")
    kubectl.do("create", "configmap", "settings", "--from-literal=COLOUR=red")
    manifest = pod(
        "env",
        "env",
        metadata={"labels": {"app": "ship"}},
        container={
            "envFrom": [{"configMapRef": {"name": "settings"}, "prefix": "CM_"}],
            "env": [
                {"name": "PLAIN", "value": "keel"},
                {"name": "JOINED", "value": "$(PLAIN)-$(CM_COLOUR)-$$(PLAIN)-$(NONE)"},
                _from("TOKEN", secretKeyRef={"name": "keys", "key": "token"}),
                _from("ABSENT", secretKeyRef={"name": "no", "key": "no", "optional": True}),
                _from("NAME", fieldRef={"fieldPath": "metadata.name"}),
                _from("UID_OF_POD", fieldRef={"fieldPath": "metadata.uid"}),
                _from("APP", fieldRef={"fieldPath": "metadata.labels['app']"}),
                _from("NODE", fieldRef={"fieldPath": "spec.nodeName"}),
                _from("IP", fieldRef={"fieldPath": "status.podIP"}),
            ],
        },
    )
    kubectl.create(manifest)
    found = kubectl.wait_phase("env", "Succeeded")
    told = dict(line.split("=", 1) for line in kubectl.do("logs", "env").splitlines())
    wanted = {
        "PLAIN": "keel",
        "JOINED": "keel-red-$(PLAIN)-$(NONE)",
        "TOKEN": "s3cret",
        "NAME": "env",
        "UID_OF_POD": found["metadata"]["uid"],
        "APP": "ship",
        "NODE": "process",
        "IP": "127.0.0.1",
    }
    assert wanted.items() <= told.items()
    assert "ABSENT" not in told
    assert told["PATH"].split(":")[0].endswith(".venv/bin")
    assert "PYTHONUNBUFFERED" not in told


def test_mounted_secrets_are_found_by_path_and_by_variable(kubectl: Kubectl) -> None:
    """A mount path in arguments is replaced; the files are readable by their owner alone."""
    kubectl.do("create", "secret", "generic", "keys", "--from-literal=token=s3cret")
    kubectl.do("create", "configmap", "settings", "--from-literal=colour=red")
    items = [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]
    both = [{"secret": {"name": "keys"}}, {"downwardAPI": {"items": items}}]
    manifest = pod(
        "mounts",
        "sh",
        "-c",
        "cat /etc/keys/token $(FILE) /all/labels; cat $$KEELSTEP_MOUNT_KEYS/token;"
        " stat -L -c ' %a' /etc/keys/token; cmp /all/token /etc/keys/token && touch /tmp/x/y;"
        " ls /tmp/x/",
        metadata={"labels": {"app": "ship"}},
        container={
            "env": [{"name": "FILE", "value": "/etc/settings/colour"}],
            "volumeMounts": [
                {"name": "keys", "mountPath": "/etc/keys"},
                {"name": "settings", "mountPath": "/etc/settings"},
                {"name": "all", "mountPath": "/all"},
                {"name": "scratch", "mountPath": "/tmp/x"},
            ],
        },
        volumes=[
            {"name": "keys", "secret": {"secretName": "keys"}},
            {"name": "settings", "configMap": {"name": "settings"}},
            {"name": "all", "projected": {"sources": both}},
            {"name": "scratch", "emptyDir": {}},
        ],
    )
    kubectl.create(manifest)
    kubectl.wait_phase("mounts", "Succeeded")
    assert kubectl.do("logs", "mounts") == 's3cretredapp="ship"s3cret 400\ny\n'


def test_a_pod_reaches_the_api_as_its_service_account(kubectl: Kubectl, cluster: lifecycle.Status) -> None:
    """The default token volume works through KUBECONFIG, with a token bound to this Pod."""
    kubectl.create(pod("whoami", str(cluster.kubectl), "auth", "whoami", "-o", "name"))
    found = kubectl.wait_phase("whoami", "Succeeded")
    kubectl.create(pod("who", str(cluster.kubectl), "auth", "whoami"))
    kubectl.wait_phase("who", "Succeeded")
    told = kubectl.do("logs", "who")
    assert f"system:serviceaccount:{kubectl.namespace}:default" in told
    assert found["spec"]["volumes"][0]["name"].startswith("kube-api-access-")


def test_a_missing_secret_is_waited_for_and_named(kubectl: Kubectl) -> None:
    """The container waits with CreateContainerConfigError and starts once the Secret appears."""
    wanted = _from("TOKEN", secretKeyRef={"name": "late", "key": "token"})
    kubectl.create(shell("patient", "echo $TOKEN", container={"env": [wanted]}))

    def reason() -> dict[str, str]:
        statuses = kubectl.get("pod", "patient")["status"].get("containerStatuses", [{}])
        waiting: dict[str, str] = statuses[0].get("state", {}).get("waiting", {})
        return waiting

    until(lambda: reason().get("reason") == "CreateContainerConfigError", "it says that it waits")
    assert "Secret 'late'" in reason()["message"]
    kubectl.do("create", "secret", "generic", "late", "--from-literal=token=here")
    kubectl.wait_phase("patient", "Succeeded")
    assert kubectl.do("logs", "patient") == "here\n"


def test_logs_are_followed_and_cut_to_the_last_lines(
    kubectl: Kubectl, cluster: lifecycle.Status, tmp_path: Path
) -> None:
    """`kubectl logs -f` shows lines as they come and ends with the container; `--tail` works."""
    go = tmp_path / "go"
    script = f"seq 1 5; until [ -e {go} ]; do sleep 0.02; done; echo six; echo no-newline | tr -d '\\n'"
    kubectl.create(shell("talks", script))
    kubectl.wait_phase("talks", "Running")
    command = [str(kubectl.program), "--kubeconfig", str(kubectl.kubeconfig)]
    with subprocess.Popen(
        [*command, "-n", kubectl.namespace, "logs", "-f", "talks"], stdout=subprocess.PIPE, text=True
    ) as following:
        assert following.stdout is not None
        first = [following.stdout.readline().strip() for _ in range(5)]
        go.touch()
        rest = following.stdout.read()
        assert following.wait(timeout=60) == 0
    assert first == ["1", "2", "3", "4", "5"]
    assert rest == "six\nno-newline"
    assert kubectl.do("logs", "talks", "--tail=3") == "5\nsix\nno-newline"
    assert kubectl.do("logs", "talks", "--tail=0") == ""


def test_a_pod_past_its_active_deadline_fails_for_that_reason(kubectl: Kubectl) -> None:
    """activeDeadlineSeconds ends the processes; the Pod fails with DeadlineExceeded."""
    kubectl.create(shell("slow", "echo $$; exec sleep 600", activeDeadlineSeconds=3))
    found = kubectl.wait_phase("slow", "Failed")
    assert found["status"]["reason"] == "DeadlineExceeded"
    assert terminated(found)["exitCode"] == 128 + 15
    assert processes.Identity.of(int(kubectl.do("logs", "slow").splitlines()[0])) is None


def test_deletion_asks_first_and_gives_the_grace_period(kubectl: Kubectl, tmp_path: Path) -> None:
    """SIGTERM reaches the program, which may tidy up; then the Pod is gone, with its folder."""
    tidied = tmp_path / "tidied"
    script = f"trap 'echo done >{tidied}; exit 0' TERM; echo $$; while :; do sleep 0.02; done"
    kubectl.create(shell("tidy", script))
    process = process_of(kubectl, "tidy")
    kubectl.do("delete", "pod", "tidy", "--timeout=60s")
    assert tidied.read_text() == "done\n"
    assert not process.is_alive()


def test_a_program_that_ignores_sigterm_is_killed_after_its_grace_period(
    kubectl: Kubectl, cluster: lifecycle.Status
) -> None:
    """SIGKILL comes after terminationGracePeriodSeconds, not before, and takes the whole group."""
    script = "trap '' TERM; echo $$; sleep 600 & sleep 601"
    kubectl.create(shell("stubborn", script, terminationGracePeriodSeconds=1))
    process = process_of(kubectl, "stubborn")
    uid = kubectl.get("pod", "stubborn")["metadata"]["uid"]
    began = time.monotonic()
    kubectl.do("delete", "pod", "stubborn", "--timeout=60s")
    assert time.monotonic() - began >= 1.0
    assert not process.is_alive()
    folder = cluster.folder / "nodes" / "process" / "pods" / uid
    until(lambda: not folder.exists(), "the Pod's folder is removed")


def test_a_pod_that_cannot_be_honoured_fails_naming_the_field(kubectl: Kubectl) -> None:
    """Nothing is silently left out: phase Failed, one reason, the field in the message."""
    host = [{"name": "host", "hostPath": {"path": "/etc"}}]
    kubectl.create(pod("host", "true", volumes=host))
    kubectl.create(pod("port", "true", container={"ports": [{"containerPort": 80}]}))
    kubectl.create(pod("root", "true", container={"securityContext": {"privileged": True}}))
    for name, field in (
        ("host", "spec.volumes[0].hostPath"),
        ("port", "spec.containers[0].ports"),
        ("root", "spec.containers[0].securityContext.privileged"),
    ):
        status = kubectl.wait_phase(name, "Failed")["status"]
        assert status["reason"] == "UnsupportedByProcessNode"
        assert field in status["message"]


def test_init_containers_run_in_order_before_the_rest(kubectl: Kubectl) -> None:
    """Each must succeed before the next begins; a failure fails the Pod."""
    scratch = {"name": "scratch", "mountPath": "/scratch"}

    def step(name: str, script: str) -> dict[str, object]:
        command = ["sh", "-c", script]
        return {"name": name, "image": "x", "command": command, "volumeMounts": [scratch]}

    volumes = [{"name": "scratch", "emptyDir": {}}]
    inits = [step("one", "echo 1 >/scratch/a"), step("two", "cat /scratch/a >/scratch/b")]
    kubectl.create(
        pod(
            "ordered",
            *("cat", "/scratch/b"),
            container={"volumeMounts": [scratch]},
            initContainers=inits,
            volumes=volumes,
        )
    )
    kubectl.create(pod("stopped", "true", initContainers=[step("one", "exit 4")], volumes=volumes))
    kubectl.wait_phase("ordered", "Succeeded")
    assert kubectl.do("logs", "ordered", "-c", "main") == "1\n"
    stopped = kubectl.wait_phase("stopped", "Failed")
    assert stopped["status"]["reason"] == "InitContainerFailed"


def test_a_failed_container_is_restarted_on_failure(kubectl: Kubectl, tmp_path: Path) -> None:
    """restartPolicy OnFailure starts it again, counts it, and keeps the previous log."""
    marker = tmp_path / "tried"
    script = f"[ -e {marker} ] && echo second && exit 0; touch {marker}; echo first; exit 1"
    kubectl.create(shell("again", script, restartPolicy="OnFailure"))
    found = kubectl.wait_phase("again", "Succeeded")
    assert found["status"]["containerStatuses"][0]["restartCount"] == 1
    assert kubectl.do("logs", "again") == "second\n"
    assert kubectl.do("logs", "again", "--previous") == "first\n"


def test_many_pods_at_once_all_run(kubectl: Kubectl) -> None:
    """Fifty Pods applied together all succeed."""
    many = [pod(f"one-{number}", "true") for number in range(50)]
    kubectl.create({"apiVersion": "v1", "kind": "List", "items": many})

    until(lambda: count(kubectl, "Succeeded") == 50, "fifty Pods succeed")


def test_a_new_agent_adopts_what_the_killed_one_started(
    kubectl: Kubectl, cluster: lifecycle.Status, configured: settings.Settings, tmp_path: Path
) -> None:
    """Processes outlive the agent: the next one knows them and learns how they ended.

    What ended while no agent looked is reported with its true exit code; what was killed together
    with the shell that would have told is ContainerStatusUnknown.
    """
    go = tmp_path / "go"
    kubectl.create(shell("adopted", f"echo $$; until [ -e {go} ]; do sleep 0.02; done; exit 5"))
    kubectl.create(shell("meanwhile", f"echo $$; until [ -e {go}0 ]; do sleep 0.02; done; exit 6"))
    kubectl.create(shell("vanished", "echo $PPID; sleep 600"))
    adopted, meanwhile = process_of(kubectl, "adopted"), process_of(kubectl, "meanwhile")
    vanished = process_of(kubectl, "vanished")

    conftest.kill_agent(lifecycle.status(configured, "tests"))
    Path(f"{go}0").touch()
    until(lambda: not meanwhile.is_alive(), "the second Pod's process ends unseen")
    vanished.signal(signal.SIGKILL, is_group=True)  # at SIGTERM the shell would still tell
    until(lambda: not vanished.is_alive(), "the third Pod's process is gone")
    lifecycle.up(configured, "tests", "process", progress.quiet())
    assert adopted.is_alive()
    assert terminated(kubectl.wait_phase("meanwhile", "Failed"))["exitCode"] == 6
    lost = terminated(kubectl.wait_phase("vanished", "Failed"))
    assert (lost["exitCode"], lost["reason"]) == (137, "ContainerStatusUnknown")
    assert kubectl.get("pod", "adopted")["status"]["phase"] == "Running"
    go.touch()
    assert terminated(kubectl.wait_phase("adopted", "Failed"))["exitCode"] == 5


def test_a_pod_deleted_by_force_leaves_no_process(kubectl: Kubectl) -> None:
    """The API server forgets such a Pod at once; the node still ends what it ran."""
    kubectl.create(shell("forced", "echo $$; trap '' TERM; sleep 600; sleep 600"))
    process = process_of(kubectl, "forced")
    kubectl.do("delete", "pod", "forced", "--force", "--grace-period=0")
    until(lambda: not process.is_alive(), "the process ends")


def test_the_log_server_answers_nobody_but_the_api_server(
    kubectl: Kubectl, cluster: lifecycle.Status
) -> None:
    """A client certificate of the cluster is not enough: it must be the API server's own."""
    pki = cluster.folder / "pki"
    port = next(part.port for part in cluster.parts if part.name == "process node")

    def ask(name: str | None) -> int:
        context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        if name:
            context.load_cert_chain(pki / f"{name}.crt", pki / f"{name}.key")
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=5)
        try:
            connection.request("GET", "/containerLogs/any/any/any")
            return connection.getresponse().status
        except (ssl.SSLError, ConnectionError):
            return 0
        finally:
            connection.close()

    assert ask("apiserver-kubelet") == 404
    assert ask("kubelet-client") == 403
    assert ask(None) == 0


def _from(name: str, **source: object) -> dict[str, object]:
    return {"name": name, "valueFrom": source}
