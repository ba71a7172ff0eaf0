"""How is a tool called by HTTP? From a contract and its arguments to a request, and from a response to what was seen.

No redirect is followed, no proxy of the environment used, no compression asked for, and no more than a bounded part of
a response is read.
"""

import asyncio
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from keelstep.domain import canonical, cel, contract, outcome
from keelstep.domain.outcome import Answer, NoAnswer, Seen
from keelstep.kinds.contract import ErrorClass, ToolContractSpec

MAX_RESPONSE_BYTES = 1024 * 1024
"""More of a response is not read."""
CONNECTIONS = 256
KEPT_SECONDS = 15.0
"""An idle connection older than this is not used again: servers close theirs sooner or later."""
_HOLE = re.compile(r"\{([^{}]+)\}")
_WITH_BODY = ("POST", "PUT", "PATCH")
_SENDING = ".send_request_headers.started"


class BuildError(ValueError):
    """No request can be made of these arguments; the message says why, without their values."""


class Http:
    """Calls by HTTP over pooled connections."""

    def __init__(self, max_response_bytes: int = MAX_RESPONSE_BYTES) -> None:
        self._max_response_bytes = max_response_bytes
        self._pooled = _client(httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=KEPT_SECONDS))
        # a kept connection may be closed by the other side at the very moment of use: whether the call was performed
        # is then unknown, which a call that may not be repeated should not risk
        self._fresh = _client(httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=0))

    async def call(
        self,
        spec: ToolContractSpec,
        args: Mapping[str, Any],
        *,
        key: str,
        secret: str | None,
        timeout_seconds: float,
    ) -> Seen:
        """Make one call with these arguments."""
        try:
            request = build(spec, args, key=key, secret=secret)
        except BuildError as error:
            return NoAnswer(
                reason="RequestInvalid", message=str(error), error_class=outcome.INVALID, was_sent=False
            )
        client = self._pooled if contract.is_repeatable(spec) else self._fresh
        sent = _Sent()
        request.extensions["trace"] = sent.trace
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._send(client, request)
        except (TimeoutError, httpx.TimeoutException):
            message = f"the tool did not answer within {round(timeout_seconds, 1):g} s"
            return NoAnswer(
                reason="Timeout", message=message, error_class=ErrorClass.TIMEOUT, was_sent=sent.was_sent
            )
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            what = "broke before the tool answered" if sent.was_sent else "could not be made"
            message = f"the connection {what} ({type(error).__name__})"
            return NoAnswer(
                reason="ConnectionFailed",
                message=message,
                error_class=ErrorClass.CONNECTION_FAILED,
                was_sent=sent.was_sent,
            )

    async def close(self) -> None:
        """Close every connection."""
        await self._pooled.aclose()
        await self._fresh.aclose()

    async def _send(self, client: httpx.AsyncClient, request: httpx.Request) -> Answer:
        response = await client.send(request, stream=True)
        try:
            body = bytearray()
            async for part in response.aiter_raw():
                body += part
                if len(body) > self._max_response_bytes:
                    return Answer(status=response.status_code, body=b"", is_cut=True)
            return Answer(status=response.status_code, body=bytes(body))
        finally:
            await response.aclose()


def build(spec: ToolContractSpec, args: Mapping[str, Any], *, key: str, secret: str | None) -> httpx.Request:
    """The request a contract makes of these arguments.

    Raises:
        BuildError: an argument is missing or cannot stand where the contract wants it.
    """
    http = spec.transport.http
    if http is None:
        raise BuildError("the contract has no transport")
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "keelstep-gateway"}
    headers |= {header.name: header.value for header in http.headers}
    if spec.idempotency.mode != "None":
        headers[http.idempotency_header] = key
    headers |= _credential(spec, secret)
    content = _body(spec, args)
    if content is not None:
        headers["Content-Type"] = "application/json"
    try:
        return httpx.Request(http.method, _url(http.url, args), headers=headers, content=content)
    except (httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise BuildError(f"no valid request can be made: {type(error).__name__}") from error


def _url(template: str, args: Mapping[str, Any]) -> str:
    """The address with every `{name}` filled in; an argument can never change what is addressed beyond its own place."""
    path_ends = re.search(r"[?#]", template)
    path_end = path_ends.start() if path_ends else len(template)

    def fill(hole: re.Match[str]) -> str:
        name = hole[1]
        found = args.get(name)
        if isinstance(found, bool):
            text = "true" if found else "false"
        elif isinstance(found, str | int | float):
            text = str(found)
        else:
            raise BuildError(f"argument {name} is needed for the address, as a text or number")
        if not text and hole.start() < path_end:
            raise BuildError(f"argument {name} is empty and cannot stand in the path")
        return quote(text, safe="")

    filled = _HOLE.sub(fill, template)
    if any(part in (".", "..") for part in urlsplit(filled).path.split("/")):
        raise BuildError("an argument would lead to another path")
    return filled


def _body(spec: ToolContractSpec, args: Mapping[str, Any]) -> bytes | None:
    http = spec.transport.http
    assert http is not None
    if http.body is None:
        return canonical.dumps(dict(args)) if http.method in _WITH_BODY else None
    try:
        return canonical.dumps(cel.compile_expression(http.body, ("args",)).evaluate({"args": dict(args)}))
    except (cel.CompileError, cel.EvaluationError, TypeError) as error:
        raise BuildError("the contract's body expression failed on these arguments") from error


def _credential(spec: ToolContractSpec, secret: str | None) -> dict[str, str]:
    if secret is None:
        return {}
    if not secret.isprintable() or not secret.isascii():
        raise BuildError("the credential holds characters that no header may hold")
    if spec.credentials.bearer is not None:
        return {"Authorization": f"Bearer {secret}"}
    if spec.credentials.header is not None:
        return {spec.credentials.header.name: secret}
    return {}


class _Sent:
    """Whether the request's first byte may have left."""

    def __init__(self) -> None:
        self.was_sent = False

    async def trace(self, name: str, _: Mapping[str, Any]) -> None:
        """Called by the HTTP library at each of its own steps."""
        if name.endswith(_SENDING):
            self.was_sent = True


def _client(limits: httpx.Limits) -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=None, limits=limits, trust_env=False, follow_redirects=False)  # noqa: S113 ours
