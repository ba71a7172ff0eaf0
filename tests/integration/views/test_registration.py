"""Are the manifests that make the server known accepted as they are?"""

import asyncio
import json
from pathlib import Path

from keelstep.views import registration
from tests.integration.kinds import plane


async def test_the_manifests_of_a_cluster_with_pods_are_accepted(
    governed: plane.Governed, tmp_path: Path
) -> None:
    """A Service in front of Pods and an APIService that names it; the API server is asked, nothing is stored."""
    service = registration.build_service(service="views-in-pods")
    api_service = registration.build_api_service(governed.plane.ca_file.read_bytes(), service="views-in-pods")
    assert service["spec"]["ports"][0]["port"] == api_service["spec"]["service"]["port"]
    file = tmp_path / "manifests.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [service, api_service]}))
    words = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", f"--filename={file}")
    spoken = await asyncio.to_thread(governed.kubectl, *words)
    assert len(spoken.output.splitlines()) == 2


def test_the_serving_certificate_carries_the_name_that_is_asked_for() -> None:
    """The kube-apiserver asks for `<service>.<namespace>.svc`, whatever the Service leads to."""
    assert registration.hosts()[0] == f"{registration.SERVICE}.{registration.NAMESPACE}.svc"
