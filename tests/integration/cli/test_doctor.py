"""Does `doctor` find what is missing, and say how to mend it?"""

import json
from pathlib import Path

from hack.cluster import build, controlplane, settings
from hack.cluster.testing import API
from keelstep.log.identities import Role
from keelstep.testing.broker import RunningBroker
from tests.integration.cli.terminal import Terminal
from tests.integration.kinds import plane
from tests.integration.views import stage


async def test_a_whole_installation_is_well(terminal: Terminal, broker: RunningBroker) -> None:
    """Exit 0; the broker is looked at too where credentials are given."""
    creds = str(broker.installation.credentials_file(Role.READER))
    said = await terminal.type("doctor", "-o", "json", "--nats-url", broker.url, "--nats-creds", creds)
    found = {check["check"]: check for check in said.data}
    assert {check["result"] for check in found.values()} == {"ok"}
    assert found["broker"]["finding"] == "reached, all four streams are there"
    assert found["kind Execution"]["finding"] == "installed and current"


async def test_what_one_may_not_is_said_and_is_no_failure(terminal: Terminal) -> None:
    """Exit 0: a viewer's installation is not broken because they are a viewer."""
    vera = await terminal.holder("keelstep-viewer", "vera@shop.example")
    output = (await terminal.type("doctor", persona=vera)).output
    assert "you may not: it needs approve on approvalgates.keelstep.io" in output
    assert "not checked: you may not read admission policies" in output


async def test_an_empty_cluster_lacks_everything(terminal: Terminal, tmp_path: Path) -> None:
    """Exit 1, and each finding names its fix; every other command says what is missing too."""
    bare = controlplane.start(tmp_path / "bare", build.ensure(settings.read()), names=API)
    try:
        environ = {"KUBECONFIG": str(bare.admin_kubeconfig)}
        said = await terminal.type("doctor", "-o", "json", environ=environ)
        assert said.status == 1
        found = {check["check"]: check for check in json.loads(said.stdout)}
        assert found["kind Execution"]["fix"] == "kubectl apply --server-side -f crds/execution.yaml"
        assert found["policy keelstep-requested-by"]["result"] == "fail"
        assert found["views API"]["finding"] == "not registered"
        status = await terminal.type("status", environ=environ)
        assert "this cluster does not know Execution" in status.refused(5)
        trace = await terminal.type("trace", "refund-1", environ=environ)
        assert "this cluster has no views API" in trace.refused(5)
    finally:
        bare.stop()


async def test_a_views_server_that_is_down_is_found(
    terminal: Terminal, governed: plane.Governed, views: stage.Views
) -> None:
    """Exit 5 of `trace`, and a failure of `doctor`, while the APIService leads nowhere."""
    async with stage.displaced(views):
        said = await terminal.type("trace", "refund-1")
        assert "the views API does not answer" in said.refused(5)
        doctor = await terminal.type("doctor")
        assert doctor.status == 1
        assert "until it does, no namespace of this cluster can be deleted" in doctor.stdout
