"""What does `keelstep contract import openapi` write, and what does it leave alone? Typed as a person types it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from keelstep.kinds.contract import ToolContractSpec
from tests.integration.cli import program

DOCUMENT = """
openapi: 3.1.0
info: {title: Shop, version: 2026-11-21}
servers: [{url: /v1}]
paths:
  /orders/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    get:
      operationId: getOrder
      summary: Look up one order.
      responses: {"200": {description: ok, content: {application/json: {schema: {type: object}}}}}
    delete:
      operationId: cancelOrder
      summary: Cancel an order.
      responses: {"204": {description: gone}, "404": {description: none}}
  /orders.csv:
    get: {responses: {"200": {description: ok, content: {text/csv: {}}}}}
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    """The document in a file."""
    found = tmp_path / "shop.yaml"
    found.write_text(DOCUMENT)
    return str(found)


@contextlib.asynccontextmanager
async def serving(text: str) -> AsyncIterator[str]:
    """The address of a document."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=text)

    app = web.Application()
    app.router.add_get("/{name}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/shop.yaml"
    finally:
        await runner.cleanup()


async def test_contracts_are_written_one_file_each_and_what_is_left_out_is_said(
    file: str, tmp_path: Path
) -> None:
    """Exit 1 because of what was left out; the rest is there."""
    folder = tmp_path / "contracts"
    server = ("--server", "https://shop.example", "-n", "refunds")
    said = await program.run(
        "contract", "import", "openapi", file, *server, "--name-prefix", "shop", "-o", str(folder)
    )
    assert said.status == 1
    assert said.complaint == "2 contracts to review, 1 left out"
    assert "left out GET /orders.csv: it answers text/csv, not JSON" in said.stderr
    names = await asyncio.to_thread(lambda: sorted(each.name for each in folder.iterdir()))
    assert names == ["shop.cancel-order.yaml", "shop.get-order.yaml"]
    document = yaml.safe_load(await asyncio.to_thread((folder / "shop.cancel-order.yaml").read_text))
    assert document["metadata"] == {"name": "shop.cancel-order", "namespace": "refunds"}
    spec = ToolContractSpec.model_validate(document["spec"])
    assert (spec.side_effect, spec.failure_policy.not_performed) == ("Irreversible", [404])


async def test_what_a_person_corrected_is_not_overwritten(file: str, tmp_path: Path) -> None:
    """Unless they say so."""
    arguments = (
        "import",
        "openapi",
        file,
        "--server",
        "https://shop.example",
        "--only",
        "getOrder",
        "-o",
        str(tmp_path),
    )
    assert (await program.run("contract", *arguments)).status == 0
    corrected = tmp_path / "get-order.yaml"
    await asyncio.to_thread(corrected.write_text, "corrected")
    again = await program.run("contract", *arguments)
    assert (again.status, again.complaint) == (1, "0 contracts to review, 1 left out")
    assert await asyncio.to_thread(corrected.read_text) == "corrected"
    assert (await program.run("contract", *arguments, "--overwrite")).status == 0
    assert "getOrder" not in await asyncio.to_thread(corrected.read_text)


async def test_a_document_is_read_from_its_address_and_names_its_server_from_there() -> None:
    """A server's path is relative to where the document lies."""
    async with serving(DOCUMENT) as url:
        said = await program.run("contract", "import", "openapi", url, "--only", "getOrder")
    document = yaml.safe_load(said.output)
    assert document["spec"]["transport"]["http"]["url"] == url.replace("/shop.yaml", "/v1/orders/{id}")


MISTAKES: dict[str, tuple[list[str], int, str]] = {
    "a file that is not there": (["none.yaml"], 2, "none.yaml cannot be read"),
    "an address where nobody listens": (["http://127.0.0.1:9/x"], 5, "cannot be read: Connection refused"),
    "a server that is none": (["FILE", "--server", "shop.example"], 2, "--server: an address"),
    "a prefix of which nothing is left": (["FILE", "--name-prefix", "…"], 2, "--name-prefix"),
    "a glob that matches nothing": (["FILE", "--only", "refund*"], 1, "nothing matches 'refund*'"),
    "a folder that cannot be one": (
        ["FILE", "--only", "getOrder", "--server", "http://a", "-o", "FILE"],
        2,
        "--output",
    ),
}


@pytest.mark.parametrize("sentence", MISTAKES)
async def test_a_mistake_is_answered_in_one_line(sentence: str, file: str) -> None:
    """And what to do."""
    arguments, status, part = MISTAKES[sentence]
    said = await program.run(
        "contract", "import", "openapi", *(file if each == "FILE" else each for each in arguments)
    )
    assert said.status == status, said.stderr
    assert part in said.complaint


async def test_a_document_that_is_not_one_is_refused() -> None:
    """With what to do."""
    async with serving('{"swagger": "2.0"}') as url:
        said = await program.run("contract", "import", "openapi", url)
    assert said.status == 2
    assert "convert it to OpenAPI 3" in said.complaint


async def test_contracts_of_http_are_compared_with_the_document(file: str, tmp_path: Path) -> None:
    """Same; changed, with the place; gone."""
    page = tmp_path / "contracts.yaml"
    said = await program.run(
        "contract", "import", "openapi", file, "--server", "https://shop.example/v1", "--only", "*Order"
    )
    await asyncio.to_thread(page.write_text, said.output)
    assert (await program.run("contract", "diff", str(page), "--openapi", file)).status == 0
    changed = DOCUMENT.replace("{type: object}", "{type: array}").replace("    delete:", "    trace:")
    async with serving(changed) as url:
        again = await program.run("contract", "diff", str(page), "--openapi", url)
    assert again.status == 1
    assert again.stdout.splitlines() == [
        "get-order (GET /orders/{id}): Drifted",
        '  ~ output.type: "object" → "array"',
        "cancel-order (DELETE https://shop.example/v1/orders/{id}): Missing",
    ]
