"""How many replicas does a service have, and where does it run? A small HTTP service, described by `openapi.yaml`.

`python -m examples.ops.fleet --port 8812 --token-file ops.token`

A change needs the bearer token, is made once per `Idempotency-Key`, and says what was before: so it can be undone.
Everything is in memory; `GET /changes` shows people the truth.
"""

import argparse
import dataclasses
import pathlib
import secrets
from typing import Any

from aiohttp import web

MOST_REPLICAS = 20
REGIONS = ("eu-1", "eu-2")


@dataclasses.dataclass
class Service:
    """A service as it is now."""

    service: str
    region: str
    replicas: int


@dataclasses.dataclass
class Fleet:
    """Everything that runs, and what was changed."""

    token: str
    services: dict[str, Service]
    changes: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    """By the key that each was asked for with, oldest first."""


FLEET = web.AppKey("fleet", Fleet)


async def get_service(request: web.Request) -> web.Response:
    """GET /services/{service}."""
    return web.json_response(dataclasses.asdict(_service(request)))


async def scale_service(request: web.Request) -> web.Response:
    """POST /services/{service}/scale."""
    key, body = await _asked(request)
    replicas = body.get("replicas")
    if type(replicas) is not int or not 1 <= replicas <= MOST_REPLICAS:
        _refuse(web.HTTPUnprocessableEntity, f"replicas: 1 to {MOST_REPLICAS}")
    return _change(request, key, "replicas", replicas)


async def fail_over_service(request: web.Request) -> web.Response:
    """POST /services/{service}/failover."""
    key, body = await _asked(request)
    if body.get("region") not in REGIONS:
        _refuse(web.HTTPUnprocessableEntity, f"region: one of {', '.join(REGIONS)}")
    return _change(request, key, "region", body["region"])


async def get_changes(request: web.Request) -> web.Response:
    """GET /changes: every change, oldest first, for people."""
    return web.json_response({"changes": list(request.app[FLEET].changes.values())})


def _change(request: web.Request, key: str, what: str, value: Any) -> web.Response:
    """Change it once per key; a repeated key is answered with what was answered the first time."""
    fleet, service = request.app[FLEET], _service(request)
    if key not in fleet.changes:
        before = getattr(service, what)
        setattr(service, what, value)
        fleet.changes[key] = {"service": service.service, what: value, "previous": before}
    return web.json_response(fleet.changes[key])


def _service(request: web.Request) -> Service:
    name = request.match_info["service"]
    found = request.app[FLEET].services.get(name)
    return found or _refuse(web.HTTPNotFound, f"there is no service {name!r}")


async def _asked(request: web.Request) -> tuple[str, dict[str, Any]]:
    """Key and body of a change, from somebody who may make it."""
    expected = f"Bearer {request.app[FLEET].token}".encode()
    if not secrets.compare_digest(request.headers.get("Authorization", "").encode(), expected):
        _refuse(web.HTTPUnauthorized, "send the header Authorization: Bearer <the fleet's token>")
    key = request.headers.get("Idempotency-Key", "")
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not key or not isinstance(body, dict):
        _refuse(web.HTTPBadRequest, "send the header Idempotency-Key and a JSON object")
    return key, body


def _refuse(status: type[web.HTTPClientError], message: str) -> Any:
    raise status(text=f'{{"error": "{message}"}}', content_type="application/json")


def application(token: str) -> web.Application:
    """The fleet; changes need this bearer token."""
    app = web.Application()
    services = [Service("checkout", "eu-1", 3), Service("search", "eu-1", 4)]
    app[FLEET] = Fleet(token=token, services={each.service: each for each in services})
    app.add_routes(
        [
            web.get("/services/{service}", get_service),
            web.post("/services/{service}/scale", scale_service),
            web.post("/services/{service}/failover", fail_over_service),
            web.get("/changes", get_changes),
        ]
    )
    return app


def main() -> None:
    """Read the arguments and serve, to this machine alone."""
    parser = argparse.ArgumentParser(prog="python -m examples.ops.fleet", description="The example's fleet.")
    parser.add_argument("--port", type=int, default=8812)
    parser.add_argument("--token-file", type=pathlib.Path, required=True, help="render makes one")
    arguments = parser.parse_args()
    app = application(arguments.token_file.read_text().strip())
    web.run_app(app, host="127.0.0.1", port=arguments.port, print=None, access_log=None)


if __name__ == "__main__":
    main()
