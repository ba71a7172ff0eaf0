"""Do the chart's Jobs come by with the rights that it gives them? The programs themselves, on a real API server."""

import json
from pathlib import Path

import pytest

from hack.helm import Helm
from keelstep import errors, kube
from keelstep.kube import Kube
from keelstep_operator.bootstrap import program
from keelstep_operator.bootstrap.settings import Settings
from tests.integration.charts import rendered
from tests.integration.kinds import plane

GIVEN = {**rendered.EMBEDDED, "views": {"certificate": {"secret": "our-tls"}}}


def granted(helm: Helm, governed: plane.Governed, namespace: str, folder: Path, job: str) -> Settings:
    """What the chart tells this Job, with a kubeconfig of its service account, which has what the chart grants it."""
    objects = rendered.chart(helm, GIVEN, namespace=namespace)
    rights = [rendered.one(objects, kind, job) for kind in ("ServiceAccount", "Role", "RoleBinding")]
    for each in rights:
        each["metadata"]["namespace"] = namespace
    file = folder / "rights.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": rights}))
    assert governed.kubectl("apply", "--server-side", f"--filename={file}").output
    (told,) = [pod for path, pod in rendered.pods(objects) if path in (f"Job {job}", f"CronJob {job}")]
    environment = {
        name.removeprefix("KEELSTEP_").lower(): value for name, value in rendered.environment(told).items()
    }
    hosts = json.loads(environment.pop("views_hosts"))
    account = governed.persona(f"system:serviceaccount:{namespace}:{job}")
    return Settings.model_validate({**environment, "views_hosts": hosts, "kubeconfig": account.kubeconfig})


async def test_the_bootstrap_makes_everything_and_reads_no_other_secret(
    helm: Helm, governed: plane.Governed, namespace: str, tmp_path: Path
) -> None:
    """Before an installation, and again before an upgrade, when all of it is there."""
    settings = granted(helm, governed, namespace, tmp_path, "keelstep-bootstrap")
    for _ in range(2):
        await program.run(settings)
    async with await Kube.connect(settings.kubeconfig) as api:
        assert await api.find(kube.SECRETS, namespace, "keelstep-archivist")
        assert await api.find(kube.SECRETS, namespace, "our-tls")
        with pytest.raises(errors.KubeError, match="forbidden"):
            await api.find(kube.SECRETS, namespace, "somebody-elses")


async def test_the_renewal_renews_and_reads_no_key(
    helm: Helm, governed: plane.Governed, namespace: str, tmp_path: Path
) -> None:
    """It runs every night for years: whoever steals its account has a certificate, and nothing that signs or speaks."""
    await program.run(granted(helm, governed, namespace, tmp_path, "keelstep-bootstrap"))
    async with await Kube.connect(governed.admin.kubeconfig) as api:
        await api.delete(kube.SECRETS, namespace, "our-tls")
    settings = granted(helm, governed, namespace, tmp_path, "keelstep-renewal")
    await program.run(settings)
    async with await Kube.connect(settings.kubeconfig) as api:
        assert await api.find(kube.SECRETS, namespace, "our-tls")
        for kept in ("keelstep-installation", "keelstep-operator", "keelstep-gateway"):
            with pytest.raises(errors.KubeError, match="forbidden"):
                await api.find(kube.SECRETS, namespace, kept)
