"""What serves an OpenAPI document? A server made of the document alone: it checks what it is asked, and answers in kind.

It knows nothing of contracts; what it takes for an operation's arguments it reads from the document itself.
"""

import contextlib
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import jsonschema_rs
from aiohttp import web

Node = Mapping[str, Any]

_METHODS = ("get", "post", "put", "patch", "delete")
_MOST_DEPTH = 3
_OF_TYPE: Mapping[str, Any] = {
    "string": "text",
    "integer": 7,
    "number": 1.5,
    "boolean": True,
    "array": [],
}


@dataclass(frozen=True, slots=True)
class _Route:
    """One operation."""

    source: str
    method: str
    pattern: re.Pattern[str]
    holes: int
    parameters: Mapping[tuple[str, str], Node]
    content: Node


@dataclass(slots=True)
class Served:
    """A running server."""

    document: Node
    url: str = ""
    called: list[str] = field(default_factory=list)
    """The operations that were asked for as the document says."""
    refused: list[str] = field(default_factory=list)
    """What was wrong with the others."""
    routes: list[_Route] = field(default_factory=list)
    _validators: dict[str, jsonschema_rs.Draft202012Validator] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.routes = sorted(_routes(self.document), key=lambda route: route.holes)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Any request."""
        body = await request.read()
        found = next(
            (
                (route, match)
                for route in self.routes
                if route.method == request.method
                and (match := route.pattern.fullmatch(request.raw_path.split("?")[0]))
            ),
            None,
        )
        if found is None:
            return self._refuse(f"{request.method} {request.raw_path}: no such operation")
        route, match = found
        problem = self._problem(route, match, request, body)
        if problem:
            return self._refuse(f"{route.source}: {problem}")
        self.called.append(route.source)
        return self._success(route)

    def _problem(self, route: _Route, match: re.Match[str], request: web.Request, body: bytes) -> str:
        given = {("path", name): value for name, value in match.groupdict().items()}
        given |= {("query", name): value for name, value in request.query.items()}
        for (place, name), parameter in route.parameters.items():
            if parameter.get("required") and (place, name) not in given:
                return f"needs the {place} parameter {name}"
        strays = [name for place, name in given if place == "query" and (place, name) not in route.parameters]
        if strays:
            return f"does not know the query parameter {strays[0]}"
        return self._body_problem(route, request, body)

    def _body_problem(self, route: _Route, request: web.Request, body: bytes) -> str:
        described = route.content.get("requestBody")
        if described is None:
            return "takes no body" if body else ""
        if not body:
            return "needs a body" if described.get("required") else ""
        media = described["content"]
        if request.content_type not in media and "*/*" not in media:
            return f"takes no body of {request.content_type}"
        schema = media.get(request.content_type, media.get("*/*"))["schema"]
        error = next(self._validator(schema).iter_errors(json.loads(body)), None)
        return f"body: {error.message}" if error is not None else ""

    def _success(self, route: _Route) -> web.StreamResponse:
        status, response = next(
            (key, each) for key, each in sorted(route.content["responses"].items()) if key.startswith("2")
        )
        media = response.get("content")
        if not media:
            return web.Response(status=int(status))
        schema = media.get("application/json", media.get("*/*", {})).get("schema", {})
        document = self._sample(schema, 0)
        self._validator(schema).validate(document)
        return web.json_response(document, status=int(status))

    def _sample(self, node: Node, depth: int) -> Any:
        """A document that a schema describes, with what it need not hold as far as a few levels down."""
        if "$ref" in node:
            return self._sample(
                self.document["components"]["schemas"][node["$ref"].rpartition("/")[2]], depth + 1
            )
        if node.get("enum"):
            return node["enum"][0]
        for choice in ("allOf", "oneOf", "anyOf"):
            if node.get(choice):
                return self._sample(node[choice][0], depth)
        if node.get("format") == "date-time":
            return "2026-11-21T12:00:00Z"
        if node.get("type", "object") != "object":
            return _OF_TYPE[node["type"]]
        required = node.get("required", [])
        return {
            name: self._sample(inner, depth + 1)
            for name, inner in node.get("properties", {}).items()
            if name in required or depth < _MOST_DEPTH
        }

    def _validator(self, schema: Node) -> jsonschema_rs.Draft202012Validator:
        key = json.dumps(schema)
        if key not in self._validators:
            whole = {"allOf": [schema], "components": self.document["components"]}
            self._validators[key] = jsonschema_rs.Draft202012Validator(whole, offline=True)
        return self._validators[key]

    def _refuse(self, why: str) -> web.StreamResponse:
        self.refused.append(why)
        return web.json_response({"error": why}, status=400)


def _routes(document: Node) -> Iterator[_Route]:
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method not in item:
                continue
            parameters = {
                (each["in"], each["name"]): each
                for each in (*item.get("parameters", ()), *item[method].get("parameters", ()))
            }
            pattern = re.sub(r"\\{(\w+)\\}", lambda hole: f"(?P<{hole[1]}>[^/]+)", re.escape(path))
            yield _Route(
                source=f"{method.upper()} {path}",
                method=method.upper(),
                pattern=re.compile(pattern),
                holes=path.count("{"),
                parameters=parameters,
                content=item[method],
            )


@contextlib.asynccontextmanager
async def running(document: Node) -> AsyncIterator[Served]:
    """A server of this document on a free port."""
    served = Served(document)
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", served.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        served.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield served
    finally:
        await runner.cleanup()
