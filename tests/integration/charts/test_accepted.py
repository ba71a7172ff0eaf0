"""Does an API server accept what Helm makes of the charts?"""

import json
from pathlib import Path

import pytest
import yaml

from hack.helm import CHARTS, Helm, HelmError
from tests.integration.charts import rendered
from tests.integration.charts.rendered import Object
from tests.integration.kinds import plane


def dry_run(governed: plane.Governed, objects: list[Object], file: Path) -> plane.Spoken:
    """Ask the API server whether it would take them; unknown fields are mistakes. Nothing is stored."""
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    words = ("--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict")
    return governed.kubectl("apply", *words, f"--filename={file}")


def homely(found: Object) -> Object:
    """The same in a namespace that is there: the API server looks for it first."""
    metadata = dict(found["metadata"])
    if "namespace" in metadata and metadata["namespace"] != "kube-system":
        metadata["namespace"] = "default"
    return {**found, "metadata": metadata}


@pytest.mark.parametrize("way", rendered.WAYS)
def test_every_object_is_accepted(way: str, helm: Helm, governed: plane.Governed, tmp_path: Path) -> None:
    """Each way to install it: schema, CEL of policies and quantities are the API server's to judge."""
    objects = rendered.chart(helm, rendered.WAYS[way])
    # a Pod's admission asks for its service account: the next test
    own = [homely(each) for each in objects if not rendered.is_foreign(each) and each["kind"] != "Pod"]
    said = dry_run(governed, own, tmp_path / "objects.json")
    assert len(said.output.splitlines()) == len(own)


@pytest.mark.parametrize("way", rendered.WAYS)
def test_every_pod_fits_the_restricted_level(
    way: str, helm: Helm, governed: plane.Governed, namespace: str, tmp_path: Path
) -> None:
    """Pod Security judges Pods alone, so every template is asked for as one."""
    label = "pod-security.kubernetes.io/enforce=restricted"
    assert governed.kubectl("label", "namespace", namespace, label, "--overwrite").output
    found = list(rendered.pods(rendered.chart(helm, rendered.WAYS[way])))
    for name in {pod["spec"].get("serviceAccountName", "default") for _, pod in found}:
        account = tmp_path / "account.json"
        metadata = {"name": name, "namespace": namespace}
        account.write_text(json.dumps({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}))
        assert governed.kubectl("apply", "--server-side", f"--filename={account}").output
    for number, (path, pod) in enumerate(found):
        spec = {key: value for key, value in pod["spec"].items() if key != "priorityClassName"}
        # a claim's volume is named by its StatefulSet, not by the template
        volumes = {
            each["name"]: each for each in [{"name": "data", "emptyDir": {}}, *spec.get("volumes", [])]
        }
        metadata = {"name": f"asked-{number}", "namespace": namespace}
        asked = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
        asked["spec"] = {**spec, "volumes": list(volumes.values())}
        file = tmp_path / "pod.json"
        file.write_text(json.dumps(asked))
        said = governed.kubectl("create", "--dry-run=server", f"--filename={file}")
        assert said.status == 0, f"{path}: {said.stderr}"


@pytest.mark.parametrize("name", ["keelstep", "keelstep-crds", "keelstep-example"])
def test_helm_lint_finds_nothing(name: str, helm: Helm) -> None:
    """Neither an error nor a warning."""
    said = helm.run(
        "lint",
        "--strict",
        str(CHARTS / name),
        "--set",
        "tenants={refunds}" if name == "keelstep" else "global.x=1",
    )
    assert "0 chart(s) failed" in said


def test_the_kinds_are_those_of_the_repository(helm: Helm) -> None:
    """The chart adds that they are kept, and nothing else."""
    objects = yaml.safe_load_all(helm.template(CHARTS / "keelstep-crds", {}))
    for found in objects:
        assert found["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
        file = plane.ROOT / "crds" / f"{found['spec']['names']['singular']}.yaml"
        assert found == yaml.safe_load(file.read_text())


def test_the_example_is_the_repository_s(helm: Helm) -> None:
    """Prompts keep their slots, contracts lead to the shop's Service, and nothing is left of another namespace."""
    text = helm.template(CHARTS / "keelstep-example", {}, namespace="support")
    objects = [each for each in yaml.safe_load_all(text) if each]
    strategy = next(each for each in objects if each["metadata"]["name"] == "support-agent")
    told = yaml.safe_load_all((plane.ROOT / "examples/refund/manifests/strategies.yaml").read_text())
    assert (
        strategy["spec"] == next(each for each in told if each["metadata"]["name"] == "support-agent")["spec"]
    )
    contract = next(each for each in objects if each["metadata"]["name"] == "orders.get")
    assert contract["spec"]["transport"]["http"]["url"] == (
        "http://shop.support.svc.cluster.local:8080/orders/{order_id}"
    )
    assert "namespace: refunds" not in text


def test_the_example_is_accepted(helm: Helm, governed: plane.Governed, tmp_path: Path) -> None:
    """By the rules of the kinds too."""
    text = helm.template(CHARTS / "keelstep-example", {}, namespace="default")
    objects = [each for each in yaml.safe_load_all(text) if each]
    said = dry_run(governed, objects, tmp_path / "objects.json")
    assert len(said.output.splitlines()) == len(objects)


REFUSED: dict[str, tuple[dict[str, object], str]] = {
    "a value that nobody knows": (
        {**rendered.EMBEDDED, "replicas": 3},
        "additional properties 'replicas' not allowed",
    ),
    "no tenant": ({"embedded": {"enabled": True}}, "tenants: say in which namespaces agents run"),
    "everywhere and somewhere": ({"tenants": ["*", "x"], "embedded": {"enabled": True}}, "it stands alone"),
    "the installation's own namespace": (
        {"tenants": ["keelstep-system"], "embedded": {"enabled": True}},
        "it is no tenant's",
    ),
    "no broker": (
        {"tenants": ["x"], "postgres": {"existingSecret": "x"}},
        "name your NATS and your Postgres",
    ),
    "no database": (
        {"tenants": ["x"], "broker": {"url": "tls://x:4222"}},
        "name your NATS and your Postgres",
    ),
    "two brokers": ({**rendered.EMBEDDED, "broker": {"url": "tls://x:4222"}}, "brings its own broker"),
    "copies on one server": (
        {**rendered.EMBEDDED, "broker": {"replicas": 3}},
        "the embedded broker is one server",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_installed_is_refused_in_words(case: str, helm: Helm) -> None:
    """Before anything is."""
    values, message = REFUSED[case]
    with pytest.raises(HelmError, match=message):
        rendered.chart(helm, values)
