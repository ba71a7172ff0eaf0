"""May a person state a pass on the contract in the cluster? As an annotation, in their own name."""

import json
from pathlib import Path

import yaml

from keelstep.domain import revision
from keelstep.kinds import names, resource
from tests.integration.cli import program
from tests.integration.gateway.conformance import ledger
from tests.integration.gateway.conformance.ledger import Ledger, Manner
from tests.integration.kinds import api
from tests.integration.kinds.plane import Governed, governed, namespace

__all__ = ["governed", "namespace"]


def of_list(tool: Ledger, namespace: str) -> api.Object:
    """The ledger's read, as it is applied."""
    return {
        "apiVersion": resource.API_VERSION,
        "kind": "ToolContract",
        "metadata": {"name": "list", "namespace": namespace},
        "spec": tool.contracts()["list"].spec.given(),
    }


async def test_a_pass_is_stated_on_the_contract_of_that_name(
    governed: Governed, namespace: str, tmp_path: Path
) -> None:
    """Which content passed, the digest that was printed, and when; nothing else of the contract is touched."""
    file = tmp_path / "list.yaml"
    where = ("-n", namespace, "--kubeconfig", str(governed.admin.kubeconfig))
    async with ledger.running(Manner.HONEST) as tool:
        manifest = of_list(tool, namespace)
        file.write_text(yaml.safe_dump(manifest))
        assert governed.admin.create(manifest).is_ok
        before = governed.admin.get(manifest).body
        said = await program.run(
            "contract", "test", str(file), "--live", "--edges", "3", "--attest", *where, "-o", "json"
        )
        spec = tool.contracts()["list"].spec
    (data,) = said.data
    after = governed.admin.get(manifest).body
    stated = json.loads(after["metadata"]["annotations"][names.ANNOTATION_CONFORMANCE])
    assert stated["revision"] == revision.build("ToolContract", "list", spec).digest
    assert (stated["passed"]["digest"], stated["passed"]["kind"]) == (data["digest"], "live")
    assert (after["spec"], after["metadata"]["generation"]) == (before["spec"], 1)


async def test_a_pass_of_a_contract_that_is_not_there_is_said(
    governed: Governed, namespace: str, tmp_path: Path
) -> None:
    """By name and place."""
    file = tmp_path / "list.yaml"
    async with ledger.running(Manner.HONEST) as tool:
        file.write_text(yaml.safe_dump(of_list(tool, namespace)))
        where = ("-n", namespace, "--kubeconfig", str(governed.admin.kubeconfig))
        said = await program.run("contract", "test", str(file), "--live", "--edges", "3", "--attest", *where)
    assert said.status != 0
    assert said.complaint == f"there is no ToolContract 'list' in namespace {namespace}"


async def test_what_was_not_asked_cannot_be_stated(tmp_path: Path) -> None:
    """A look at the contract alone proves nothing of its tool."""
    file = tmp_path / "list.yaml"
    file.write_text(yaml.safe_dump(of_list(Ledger(Manner.HONEST, url="http://127.0.0.1:9"), "shop")))
    said = await program.run("contract", "test", str(file), "--attest")
    assert said.status == 2
    assert said.complaint.startswith("--attest: only with --live or --recorded")
