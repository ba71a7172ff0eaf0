"""Does a document of over a hundred operations become contracts, and does each of them work?"""

import asyncio
import json

import yaml

from keelstep.domain import egress
from keelstep.imports import page
from keelstep.imports.openapi import document, reading
from keelstep.kinds.contract import ToolContractSpec
from keelstep_gateway.conformance import caller, edges
from keelstep_gateway.conformance.cases import Contract
from keelstep_operator.decide import definition
from tests.integration.imports import served
from tests.integration.kinds.plane import Governed

LEAST = 200
"""Operations of the core API that contracts can call; a document of fewer is not the one we mean."""


def test_every_operation_becomes_a_contract_or_is_named(kubernetes: bytes) -> None:
    """Nothing is lost in silence, and only what contracts cannot call is left out."""
    read = document.read(kubernetes)
    found = reading.imported(read, server="http://127.0.0.1:1")
    assert len(found.drafts) >= LEAST
    assert len(found.drafts) + len(found.skipped) == len(list(read.operations()))
    assert {each.why for each in found.skipped} == {
        "contracts do not call HEAD",
        "contracts do not call OPTIONS",
    }
    assert len({draft.name for draft in found.drafts}) == len(found.drafts)


def test_the_cluster_takes_every_contract_as_it_is_written(
    kubernetes: bytes, governed: Governed, namespace: str
) -> None:
    """The page is what is applied: read again, stored by the API server, accepted by the operator."""
    found = reading.imported(document.read(kubernetes), server="https://kubernetes.example")
    text = "".join(page.render(draft, namespace) for draft in found.drafts)
    refused = {}
    for manifest in yaml.load_all(text, Loader=yaml.CSafeLoader):
        answer = governed.admin.create(manifest)
        finding = definition.check_contract(ToolContractSpec.model_validate(manifest["spec"]))
        if not answer.is_ok or finding.reason != "Accepted":
            refused[manifest["metadata"]["name"]] = answer.message or finding.message
    assert refused == {}


def test_what_looks_like_a_read_and_acts_is_not_free(kubernetes: bytes) -> None:
    """A GET that connects to a process is no read, whatever its method."""
    found = reading.imported(document.read(kubernetes), server="http://127.0.0.1:1")
    effects = {draft.source: draft.spec["sideEffect"] for draft in found.drafts}
    assert effects["GET /api/v1/namespaces/{namespace}/pods/{name}"] == "ReadOnly"
    assert effects["GET /api/v1/namespaces/{namespace}/pods/{name}/exec"] == "Irreversible"
    acting = {source: effect for source, effect in effects.items() if not source.startswith("GET ")}
    assert set(acting.values()) == {"Irreversible"}


async def test_each_operation_is_called_once_with_valid_arguments(kubernetes: bytes) -> None:
    """By the gateway's own transport, at a server made of the document alone, which takes every call for what it is."""
    described = json.loads(kubernetes)
    async with served.running(described) as server, caller.calling(egress.Rules(), {}) as calls:
        found = reading.imported(document.read(kubernetes), server=server.url)
        proposed = await asyncio.to_thread(
            lambda: [edges.arguments(draft.spec["schema"]["input"], 2)[-1] for draft in found.drafts]
        )
        observed = {}
        for draft, args in zip(found.drafts, proposed, strict=True):
            contract = Contract(
                name=draft.name, spec=ToolContractSpec.model_validate(draft.spec), revision="0" * 64
            )
            observed[draft.source] = (await calls.call(contract, args)).told
    assert server.refused == []
    assert {source: told for source, told in observed.items() if told != "ok"} == {}
    assert server.called == [draft.source for draft in found.drafts]
    assert len(server.called) >= LEAST
