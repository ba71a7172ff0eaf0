"""Does a call lead only where its contract lists? Names are resolved once, looked at, and connected to as they were."""

import asyncio
import ipaddress
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from keelstep.domain import egress, outcome
from keelstep_gateway.transports.egress import Egress
from tests.integration.gateway.transports import caller, server
from tests.integration.gateway.transports.caller import Caller, contract, http
from tests.integration.gateway.transports.server import Server

SECOND = "127.0.0.2"
"""Loopback too, but not the address that everybody listens on."""
ALLOWING = egress.Rules(allowed_networks=(ipaddress.ip_network(f"{SECOND}/32"),))


class Resolver:
    """Answers what it is told, one answer after the other, the last for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, _: int) -> Sequence[str]:
        """The next answer."""
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def port(web: Server) -> int:
    """A server's port."""
    return int(web.url.rpartition(":")[2])


LED: dict[str, Sequence[str]] = {
    "loopback": ["127.0.0.1"],
    "loopback of IPv6": ["::1"],
    "loopback in IPv6": ["::ffff:127.0.0.1"],
    "a private address": ["10.0.0.1"],
    "metadata": ["169.254.169.254"],
    "this network": ["0.0.0.0"],
    "a public address and loopback": ["93.184.216.34", "127.0.0.1"],
}


@pytest.mark.parametrize("answer", LED.values(), ids=LED.keys())
async def test_a_name_is_not_followed_to(web: Server, answer: Sequence[str]) -> None:
    """One address inside is enough; nothing is sent, and the message does not give it away."""
    async with caller.calling(Egress(resolve=Resolver(answer))) as calls:
        found = await calls.none(contract(http(f"http://shop.example:{port(web)}/echo")))
    assert (found.reason, found.was_sent) == ("EgressRefused", False)
    assert not any(address in found.message for address in answer)
    assert not web.received


async def test_a_name_that_is_rebound_leads_nowhere_else() -> None:
    """It is resolved once for a connection, which goes to that address; the next connection asks and looks again."""
    async with server.running(SECOND) as listed, server.running() as inside:
        resolver = Resolver([SECOND], ["127.0.0.1"])
        async with caller.calling(Egress(ALLOWING, resolver)) as calls:
            visible = {"sideEffect": "Visible", "consequenceTier": 2}  # a new connection for each call
            spec = contract(http(f"http://shop.example:{port(listed)}/echo", "POST"), **visible)
            await calls.answer(spec)
            assert listed.last.headers["Host"] == f"shop.example:{port(listed)}"
            assert resolver.asked == ["shop.example"]
            spec = contract(http(f"http://shop.example:{port(inside)}/echo", "POST"), **visible)
            found = await calls.none(spec)
            assert (found.reason, found.was_sent) == ("EgressRefused", False)
            assert not inside.received


async def test_what_was_not_looked_at_is_not_connected_to(
    web: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last step before connecting asks again, whatever the library made of the answer."""

    async def elsewhere(*_: Any, **__: Any) -> list[Mapping[str, Any]]:
        return [
            {"hostname": "x", "host": "127.0.0.1", "port": port(web), "family": 2, "proto": 6, "flags": 0}
        ]

    monkeypatch.setattr("keelstep_gateway.transports.egress._Resolver.resolve", elsewhere)
    async with caller.calling() as calls:
        found = await calls.none(contract(http(f"http://shop.example:{port(web)}/echo")))
    assert (found.reason, found.was_sent) == ("EgressRefused", False)
    assert not web.received


HOSTS = {
    "a metadata address": ("http://169.254.169.254/latest", "EgressRefused"),
    "a private address": ("http://10.0.0.1/", "EgressRefused"),
    "the API server": ("https://kubernetes.default.svc/", "EgressRefused"),
    "an address in another form": ("http://2130706433/", "AddressInvalid"),
    "an address behind a user": ("http://shop.example@127.0.0.1/", "AddressInvalid"),
}


@pytest.mark.parametrize("transport", ["http", "mcp"])
@pytest.mark.parametrize(("url", "reason"), HOSTS.values(), ids=HOSTS.keys())
async def test_no_transport_leads_to(calls: Caller, transport: str, url: str, reason: str) -> None:
    """Whatever the contract lists."""
    described = http(url) if transport == "http" else {"mcp": {"tool": "t", "http": {"url": url}}}
    found = await calls.none(contract(described))
    assert (found.reason, found.was_sent) == (reason, False)


async def test_no_token_is_fetched_from_inside(calls: Caller, web: Server) -> None:
    """The issuer's address is the contract's, too."""
    oauth2 = {"tokenURL": "http://169.254.169.254/token", "clientID": "c", "key": "k"}
    spec = contract(http(f"{web.url}/echo"), credentials={"oauth2": oauth2})
    found = await calls.none(spec, secrets={"k": "oauth-canary"})
    assert (found.reason, found.was_sent) == ("EgressRefused", False)
    assert not web.received


async def test_a_redirect_is_an_answer_where_the_contract_follows_none(calls: Caller, web: Server) -> None:
    """The default."""
    assert (await calls.answer(contract(http(f"{web.url}/away")))).status == 302


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_read_follows_a_redirect_on_its_own_host(calls: Caller, web: Server, status: int) -> None:
    """With its credential, as it is the same origin."""
    spec = contract(
        http(f"{web.url}/away/{status}", maxRedirects=1), credentials={"bearer": {"key": "token"}}
    )
    assert (await calls.answer(spec, secrets={"token": "of-this-test"})).status == 200
    assert (web.last.path, web.last.headers["Authorization"]) == ("/echo/there", "Bearer of-this-test")


async def test_a_write_is_repeated_only_where_the_redirect_asks_for_it(calls: Caller, web: Server) -> None:
    """307 and 308 keep method and body, 303 asks for the answer; what else a server may mean is no answer to a write."""
    write = {"sideEffect": "Visible", "consequenceTier": 2}
    for status, expected in ((307, ("POST", b'{"n":1}')), (308, ("POST", b'{"n":1}')), (303, ("GET", b""))):
        await calls.answer(
            contract(http(f"{web.url}/away/{status}", "POST", maxRedirects=1), **write), {"n": 1}
        )
        assert (web.last.method, web.last.body) == expected
    for status in (301, 302):
        found = await calls.none(
            contract(http(f"{web.url}/away/{status}", "POST", maxRedirects=1), **write), {"n": 1}
        )
        assert (found.reason, found.was_sent) == ("RedirectRefused", True)


@pytest.mark.parametrize("status", [400, 404, 409, 500])
async def test_what_a_redirected_write_leads_to_does_not_prove_that_nothing_happened(
    calls: Caller, web: Server, status: int
) -> None:
    """The write was answered 303: whatever the read answers that this leads to, the write may have been done."""
    web.away = f"{web.url}/status/{status}"
    spec = contract(
        http(f"{web.url}/away/303", "POST", maxRedirects=1),
        sideEffect="Visible",
        consequenceTier=2,
        failurePolicy={"notPerformed": [400, 404, 409]},
    )
    found = await calls.none(spec, {"n": 1})
    assert found.was_sent
    assert outcome.judge(spec, found).status == "unknown"
    assert [each.method for each in web.received] == ["POST", "GET"]


async def test_a_redirect_to_a_listed_host_carries_no_credential(web: Server) -> None:
    """Another origin never sees it."""
    async with server.running(SECOND) as other:
        web.away = f"{other.url}/echo/there"
        async with caller.calling(Egress(ALLOWING)) as calls:
            described = http(f"{web.url}/away", maxRedirects=1, redirectHosts=[SECOND])
            spec = contract(described, credentials={"header": {"name": "X-Api-Key", "key": "token"}})
            await calls.answer(spec, secrets={"token": "of-this-test"})
    assert "X-Api-Key" in web.last.headers
    assert "X-Api-Key" not in other.last.headers


async def test_a_redirect_that_leads_elsewhere_is_refused(calls: Caller, web: Server) -> None:
    """To a host that is not listed, to one that nobody may be led to, to what is no address, round and round."""
    for away in (
        "http://shop.example/",
        "//shop.example/x",
        "http://169.254.169.254/",
        "http://2130706433/",
        "file:///etc/passwd",
        "http://[",
        "http://127.0.0.1:99999/",
        "//:-1/",
    ):
        web.away = away
        described = http(f"{web.url}/away", maxRedirects=2, redirectHosts=["169.254.169.254"])
        found = await calls.none(contract(described))
        assert (found.reason, found.was_sent) == ("RedirectRefused", True), away
    web.received.clear()
    found = await calls.none(contract(http(f"{web.url}/loop", maxRedirects=3)))
    assert found.reason == "RedirectRefused"
    assert len(web.received) == 4


async def test_a_certificate_is_checked(calls: Caller, tls: ssl.SSLContext) -> None:
    """One that nobody vouches for proves nothing."""
    async with server.running(tls=tls) as web:
        found = await calls.none(contract(http(f"{web.url}/echo")))
    assert (found.reason, found.was_sent) == ("TlsFailed", False)
    assert not web.received


async def test_a_redirect_to_plain_http_is_refused(
    calls: Caller, web: Server, tls: ssl.SSLContext, authority: str
) -> None:
    """What was encrypted stays so."""
    async with server.running(tls=tls) as secure:
        secure.away = f"{web.url}/echo"
        spec = contract(
            http(f"{secure.url}/away", maxRedirects=1), credentials={"caCertificate": {"key": "ca.crt"}}
        )
        found = await calls.none(spec, secrets={"ca.crt": authority})
    assert found.reason == "RedirectRefused"
    assert not web.received


async def test_ipv6_is_spoken(calls: Caller) -> None:
    """Where the machine has it."""
    try:
        probe = await asyncio.start_server(lambda _, __: None, "::1", 0)
    except OSError:
        pytest.skip("this machine has no IPv6")
    probe.close()
    async with server.running("::1") as web:
        found = await calls.answer(contract(http(f"http://[::1]:{port(web)}/echo")))
    assert found.status == 200
