"""What leaves the gateway? What a strategy and a contract say is what the model's and the tool's servers receive."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from keelstep.domain import canonical
from keelstep.kinds.contract import ToolContractSpec
from keelstep_gateway.transports.egress import Egress
from keelstep_gateway.transports.router import Router
from keelstep_gateway.transports.transport import Call
from tests.integration.gateway import programs
from tests.integration.gateway.driver import Run, Spec, Stage, conversation
from tests.integration.gateway.programs import Fleet

COMPLETION = {
    "id": "c",
    "object": "chat.completion",
    "created": 0,
    "model": "shop-scripted-1",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello."}}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
}
TOKEN = "of-this-test-only"


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass(slots=True)
class Server:
    """Answers every request as a model or a tool might, and remembers it."""

    url: str = ""
    received: list[Received] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        """Any request."""
        payload = await request.read()
        body = canonical.loads(payload) if payload else None
        self.received.append(Received(request.method, request.path_qs, dict(request.headers), body))
        return web.json_response(COMPLETION if request.path.endswith("/chat/completions") else {"id": "1"})

    def of(self, path: str) -> Received:
        """The only request for an address that ends so."""
        (found,) = [each for each in self.received if each.path.endswith(path)]
        return found


@pytest_asyncio.fixture(loop_scope="session")
async def server() -> AsyncIterator[Server]:
    """A server of this test's own."""
    found = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


async def call(server: Server, **contract: Any) -> Received:
    """What one call of a contract sent, with the arguments `id` and `n`."""
    http = {"method": "POST", "url": f"{server.url}/things/{{id}}", **contract.pop("http", {})}
    spec = ToolContractSpec.model_validate(
        {
            "description": "x",
            "schema": {"input": {}, "output": {}},
            "sideEffect": "Reversible",
            "consequenceTier": 1,
            "transport": {"http": http},
            **contract,
        }
    )
    router = Router(Egress())
    try:
        args = {"id": "a b", "n": 2}
        await router.call(Call(tenant="t", spec=spec, args=args, key="k-1", timeout_seconds=5.0))
    finally:
        await router.close()
    (found,) = server.received
    return found


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_a_tool_is_called_by_the_contracts_method_at_its_address(server: Server, method: str) -> None:
    """Arguments in path and query are encoded; where the method has a body, it is all of them."""
    url = f"{server.url}/things/{{id}}?n={{n}}"
    found = await call(server, http={"method": method, "url": url})
    assert (found.method, found.path) == (method, "/things/a%20b?n=2")
    assert found.body == ({"id": "a b", "n": 2} if method in ("POST", "PUT", "PATCH") else None)


async def test_a_tool_gets_the_contracts_own_body_and_headers(server: Server) -> None:
    """The body its expression makes, and its headers as they stand."""
    headers = [{"name": "X-Shop", "value": "berlin"}]
    found = await call(server, http={"body": '{"order": args.id, "twice": args.n * 2}', "headers": headers})
    assert found.body == {"order": "a b", "twice": 4}
    assert found.headers["X-Shop"] == "berlin"


async def test_a_tool_that_honours_keys_gets_one_under_the_contracts_header(server: Server) -> None:
    """One that promises nothing gets none, under any name."""
    found = await call(server, idempotency={"mode": "Keyed"}, http={"idempotencyHeader": "X-Request-Key"})
    assert found.headers["X-Request-Key"] == "k-1"
    server.received.clear()
    found = await call(server, http={"idempotencyHeader": "X-Request-Key"})
    assert "k-1" not in found.headers.values()


PARAMETERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "every parameter that the strategy sets": (
        {"maxTokens": 77, "temperature": "0.2", "topP": "0.9", "seed": 7},
        {"max_tokens": 77, "temperature": 0.2, "top_p": 0.9, "seed": 7},
    ),
    "none that it leaves out, but a bound": ({}, {"max_tokens": 1024}),
}


async def test_models_and_tools_get_what_strategy_and_contract_say(
    own_stage: Stage,
    own_fleet: Fleet,
    strategy: Spec,
    contracts: dict[str, Spec],
    server: Server,
    tenant: str,
) -> None:
    """A model its pinned name, its parameters, and the tools' descriptions and schemas; a tool its credential.

    One gateway for all of it: it takes seconds to load its models.
    """
    programs.write_providers(own_fleet.providers, server.url)
    own_fleet.grant(tenant, "other-key", TOKEN)
    tool = contracts["credit.grant"]
    tool["description"] = "Grant store credit, kindly."
    tool["schema"]["input"]["properties"]["note"] = {"type": "string", "maxLength": 9}
    tool["transport"]["http"]["url"] = f"{server.url}/credits"
    async with own_fleet.gateway(preload_models="true"):
        for given, expected in PARAMETERS.values():
            strategy["model"] = {"name": "openai/shop-scripted-1", "parameters": given}
            server.received.clear()
            run = await Run.start(own_stage, tenant, strategy, contracts)
            assert (await run.model(conversation("Hello"))).messages
            asked = server.of("/chat/completions").body
            assert asked["model"] == "shop-scripted-1"
            assert asked["messages"] == conversation("Hello")
            sampling = {"max_tokens", "temperature", "top_p", "seed", "max_completion_tokens"}
            assert {name: asked[name] for name in sampling & set(asked)} == expected
            told = {each["function"]["name"]: each["function"] for each in asked["tools"]}
            assert told["credit_grant"]["description"] == "Grant store credit, kindly."
            assert told["credit_grant"]["parameters"] == tool["schema"]["input"]

        credentials: dict[str, tuple[Spec, str, str]] = {
            "a header of its own": (
                {"header": {"name": "X-Api-Key", "key": "other-key"}},
                "X-Api-Key",
                TOKEN,
            ),
            "a bearer token": ({"bearer": {"key": "other-key"}}, "Authorization", f"Bearer {TOKEN}"),
        }
        for named, header, expected_value in credentials.values():
            tool["credentials"] = named
            server.received.clear()
            run = await Run.start(own_stage, tenant, strategy, contracts)
            await run.result(await run.plan(("credit.grant", {"order_id": "1042", "amount": "1.00"})))
            assert server.of("/credits").headers[header] == expected_value
