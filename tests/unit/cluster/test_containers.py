"""Does a container get the command, environment and files that its Pod asks for?"""

from pathlib import Path
from typing import Any

import pytest

from hack.cluster.node import containers, expansion, records, sources, unsupported

HOST = containers.Host(path="/venv/bin:/bin", api_host="127.0.0.1", api_port=6443)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(B)", "x1y2"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$(NONE)", "$(NONE)"),
        ("$(A", "$(A"),
        ("$A $ ${A}", "$A $ ${A}"),
        ("a$$b", "a$b"),
    ],
)
def test_references_are_expanded_as_kubernetes_does(text: str, expanded: str) -> None:
    """`$$` escapes, unknown names stay, and nothing else has a meaning."""
    assert expansion.expand(text, {"A": "1", "B": "2"}) == expanded


def test_an_expanded_value_is_not_expanded_again() -> None:
    """What a Secret contains is never taken for a reference."""
    assert expansion.expand("$(A)", {"A": "$(B)", "B": "no"}) == "$(B)"


@pytest.mark.parametrize(
    ("text", "replaced"),
    [
        ("/data", "/real"),
        ("/data/x", "/real/x"),
        ("--file=/data/x", "--file=/real/x"),
        ("/data:/data/y", "/real:/real/y"),
        ("cat '/data/x' /data", "cat '/real/x' /real"),
        ("/data/in/x", "/inner/x"),
        ("/data2", "/data2"),
        ("/data-old/x", "/data-old/x"),
        ("/srv/data/x", "/srv/data/x"),
        ("/data.json", "/data.json"),
    ],
)
def test_mount_paths_are_replaced_where_a_path_begins_with_them(text: str, replaced: str) -> None:
    """Whole path elements only, and a mount inside a mount wins."""
    mounts = expansion.Mounts({"/data/": Path("/real"), "/data/in": Path("/inner")})
    assert mounts.replace(text) == replaced


def build(pod: dict[str, Any], fetched: sources.Fetched) -> containers.Launch:
    """Build the launch of a Pod's first container."""
    place = records.Folder(Path("/pods/u"))
    return containers.build_launch(pod, pod["spec"]["containers"][0], fetched, place, HOST)


def pod(**container: Any) -> dict[str, Any]:
    """Build a Pod of one container."""
    metadata = {"name": "p", "namespace": "n", "uid": "u", "annotations": {"a/b": "c"}}
    listed = [{"name": "main", "command": ["run"], **container}]
    return {"metadata": metadata, "spec": {"containers": listed}}


def test_a_missing_key_is_named_but_no_value_is_told() -> None:
    """The message says which Secret and key, so that a person can add it."""
    reference = sources.Reference("Secret", "keys")
    chosen = {"secretKeyRef": {"name": "keys", "key": "token"}}
    manifest = pod(env=[{"name": "TOKEN", "valueFrom": chosen}])
    assert sources.references(manifest) == {reference}
    with pytest.raises(sources.NotConfigurable, match=r"Secret 'keys' has no key 'token'") as told:
        build(manifest, {reference: {"other": b"s3cret"}})
    assert "s3cret" not in str(told.value)


def test_a_secret_that_looks_like_a_mount_path_is_left_alone() -> None:
    """Only what stands in the Pod's own text is rewritten."""
    reference = sources.Reference("Secret", "keys")
    manifest = pod(
        args=["$(TOKEN)", "/data/x"],
        env=[{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "t"}}}],
        volumeMounts=[{"name": "v", "mountPath": "/data"}],
    )
    launch = build(manifest, {reference: {"t": b"/data/token"}})
    assert launch.argv == ("run", "/data/token", "/pods/u/volumes/v/x")


def test_the_environment_is_minimal() -> None:
    """Nothing but what the Pod asks for and what a process cannot do without."""
    assert build(pod(), {}).environment == {
        "PATH": "/venv/bin:/bin",
        "HOME": "/pods/u/home",
        "TMPDIR": "/pods/u/tmp",
        "LANG": "C.UTF-8",
        "HOSTNAME": "p",
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": "6443",
    }


def test_a_volume_of_chosen_keys_holds_those_alone() -> None:
    """`items` chooses keys and names their files."""
    reference = sources.Reference("Secret", "keys")
    volume = {"name": "v", "secret": {"secretName": "keys", "items": [{"key": "a", "path": "d/f"}]}}
    content = containers.build_files(pod(), volume, {reference: {"a": b"1", "b": b"2"}}, {})
    assert content == {"d/f": b"1"}


def test_annotations_are_read_by_key() -> None:
    """The downward API's `metadata.annotations['a/b']`."""
    assert sources.read_field(pod(), "metadata.annotations['a/b']", "127.0.0.1") == "c"


UNSUPPORTED: dict[str, tuple[dict[str, Any], str]] = {
    "no command": (pod(command=[]), "spec.containers[0].command"),
    "a probe": (pod(livenessProbe={"exec": {}}), "spec.containers[0].livenessProbe"),
    "a hook": (pod(lifecycle={"preStop": {}}), "spec.containers[0].lifecycle"),
    "a root mount": (
        pod(volumeMounts=[{"name": "v", "mountPath": "/"}]),
        "spec.containers[0].volumeMounts[0].mountPath",
    ),
    "a working directory of an image": (pod(workingDir="/app"), "spec.containers[0].workingDir"),
    "a resource field": (
        pod(env=[{"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}]),
        "spec.containers[0].env[0].valueFrom.resourceFieldRef",
    ),
    "a variable that no shell can hold": (
        pod(env=[{"name": "a.b", "value": "c"}]),
        "spec.containers[0].env[0].name",
    ),
}


@pytest.mark.parametrize("case", UNSUPPORTED)
def test_what_cannot_be_honoured_is_named(case: str) -> None:
    """One reason for programs, and the field for a person."""
    manifest, field = UNSUPPORTED[case]
    found = unsupported.find(manifest)
    assert found is not None
    assert found.reason == unsupported.REASON
    assert field in found.message


def test_what_is_ignored_on_purpose_is_said() -> None:
    """A person reads in the log that nothing isolates or limits the processes."""
    manifest = pod(resources={"limits": {"cpu": "1"}}, securityContext={"runAsNonRoot": True})
    assert unsupported.find(manifest) is None
    assert len(unsupported.notes(manifest)) == 2
