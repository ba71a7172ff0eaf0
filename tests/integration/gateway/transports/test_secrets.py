"""Does a secret ever leave the gateway but to its tool? Canaries, through every way to fail, and a search of everything.

Searched are the broker's own files (every stream, and what was deleted from them), every table of Postgres, what the
gateway logged and what it measures: for each canary as it is, in JSON's escapes, percent-encoded, in hexadecimal and in
base64.
"""

import base64
import json
import secrets
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import aiohttp
import asyncpg  # type: ignore[import-untyped]  # it ships none
import pytest
from aiohttp import web as aioweb

from keelstep.log.identities import Role
from keelstep.store import migrate, postgres
from keelstep.store.projector import Projector
from keelstep.testing import ports
from keelstep.testing.postgres import RunningPostgres
from tests.integration.gateway.driver import Run, Spec, Stage
from tests.integration.gateway.programs import Fleet
from tests.integration.gateway.transports import server
from tests.integration.gateway.transports.server import Server
from tests.integration.gateway.transports.test_mcp_commands import PROGRAM
from tests.integration.gateway.transports.test_mcp_http import McpServer, serving

MARKER = "a-marker-that-is-stored"
"""An argument: that it is found shows that the search finds."""


def encoded(text: str) -> Iterator[bytes]:
    """A text as it may stand in bytes."""
    yield text.encode()
    yield json.dumps(text)[1:-1].encode()
    yield json.dumps(json.dumps(text))[3:-3].encode()
    yield quote(text).encode()
    yield quote(text, safe="").encode()
    yield quote_plus(text).encode()
    yield text.encode().hex().encode()
    for before in (b"", b"x", b"xy"):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            # without the characters in which the neighbours have a part
            yield encode(before + text.encode()).rstrip(b"=")[4 if before else 0 : -4]


def found_in(payload: bytes, canaries: Mapping[str, str]) -> list[str]:
    """Which canaries stand there, in any form."""
    return [name for name, canary in canaries.items() if any(form in payload for form in encoded(canary))]


def test_the_search_finds_every_form() -> None:
    """A search that finds nothing proves nothing."""
    canary = 'cnry-"7+/=\\Zx%&q'
    hiding = [
        canary.encode(),
        json.dumps({"a": canary}).encode(),
        json.dumps({"a": json.dumps({"b": canary})}).encode(),
        quote(canary).encode(),
        canary.encode().hex().encode(),
        *(base64.b64encode(f"{before}{canary}:after".encode()) for before in ("", "u", "us", "use", "user")),
    ]
    for each in hiding:
        assert found_in(each, {"canary": canary}), each


@pytest.fixture
def canaries() -> dict[str, str]:
    """Secrets as people make them: with characters that encodings change."""
    names = ("bearer", "header", "password", "oauth", "unreadable", "pem", "variable", "served")
    return {name: f'cnry-{secrets.token_hex(8)}"+/={name}\\%&' for name in names}


def http(web: Server, how: str, credentials: Spec, **fields: Any) -> Spec:
    """A contract by HTTP."""
    described = {"method": "GET", "url": f"{web.url}/{how}", **fields}
    return _spec({"http": described}, credentials)


def command(mode: str, folder: Path) -> Spec:
    """A contract of a tool of a command, which is told the canary."""
    environment = [{"name": "CANARY", "key": "variable"}]
    words = [sys.executable, PROGRAM, mode, str(folder / "notes")]
    return _spec({"mcp": {"tool": "t", "stdio": {"command": words, "environment": environment}}}, {})


def served(bad: McpServer) -> Spec:
    """A contract of a tool by MCP over HTTP."""
    return _spec({"mcp": {"tool": "t", "http": {"url": bad.url}}}, {"bearer": {"key": "served"}})


def _spec(transport: Spec, credentials: Spec) -> Spec:
    return {
        "description": "x",
        "schema": {"input": {"type": "object"}, "output": {}},
        "sideEffect": "ReadOnly",
        "consequenceTier": 0,
        "timeoutSeconds": 30,
        "transport": transport,
        "credentials": credentials,
    }


def every_way(web: Server, bad: McpServer, issuer: str, folder: Path) -> dict[str, tuple[Spec, str]]:
    """Contracts by name, and the reason their calls fail for, or nothing."""
    bearer, header = {"bearer": {"key": "bearer"}}, {"header": {"name": "X-Key", "key": "header"}}
    basic = {"basic": {"username": "ann", "key": "password"}}

    def oauth(path: str, **fields: str) -> Spec:
        return {"oauth2": {"tokenURL": f"{issuer}/{path}", "clientID": "c", "key": "oauth", **fields}}

    ca = {"caCertificate": {"key": "pem"}}
    mutual = {"clientCertificate": {"certificateKey": "pem", "privateKeyKey": "pem"}}
    return {
        "echo-bearer": (http(web, "echo", bearer), ""),
        "echo-header": (http(web, "echo", header), ""),
        "echo-basic": (http(web, "echo", basic), ""),
        "echo-oauth": (http(web, "echo", oauth("token")), ""),
        "echo-body": (http(web, "echo", oauth("token", authentication="Body")), ""),
        "refused": (http(web, "status/401", bearer), "Refused"),
        "down": (http(web, "status/503", header), "Unavailable"),
        "html": (http(web, "html", bearer), "OutputInvalid"),
        "large": (http(web, "large", bearer), "ResponseTooLarge"),
        "bomb": (http(web, "bomb", bearer), "ResponseTooLarge"),
        "half": (http(web, "half", bearer), "ConnectionFailed"),
        "cut": (http(web, "cut", basic), "ConnectionFailed"),
        "drip": (http(web, "drip", header) | {"timeoutSeconds": 1}, "Timeout"),
        "redirect": (http(web, "away", bearer, maxRedirects=1), "RedirectRefused"),
        "off-schema": (
            http(web, "echo", bearer)
            | {"schema": {"input": {"type": "object"}, "output": {"type": "array"}}},
            "OutputInvalid",
        ),
        "mapping": (http(web, "echo", bearer, response="body.missing"), "OutputInvalid"),
        "inside": (http(Server("http://10.0.0.1"), "x", bearer), "EgressRefused"),
        "unsendable": (http(web, "echo", {"bearer": {"key": "unreadable"}}), "RequestInvalid"),
        "no-token": (http(web, "echo", oauth("refuses")), "TokenRefused"),
        "odd-token": (http(web, "echo", oauth("echoes")), "TokenRefused"),
        "no-issuer": (http(web, "echo", oauth("cut")), "TokenUnavailable"),
        "ca": (http(web, "echo", ca), "CertificateInvalid"),
        "mutual": (http(web, "echo", mutual), "CertificateInvalid"),
        "command-echo": (command("environment", folder), ""),
        "command-progress": (command("progress", folder), ""),
        "command-leaks": (command("leaks", folder), "ToolFailed"),
        "command-fails": (command("fails", folder), "ToolFailed"),
        "command-dies": (command("dies", folder), "ConnectionFailed"),
        "command-silent": (command("silent", folder) | {"timeoutSeconds": 5}, "Timeout"),
        "command-large": (command("large", folder), "ResponseTooLarge"),
        "command-nonsense": (command("nonsense", folder), "OutputInvalid"),
        "command-refused": (command("echo", folder / "x y"), "CommandRefused"),
        "mcp-dies": (served(bad), "ConnectionFailed"),
    }


@pytest.fixture
def searched(tmp_path: Path) -> Path:
    """A folder for this test's own."""
    (tmp_path / "tools").mkdir()
    return tmp_path / "tools"


async def test_no_secret_is_found_anywhere(
    own_stage: Stage,
    own_fleet: Fleet,
    strategy: Spec,
    tenant: str,
    canaries: dict[str, str],
    searched: Path,
) -> None:
    """Whatever fails, however it fails: not in a stream, not in a table, not in a log line."""
    for name, canary in canaries.items():
        own_fleet.grant(tenant, name, canary if name != "unreadable" else f"{canary}\x00\nü")
    listed = searched / "commands.yaml"
    words = json.dumps([sys.executable, PROGRAM, "*", str(searched / "notes")])
    listed.write_text(f"commands: [{{command: {words}, environment: [CANARY]}}]")
    async with server.running() as web, serving() as bad, _issuer(canaries) as issuer:
        web.away = "http://other.example/"
        bad.mode = "dies"
        ways = every_way(web, bad, issuer, searched)
        strategy["tools"] = [{"contract": name} for name in ways]
        strategy["limits"] = {**strategy.get("limits", {}), "toolCalls": 100, "steps": 200}
        port = ports.one()
        async with own_fleet.gateway(
            stdio_commands=str(listed), log_level="DEBUG", metrics_port=str(port)
        ) as gateway:
            run = await Run.start(
                own_stage, tenant, strategy, {name: spec for name, (spec, _) in ways.items()}
            )
            plan = await run.plan(*((name, {"note": MARKER}) for name in ways))
            for index, (name, (_, reason)) in enumerate(ways.items()):
                result = await run.result(plan, index)
                told = result.error.reason if result.error is not None else ""
                assert told == reason, (name, result.error)
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{port}/metrics") as response,
            ):
                measured = await response.read()
        sent = b"".join(json.dumps(each.headers).encode() + each.body for each in web.received)
    assert {"bearer", "header", "password"} <= set(found_in(sent, canaries))  # they did go to the tool

    stored = b"".join(path.read_bytes() for path in own_stage.broker.folder.rglob("*.blk") if path.is_file())
    assert found_in(stored, {"marker": MARKER}) == ["marker"]
    assert found_in(stored, {**canaries, "minted": "minted-cnry-token"}) == []
    assert b"agent_tool_errors_total" in measured
    assert found_in(measured, {**canaries, "minted": "minted-cnry-token"}) == []
    logged = gateway.output.read_bytes()
    assert b"tool_called" in logged
    assert found_in(logged, {**canaries, "minted": "minted-cnry-token"}) == []
    rows = await _rows(own_stage)
    assert run.xid.encode() in rows
    assert found_in(rows, {**canaries, "minted": "minted-cnry-token"}) == []


async def _rows(stage: Stage) -> bytes:
    """Every row of every table, once the projector has read everything."""
    async with RunningPostgres() as running:
        dsn = await running.new_database()
        async with postgres.connected(dsn, "migrate") as first:
            await migrate.migrate(first)
        nc = await stage.broker.connect(Role.PROJECTOR)
        projector = Projector(nc=nc, dsn=dsn, keyring=stage.broker.installation.keyring)
        await projector.run(until_caught_up=True)
        connection = await asyncpg.connect(dsn)
        try:
            tables = await connection.fetch(
                "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables"
                " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            )
            found = b""
            for table in tables:
                for row in await connection.fetch(f"SELECT t.*, t::text AS whole FROM {table['name']} AS t"):
                    found += b"\n".join(
                        value if isinstance(value, bytes) else str(value).encode() for value in row.values()
                    )
            return found
        finally:
            await connection.close()


class _Issuer:
    """Issues tokens, or answers with what it was sent."""

    def __init__(self, canaries: Mapping[str, str]) -> None:
        self.canaries = canaries
        self.runner: aioweb.AppRunner | None = None

    async def __aenter__(self) -> str:
        async def token(_: aioweb.Request) -> aioweb.Response:
            return aioweb.json_response({"access_token": "minted-cnry-token", "expires_in": 300})

        async def refuses(request: aioweb.Request) -> aioweb.Response:
            text = f"{request.headers.get('Authorization')} {self.canaries['oauth']}"
            return aioweb.json_response({"error": "invalid_client", "error_description": text}, status=400)

        async def echoes(_: aioweb.Request) -> aioweb.Response:
            answer = {"access_token": self.canaries["oauth"] + "\n", "token_type": self.canaries["oauth"]}
            return aioweb.json_response(answer)

        async def cut(request: aioweb.Request) -> aioweb.Response:
            assert request.transport is not None
            request.transport.abort()
            return aioweb.Response()

        app = aioweb.Application()
        app.add_routes([aioweb.post(f"/{each.__name__}", each) for each in (token, refuses, echoes, cut)])
        self.runner = aioweb.AppRunner(app, shutdown_timeout=0.1)
        await self.runner.setup()
        await aioweb.TCPSite(self.runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self.runner.addresses[0][1]}"

    async def __aexit__(self, *_: object) -> None:
        assert self.runner is not None
        await self.runner.cleanup()


_issuer = _Issuer
