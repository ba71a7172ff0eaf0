"""Are objects of other projects' kinds what those projects take? Judged by their own definitions, in a real API server.

cert-manager, the Prometheus operator and Argo CD themselves do not run here; of Flux no definitions can be had.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.cluster import errors, progress, settings, sources
from hack.helm import Helm
from tests.integration.charts import rendered
from tests.integration.charts.test_accepted import dry_run
from tests.integration.kinds import plane

DEFINITIONS = {
    sources.CERT_MANAGER: ("deploy/crds/crd-certificates.yaml", "deploy/crds/crd-issuers.yaml"),
    sources.PROMETHEUS_OPERATOR: (
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
    ),
    sources.ARGO_CD: ("manifests/crds/application-crd.yaml", "manifests/crds/appproject-crd.yaml"),
}


@pytest.fixture(scope="module")
def knowing(governed: plane.Governed, tmp_path_factory: pytest.TempPathFactory) -> plane.Governed:
    """The API server, which knows their kinds too."""
    file = tmp_path_factory.mktemp("definitions") / "definitions.json"
    try:
        found = list(_definitions())
    except (errors.MissingPrerequisite, errors.BuildFailed) as error:
        pytest.skip(f"NOT TESTED: definitions of other projects cannot be fetched here: {error}")
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": found}))
    assert governed.kubectl("apply", "--server-side", f"--filename={file}").output
    names = [f"crd/{each['metadata']['name']}" for each in found]
    assert governed.kubectl("wait", "--for=condition=Established", *names, "--timeout=60s").output
    return governed


def _definitions() -> Iterator[dict[str, Any]]:
    for source, paths in DEFINITIONS.items():
        folder = sources.ensure(settings.read(), source, progress.Progress())
        for path in paths:
            found = yaml.safe_load((folder / path).read_text())
            # cert-manager's are templates of Helm in what stands around the definition
            found["metadata"] = {
                "name": found["metadata"]["name"],
                "annotations": {"api-approved.kubernetes.io": "unapproved, of another project"},
            }
            yield found


def test_monitors_rules_and_certificates_are_accepted(
    helm: Helm, knowing: plane.Governed, tmp_path: Path
) -> None:
    """No field that they do not know, and each value as they want it."""
    objects = [each for each in rendered.chart(helm, rendered.FOREIGN) if rendered.is_foreign(each)]
    assert {each["kind"] for each in objects} == {"PodMonitor", "PrometheusRule", "Issuer", "Certificate"}
    for each in objects:
        each["metadata"]["namespace"] = "default"
    said = dry_run(knowing, objects, tmp_path / "objects.json")
    assert len(said.output.splitlines()) == len(objects)


def test_a_field_that_they_do_not_know_is_noticed(
    helm: Helm, knowing: plane.Governed, tmp_path: Path
) -> None:
    """What judges here can refuse."""
    monitor = rendered.one(rendered.chart(helm, rendered.FOREIGN), "PodMonitor", "keelstep")
    monitor["metadata"]["namespace"] = "default"
    monitor["spec"]["podMetricsEndpoints"][0]["intervall"] = "30s"
    assert "intervall" in dry_run(knowing, [monitor], tmp_path / "objects.json").error


def test_the_example_s_application_and_project_are_accepted_by_argo_cd(
    knowing: plane.Governed, tmp_path: Path
) -> None:
    """As `examples/gitops` has them."""
    text = (plane.ROOT / "examples" / "gitops" / "argocd" / "application.yaml").read_text()
    objects = [
        {**each, "metadata": {**each["metadata"], "namespace": "default"}}
        for each in yaml.safe_load_all(text)
    ]
    assert {each["kind"] for each in objects} == {"Application", "AppProject"}
    said = dry_run(knowing, objects, tmp_path / "objects.json")
    assert len(said.output.splitlines()) == len(objects)
