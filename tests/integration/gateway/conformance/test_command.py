"""What does `keelstep contract test` say, and what may it be told? Typed as a person types it."""

import json
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from keelstep.kinds import resource
from keelstep.testing import ports
from tests.integration.cli import program
from tests.integration.gateway.conformance import ledger
from tests.integration.gateway.conformance.ledger import Ledger, Manner
from tests.integration.gateway.transports import sdk

HERE = Path(__file__).parent
CASES: dict[str, Any] = {
    "cases": [
        {
            "contract": "book",
            "arguments": {"note": "a"},
            "effects": {"contract": "list", "arguments": "`{}`", "count": "size(output.bookings)"},
            "compensation": {"contract": "undo", "arguments": "{id: output.id}"},
        }
    ]
}
OF_MCP = {
    "cases": [
        {
            "contract": "book",
            "arguments": {"note": "a"},
            "effects": {"contract": "bookings", "arguments": "`{}`", "count": "size(output.bookings)"},
        }
    ]
}


def written(folder: Path, tool: Ledger, cases: object = None) -> tuple[str, str]:
    """The tool's contracts and cases, as files."""
    documents = [
        {
            "apiVersion": resource.API_VERSION,
            "kind": "ToolContract",
            "metadata": {"name": contract.name},
            "spec": contract.spec.wire(),
        }
        for contract in tool.contracts().values()
    ]
    file, beside = folder / "contracts.yaml", folder / "cases.yaml"
    file.write_text(yaml.safe_dump_all(documents))
    beside.write_text(yaml.safe_dump(cases or CASES))
    return str(file), str(beside)


def changed(file: Path, fields: dict[str, Any]) -> None:
    """Its first contract alone, which says this now."""
    document = next(yaml.safe_load_all(file.read_text()))
    document["spec"] |= fields
    file.write_text(yaml.safe_dump(document))


def parted(file: Path) -> Path:
    """A folder with a file for each of its contracts."""
    folder = file.parent / "contracts"
    folder.mkdir()
    for document in yaml.safe_load_all(file.read_text()):
        (folder / f"{document['metadata']['name']}.yaml").write_text(yaml.safe_dump(document))
    return folder


def doubled(file: Path) -> None:
    """Every contract once more."""
    file.write_text(f"{file.read_text()}\n---\n{file.read_text()}")


async def test_a_pass_is_told_to_people_programs_and_build_servers(tmp_path: Path) -> None:
    """A table, JSON with the digest, JUnit XML; and a recording that can be judged again."""
    junit, recording = tmp_path / "junit.xml", tmp_path / "answers.jsonl"
    async with ledger.running(Manner.HONEST) as tool:
        file, cases = written(tmp_path, tool)
        live = ("--live", "--allow-effects", "--edges", "5", "--only", "book", "--cases", cases)
        said = await program.run(
            "contract", "test", file, *live, "--junit", str(junit), "--record", str(recording)
        )
        assert "book: Passed (live" in said.output
        assert "digest of this pass: " in said.output
        (data,) = json.loads((await program.run("contract", "test", file, *live, "-o", "json")).output)
    assert data["verdict"] == "Passed"
    assert data["digest"] in said.output
    (suite,) = ElementTree.parse(junit).getroot()
    assert (suite.get("name"), suite.get("failures")) == ("book", "0")
    # the tool is gone: what it answered is enough for some questions
    judged = await program.run(
        "contract", "test", file, "--only", "book", "--recorded", str(recording), "-o", "json"
    )
    assert judged.status == 1
    (data,) = json.loads(judged.stdout)
    answers = {check["name"]: check["verdict"] for check in data["checks"]}
    assert answers["Recorded"] == answers["Answers"] == "Passed"
    assert answers["Idempotency"] == answers["Timeout"] == data["verdict"] == "NotProven"


async def test_what_is_not_proven_fails_a_build(tmp_path: Path) -> None:
    """With why, and exit 1."""
    junit = tmp_path / "junit.xml"
    async with ledger.running(Manner.HONEST) as tool:
        file, _ = written(tmp_path, tool)
        said = await program.run("contract", "test", file, "--live", "--only", "book", "--junit", str(junit))
    assert said.status == 1
    assert "book: NotProven" in said.stdout
    kinds = {failure.get("type") for failure in ElementTree.parse(junit).getroot().iter("failure")}
    assert kinds == {"NotProven"}


async def test_without_a_tool_only_the_contract_is_looked_at(tmp_path: Path) -> None:
    """Nobody is asked."""
    file, _ = written(tmp_path, Ledger(Manner.HONEST, url="http://127.0.0.1:9"))
    (data, *_) = json.loads((await program.run("contract", "test", file, "-o", "json")).output)
    assert {check["name"] for check in data["checks"]} == {"Definition", "Examples"}
    assert data["kind"] == "static"


@pytest.mark.parametrize("way", ["command", "http"])
async def test_a_tool_of_an_mcp_server_is_imported_and_proven(way: str, tmp_path: Path) -> None:
    """By HTTP everything; of a command nothing can be cut in between, and that is said."""
    script = str(HERE / "mcp_ledger.py")
    port = ports.one()
    async with sdk.serving(HERE, HERE, ["mcp_ledger", str(port)], port) as url:
        target = [url] if way == "http" else ["--", sys.executable, script]
        text = (await program.run("contract", "import", "mcp", *target)).output
        # a person reviews: the list only reads, and what may go wrong on the way is retried
        documents = list(yaml.safe_load_all(text))
        documents[1]["spec"] |= {"sideEffect": "ReadOnly", "consequenceTier": 0}
        del documents[1]["spec"]["idempotency"]
        file, cases = tmp_path / "mcp.yaml", tmp_path / "cases.yaml"
        file.write_text(yaml.safe_dump_all(documents))
        cases.write_text(yaml.safe_dump(OF_MCP))
        live = ("--live", "--allow-effects", "--edges", "3", "--only", "book", "--cases", str(cases))
        said = await program.run("contract", "test", str(file), *live, "-o", "json")
    (data,) = json.loads(said.stdout)
    answers = {check["name"]: check["verdict"] for check in data["checks"]}
    assert answers["Idempotency/Repeated"] == answers["Idempotency/AtOnce"] == "Passed", data
    expected = "Passed" if way == "http" else "NotProven"
    assert answers["Idempotency/AfterCut"] == answers["Timeout"] == expected
    assert {answers[f"Retryable/{each}"] for each in ("Timeout", "Unavailable", "ConnectionFailed")} == {
        expected
    }


MISTAKES: dict[str, tuple[list[str], str]] = {
    "a file that is not there": (["none.yaml"], "none.yaml: No such file"),
    "two sources of answers": (["FILE", "--live", "--recorded", "x"], "--live and --recorded"),
    "effects without a tool": (["FILE", "--allow-effects"], "only with --live"),
    "a contract that is not there": (["FILE", "--only", "none"], "holds no contract 'none'"),
    "cases that are none": (["FILE", "--cases", "FILE"], "FILE"),
    "a recording that is none": (["FILE", "--recorded", "FILE"], "line 1"),
    "an address that is none": (["FILE", "--egress-allowed", "10.0.0.0/99"], "--egress-allowed"),
}


async def test_contracts_may_lie_in_a_folder_as_an_import_writes_them(tmp_path: Path) -> None:
    """A file each; what helps to test one stands beside it."""
    file, cases = written(tmp_path, Ledger(Manner.HONEST, url="http://127.0.0.1:9"))
    folder = parted(Path(file))
    found = (await program.run("contract", "test", str(folder), "--cases", cases, "-o", "json")).data
    assert [each["contract"] for each in found] == ["book", "list", "undo"]
    (tmp_path / "empty").mkdir()
    said = await program.run("contract", "test", str(tmp_path / "empty"))
    assert "holds no ToolContract" in said.refused(2)


async def test_two_contracts_of_one_name_are_told(tmp_path: Path) -> None:
    """One of them would be tested, and nobody would know which."""
    file, _ = written(tmp_path, Ledger(Manner.HONEST, url="http://127.0.0.1:9"))
    doubled(Path(file))
    said = await program.run("contract", "test", file)
    assert said.status == 2
    assert said.complaint.endswith("ToolContract book stands there twice")


@pytest.mark.parametrize("sentence", MISTAKES)
async def test_a_mistake_is_answered_in_one_line(sentence: str, tmp_path: Path) -> None:
    """Exit 2, and what to do."""
    file, _ = written(tmp_path, Ledger(Manner.HONEST, url="http://127.0.0.1:9"))
    arguments, part = MISTAKES[sentence]
    said = await program.run("contract", "test", *(file if each == "FILE" else each for each in arguments))
    assert said.status == 2, said.stdout
    assert part.replace("FILE", file) in said.complaint


async def test_a_certificate_that_is_none_is_said(tmp_path: Path) -> None:
    """In one line, before anything is sent."""
    file, _ = written(tmp_path, Ledger(Manner.HONEST, url="https://127.0.0.1:9"))
    changed(Path(file), {"credentials": {"caCertificate": {"key": "ca"}}})
    (tmp_path / "ca").write_text("no certificate")
    said = await program.run("contract", "test", file, "--live", "--credentials", str(tmp_path))
    assert (said.status, said.stdout) == (2, "")
    assert said.complaint.endswith("book: the Secret's CA certificate is not valid PEM")


NOT_ACCEPTED: dict[str, tuple[dict[str, Any], str]] = {
    "a rule that does not compile": (
        {"policy": [{"name": "a", "when": "args.", "effect": "Deny"}]},
        "ExpressionInvalid: policy[0].when",
    ),
    "an address with a hole that no argument fills": (
        {"transport": {"http": {"method": "POST", "url": "https://shop.example/{none}"}}},
        "UnknownArgument: transport.http.url",
    ),
    "a tier below its side effect's": (
        {"consequenceTier": 0},
        "consequenceTier: a Reversible tool is at least tier 1",
    ),
    "a selection that does not compile": ({"present": {"select": "a["}}, "ExpressionInvalid: present.select"),
}


@pytest.mark.parametrize("sentence", NOT_ACCEPTED)
async def test_what_no_cluster_would_accept_fails_without_one(sentence: str, tmp_path: Path) -> None:
    """The operator's own checks, with their reasons."""
    fields, reason = NOT_ACCEPTED[sentence]
    file, _ = written(tmp_path, Ledger(Manner.HONEST, url="http://127.0.0.1:9"))
    changed(Path(file), fields)
    said = await program.run("contract", "test", file, "--only", "book")
    assert said.status == 1
    assert f"Definition: {reason}" in said.stdout


async def test_a_credential_that_is_missing_is_named(tmp_path: Path) -> None:
    """Before anything is sent."""
    file, _ = written(tmp_path, Ledger(Manner.HONEST, url="http://127.0.0.1:9"))
    changed(Path(file), {"credentials": {"bearer": {"key": "shop-token"}}})
    said = await program.run("contract", "test", file, "--live")
    assert said.status == 2
    assert "needs the credential shop-token: give --credentials DIR" in said.complaint
