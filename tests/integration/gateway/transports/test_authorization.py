"""How does a call prove who it is, and the tool who it is? With what the tenant's Secret holds under the contract's keys."""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import pytest_asyncio
from aiohttp import web as aioweb

from keelstep.domain import canonical
from keelstep.kinds.contract import ToolContractSpec
from tests.integration.gateway.transports import certificates, server
from tests.integration.gateway.transports.caller import Caller, contract, http
from tests.integration.gateway.transports.certificates import Authority
from tests.integration.gateway.transports.server import Server

SECRET = "of-this-test-only"

HEADERS: dict[str, tuple[dict[str, Any], str, str]] = {
    "a bearer token": ({"bearer": {"key": "k"}}, "Authorization", f"Bearer {SECRET}"),
    "a header of its own": ({"header": {"name": "X-Api-Key", "key": "k"}}, "X-Api-Key", SECRET),
    "a user and a password": (
        {"basic": {"username": "ann", "key": "k"}},
        "Authorization",
        f"Basic {base64.b64encode(f'ann:{SECRET}'.encode()).decode()}",
    ),
}


@pytest.mark.parametrize("case", HEADERS.values(), ids=HEADERS.keys())
async def test_a_call_carries(calls: Caller, web: Server, case: tuple[dict[str, Any], str, str]) -> None:
    """As the contract says, whatever else it sends; and an answer that repeats it does not give it away."""
    credentials, name, expected = case
    described = http(f"{web.url}/echo", headers=[{"name": name.lower(), "value": "not this"}])
    found = await calls.answer(contract(described, credentials=credentials), secrets={"k": SECRET})
    assert web.last.headers[name] == expected
    echoed = canonical.loads(found.body)["headers"][name]
    assert SECRET not in echoed
    assert expected.rpartition(" ")[2] not in echoed


async def test_a_secret_that_no_header_may_hold_makes_no_request(calls: Caller, web: Server) -> None:
    """And is not repeated in the message."""
    spec = contract(http(f"{web.url}/echo"), credentials={"bearer": {"key": "k"}})
    found = await calls.none(spec, secrets={"k": "canary\r\nX: y"})
    assert (found.reason, found.was_sent) == ("RequestInvalid", False)
    assert "canary" not in found.message
    assert not web.received


@dataclass(slots=True)
class Issuer:
    """Issues tokens as it is told, and remembers who asked."""

    url: str = ""
    answer: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    asked: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)
    is_open: asyncio.Event = field(default_factory=asyncio.Event)

    async def token(self, request: aioweb.Request) -> aioweb.Response:
        """A token that counts."""
        self.asked.append((request.headers.get("Authorization", ""), parse_qs(await request.text())))
        number = len(self.asked)
        await self.is_open.wait()
        token = {"access_token": f"minted-token-{number}", "token_type": "Bearer", **self.answer}
        return aioweb.json_response(token, status=self.status)


@pytest_asyncio.fixture(loop_scope="session")
async def issuer() -> AsyncIterator[Issuer]:
    """An issuer of this test's own."""
    found = Issuer(answer={"expires_in": 300})
    found.is_open.set()
    app = aioweb.Application()
    app.router.add_post("/token", found.token)
    runner = aioweb.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await aioweb.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/token"
    yield found
    await runner.cleanup()


def with_token(web: Server, issuer: Issuer, path: str = "echo", **fields: Any) -> ToolContractSpec:
    """A contract that needs a token."""
    oauth2 = {"tokenURL": issuer.url, "clientID": "keelstep", "key": "k", **fields}
    return contract(http(f"{web.url}/{path}"), credentials={"oauth2": oauth2})


async def test_a_token_is_asked_for_by_scope_audience_and_resource(
    calls: Caller, web: Server, issuer: Issuer
) -> None:
    """With the client's credentials in the header, both of them form-encoded; the call carries what came."""
    named: dict[str, Any] = {
        "scopes": ["orders.read", "orders.write"],
        "audience": "orders",
        "resource": "https://orders.example",
    }
    await calls.answer(with_token(web, issuer, **named), secrets={"k": "a b/c:d"})
    ((authorization, asked),) = issuer.asked
    assert base64.b64decode(authorization.removeprefix("Basic ")) == b"keelstep:a+b%2Fc%3Ad"
    assert asked == {
        "grant_type": ["client_credentials"],
        "scope": ["orders.read orders.write"],
        "audience": ["orders"],
        "resource": ["https://orders.example"],
    }
    assert web.last.headers["Authorization"] == "Bearer minted-token-1"


async def test_a_token_is_asked_for_with_the_secret_in_the_body(
    calls: Caller, web: Server, issuer: Issuer
) -> None:
    """Where the contract says that the issuer wants it there."""
    await calls.answer(with_token(web, issuer, authentication="Body"), secrets={"k": "a b"})
    ((authorization, asked),) = issuer.asked
    assert authorization == ""
    assert asked == {
        "grant_type": ["client_credentials"],
        "client_id": ["keelstep"],
        "client_secret": ["a b"],
    }


async def test_a_token_is_used_until_shortly_before_it_expires(
    calls: Caller, web: Server, issuer: Issuer
) -> None:
    """One that does not say how long it lives is used once."""
    for _ in range(3):
        await calls.answer(with_token(web, issuer), secrets={"k": SECRET})
    assert len(issuer.asked) == 1
    issuer.answer = {}
    for _ in range(2):
        await calls.answer(with_token(web, issuer, audience="other"), secrets={"k": SECRET})
    assert len(issuer.asked) == 3
    issuer.answer = {"expires_in": 0.2}
    spec = with_token(web, issuer, audience="short")
    await calls.answer(spec, secrets={"k": SECRET})
    async with asyncio.timeout(60):
        while len(issuer.asked) < 5:
            await calls.answer(spec, secrets={"k": SECRET})


async def test_a_token_is_one_scopes_one_audiences_and_one_secrets(
    calls: Caller, web: Server, issuer: Issuer
) -> None:
    """A rotated secret takes effect with the next call."""
    for named, secret in (({}, "one"), ({"scopes": ["a"]}, "one"), ({"audience": "a"}, "one"), ({}, "two")):
        await calls.answer(with_token(web, issuer, **named), secrets={"k": secret})
    assert len(issuer.asked) == 4
    await calls.answer(with_token(web, issuer), secrets={"k": "two"})
    assert len(issuer.asked) == 4


async def test_calls_at_once_share_one_request_for_a_token(
    calls: Caller, web: Server, issuer: Issuer
) -> None:
    """One of them that gives up takes nothing from the others."""
    issuer.is_open.clear()
    spec = with_token(web, issuer)
    impatient = asyncio.create_task(calls.call(spec, secrets={"k": SECRET}, timeout_seconds=0.2))
    others = [asyncio.create_task(calls.answer(spec, secrets={"k": SECRET})) for _ in range(5)]
    assert getattr(await impatient, "reason", "") == "Timeout"
    issuer.is_open.set()
    await asyncio.gather(*others)
    assert len(issuer.asked) == 1


async def test_a_token_that_the_tool_does_not_accept_is_forgotten(
    calls: Caller, web: Server, issuer: Issuer
) -> None:
    """The next call gets another."""
    await calls.answer(with_token(web, issuer, "status/401"), secrets={"k": SECRET})
    await calls.answer(with_token(web, issuer), secrets={"k": SECRET})
    assert web.last.headers["Authorization"] == "Bearer minted-token-2"


TOKENS: dict[str, tuple[int, dict[str, Any], str]] = {
    "refuses": (401, {}, "TokenRefused"),
    "wants fewer requests": (429, {}, "TokenUnavailable"),
    "is down": (503, {}, "TokenUnavailable"),
    "answers another kind of token": (200, {"token_type": "mac"}, "TokenRefused"),
    "answers no token": (200, {"access_token": None}, "TokenRefused"),
    "answers a token that no header may hold": (200, {"access_token": "a\r\nb"}, "TokenRefused"),
    "answers a token beyond ASCII": (200, {"access_token": "ü"}, "TokenRefused"),
}


@pytest.mark.parametrize("case", TOKENS.values(), ids=TOKENS.keys())
async def test_no_call_is_made_where_the_issuer(
    calls: Caller, web: Server, issuer: Issuer, case: tuple[int, dict[str, Any], str]
) -> None:
    """Nothing was sent to the tool, and the next call asks again."""
    issuer.status, answer, reason = case
    issuer.answer |= answer
    for _ in range(2):
        found = await calls.none(with_token(web, issuer), secrets={"k": SECRET})
        assert (found.reason, found.was_sent) == (reason, False)
    assert len(issuer.asked) == 2
    assert not web.received


async def test_no_call_is_made_where_the_issuer_is_gone(calls: Caller, web: Server, issuer: Issuer) -> None:
    """The same."""
    issuer.url = "http://127.0.0.1:9/token"
    found = await calls.none(with_token(web, issuer), secrets={"k": SECRET})
    assert (found.reason, found.error_class, found.was_sent) == (
        "TokenUnavailable",
        "ConnectionFailed",
        False,
    )


@contextlib.asynccontextmanager
async def asking_clients(vouching: Authority, folder: Path) -> AsyncIterator[Server]:
    """A server that lets in who has a certificate of the authority."""
    issued = vouching.issue("shop.example", "127.0.0.1")
    async with server.running(tls=certificates.server_side(issued, folder, vouching.pem)) as found:
        yield found


CA = {"caCertificate": {"key": "ca.crt"}}
MUTUAL = {**CA, "clientCertificate": {"certificateKey": "tls.crt", "privateKeyKey": "tls.key"}}


async def test_a_tool_is_trusted_by_the_contracts_own_authority(
    calls: Caller, tls: ssl.SSLContext, authority: str
) -> None:
    """And by no other: another authority's word does not count."""
    async with server.running(tls=tls) as web:
        spec = contract(http(f"{web.url}/echo"), credentials=CA)
        assert (await calls.answer(spec, secrets={"ca.crt": authority})).status == 200
        found = await calls.none(spec, secrets={"ca.crt": Authority().pem})
        assert (found.reason, found.was_sent) == ("TlsFailed", False)


async def test_a_certificate_for_another_name_is_refused(
    calls: Caller, vouching: Authority, tmp_path: Path
) -> None:
    """Whoever signed it."""
    other = certificates.server_side(vouching.issue("other.example", "127.0.0.9"), tmp_path)
    async with server.running(tls=other) as web:
        found = await calls.none(
            contract(http(f"{web.url}/echo"), credentials=CA), secrets={"ca.crt": vouching.pem}
        )
    assert (found.reason, found.was_sent) == ("TlsFailed", False)


async def test_a_client_certificate_is_shown(calls: Caller, vouching: Authority, tmp_path: Path) -> None:
    """Beside any other credential; without it the tool lets nobody in."""
    shown = vouching.issue("keelstep")
    secrets = {"ca.crt": vouching.pem, "tls.crt": shown.certificate, "tls.key": shown.key, "k": SECRET}
    async with asking_clients(vouching, tmp_path) as web:
        spec = contract(http(f"{web.url}/echo"), credentials={**MUTUAL, "bearer": {"key": "k"}})
        found = await calls.answer(spec, secrets=secrets)
        assert found.status == 200
        assert web.last.headers["Authorization"] == f"Bearer {SECRET}"
        without = await calls.none(contract(http(f"{web.url}/echo"), credentials=CA), secrets=secrets)
        assert without.reason in ("TlsFailed", "ConnectionFailed")  # TLS 1.3 tells it with the first answer
        assert len(web.received) == 1


BAD_PEM = {
    "no PEM": ("ca.crt", "not a certificate"),
    "a key of another certificate": ("tls.key", Authority().issue("x").key),
    "no key": ("tls.key", "not a key"),
}


@pytest.mark.parametrize(("key", "text"), BAD_PEM.values(), ids=BAD_PEM.keys())
async def test_no_call_is_made_with(
    calls: Caller, web: Server, vouching: Authority, key: str, text: str
) -> None:
    """The message names what is wrong and shows nothing of it."""
    shown = vouching.issue("keelstep")
    secrets = {"ca.crt": vouching.pem, "tls.crt": shown.certificate, "tls.key": shown.key, key: text}
    found = await calls.none(contract(http(f"{web.url}/echo"), credentials=MUTUAL), secrets=secrets)
    assert (found.reason, found.was_sent) == ("CertificateInvalid", False)
    assert text not in found.message
    assert not web.received
