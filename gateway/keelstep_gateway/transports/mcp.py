"""How is a tool of an MCP server called? In a session with it, and its result turned into an answer like any other.

    the server cannot be reached, hangs in its handshake      nothing was sent
    it dies, breaks off or says nothing during the call       nobody knows
    it answers with an error                                  nobody knows, unless the contract says otherwise
    it answers                                                `{structured, text, content}`, read by the contract

The contract has the schemas, so what the server calls its result's schema decides nothing. Whether it still says of the
tool what was reviewed is asked in `mcp_pins`. Its words for an error are its own: they are neither logged nor recorded.
"""

import asyncio
import dataclasses
import hashlib
import logging
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import mcp_types
import pydantic
import structlog
from mcp import Client, MCPError

from keelstep.domain import canonical, contract, outcome
from keelstep.domain.outcome import Answer, NoAnswer, Seen
from keelstep.kinds.failure import ErrorClass
from keelstep.kinds.transport import Mcp as Described
from keelstep_gateway.transports import mcp_http, mcp_stdio, tls, transport, wire
from keelstep_gateway.transports.authorization import Authorization
from keelstep_gateway.transports.commands import Commands
from keelstep_gateway.transports.egress import MAX_RESPONSE_BYTES, Egress
from keelstep_gateway.transports.mcp_sessions import IDLE_SECONDS, Connect, Session, Sessions
from keelstep_gateway.transports.transport import Call, CallError, Sent
from keelstep_gateway.transports.wire import Wire

log = structlog.get_logger(__name__)

META_KEY = "keelstep.io/idempotency-key"
"""Where a call's `_meta` carries the idempotency key."""
_RESULT: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(
    mcp_types.CallToolResult | mcp_types.InputRequiredResult
)
_TALKATIVE = ("mcp", "client")
"""Loggers of the library that write what a server said."""


class Mcp:
    """Calls tools of MCP servers."""

    def __init__(
        self,
        *,
        egress: Egress,
        authorization: Authorization,
        contexts: tls.Contexts,
        commands: Commands,
        processes: int,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._egress = egress
        self._authorization = authorization
        self._contexts = contexts
        self._commands = commands
        self._sessions = Sessions(processes, idle_seconds)
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)

    async def call(self, call: Call) -> Seen:
        """Make one call."""
        return await transport.make(call, self._call)

    async def close(self) -> None:
        """End every session and every command."""
        await self._sessions.close()

    async def _call(self, call: Call, sent: Sent) -> Seen:
        described = call.spec.transport.mcp
        if described is None:
            raise CallError("RequestInvalid", "the contract has no mcp transport")
        is_command = described.stdio is not None
        # a server may end a kept session at the very moment of use: see Request.is_fresh
        is_shared = is_command or contract.is_repeatable(call.spec)
        connect = self._connect(call, described)
        async with self._sessions.use(
            _key(call, described), call, connect, is_command=is_command, is_shared=is_shared
        ) as session:
            try:
                return await self._ask(session, call, described, sent)
            except (CallError, asyncio.CancelledError):
                session.end()
                raise

    def _connect(self, call: Call, described: Described) -> Connect:
        """How a session with the contract's server is opened.

        Raises:
            CallError: it may not be.
        """
        if described.http is not None:
            server = described.http
            self._egress.admit(server.url)
            carrier = mcp_http.Carrier(
                self._egress,
                self._authorization,
                server,
                self._contexts.of(call.spec, call.secrets),
                is_fresh=not contract.is_repeatable(call.spec),
            )

            def over_http(_: Wire) -> AbstractAsyncContextManager[Any]:
                return mcp_http.connect(server, carrier)

            return over_http
        if described.stdio is None:
            raise CallError("RequestInvalid", "the contract names no MCP server")
        command = described.stdio.command
        variables = {
            each.name: call.secrets[each.key] if each.key is not None else each.value or ""
            for each in described.stdio.environment
        }
        if not self._commands.allow(command, list(variables)):
            raise CallError("CommandRefused", "the installation does not let contracts run this command")

        def as_command(noted: Wire) -> AbstractAsyncContextManager[Any]:
            return mcp_stdio.connect(command, variables, noted)

        return as_command

    async def _ask(self, session: Session, call: Call, described: Described, sent: Sent) -> Seen:
        """One call in an open session.

        Raises:
            CallError: it broke, and so did the session.
        """
        client = await session.client()
        await self._check(session, client, call, described)
        noted = Wire(call, sent)
        wire.CURRENT.set(noted)
        if session.is_command:
            sent.was_sent = True  # from here on nobody can tell how far it got
        try:
            result = await client.session.send_request(
                _request(call, described), _RESULT, progress_callback=_progressed
            )
        except MCPError as error:
            return self._error(session, described, noted, error)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise _broken(session, noted) from error
        except (pydantic.ValidationError, RuntimeError, ValueError) as error:
            raise CallError("OutputInvalid", "what the MCP server answered is no result of a tool") from error
        return _seen(described, result)

    async def _check(self, session: Session, client: Client, call: Call, described: Described) -> None:
        """Return where the tool is still the one that was reviewed, as far as the contract pins it.

        Raises:
            CallError: it is not, or the server does not say; nothing of the call was sent.
        """
        noted = Wire(call, is_handshake=True)
        wire.CURRENT.set(noted)
        try:
            await session.pins.check(client, described)
        except MCPError as error:
            self._error(session, described, noted, error)
            message = f"the MCP server answered with error {error.code} to being asked for its tools"
            raise CallError("OutputInvalid", message) from error
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise _broken(session, noted) from error
        except (pydantic.ValidationError, RuntimeError, ValueError) as error:
            raise CallError("OutputInvalid", "what the MCP server answered is no list of tools") from error

    def _error(self, session: Session, described: Described, noted: Wire, error: MCPError) -> NoAnswer:
        """What an error of the protocol means.

        Raises:
            CallError: it is the library's own word for there being no answer.
        """
        # servers use the library's own code for this, too; of a command it is known whether it still speaks
        is_closed = error.code == mcp_types.CONNECTION_CLOSED and (session.is_over or not session.is_command)
        if noted.problem is not None or is_closed:
            raise _broken(session, noted) from error
        if noted.status == 404 and error.code == mcp_types.INVALID_REQUEST:
            raise CallError(  # the library's word for it, where there was a session
                "ConnectionFailed",
                "the MCP server does not know the session any more",
                ErrorClass.CONNECTION_FAILED,
            ) from error
        if noted.status:
            raise transport.answered(noted.status, noted.retry_after) from error
        return _failed(described, f"the MCP server answered with error {error.code}")


def _broken(session: Session, noted: Wire) -> CallError:
    shared = session.wire.problem if session.wire is not None else None
    return noted.problem or shared or transport.disconnected(None, was_sent=noted.sent.was_sent)


def _failed(described: Described, message: str) -> NoAnswer:
    return NoAnswer(
        reason="ToolFailed",
        message=message,
        error_class=outcome.REFUSED,
        was_sent=True,
        proves_nothing_happened=described.on_error == "NotPerformed",
    )


def _request(call: Call, described: Described) -> mcp_types.CallToolRequest:
    arguments, meta = dict(call.args), None
    if call.spec.idempotency.mode != "None":
        meta = {META_KEY: call.key}
        if described.idempotency_argument is not None:
            arguments[described.idempotency_argument] = call.key
    params = mcp_types.CallToolRequestParams(name=described.tool, arguments=arguments, _meta=meta)
    return mcp_types.CallToolRequest(params=params)


def _seen(described: Described, result: mcp_types.CallToolResult | mcp_types.InputRequiredResult) -> Seen:
    """A result as an answer."""
    if isinstance(result, mcp_types.InputRequiredResult):
        raise CallError("InputRequired", "the MCP server wants to ask somebody, and nobody is there")
    blocks = [block.model_dump(mode="json", by_alias=True, exclude_none=True) for block in result.content]
    document = {
        "structured": result.structured_content,
        "text": "\n".join(block["text"] for block in blocks if block["type"] == "text"),
        "content": blocks,
    }
    body = canonical.dumps(document)
    if result.is_error:
        return dataclasses.replace(_failed(described, "the tool says that it failed"), body=body)
    if len(body) > MAX_RESPONSE_BYTES:
        return Answer(status=200, body=b"", is_cut=True)
    return Answer(status=200, body=body, media_type="application/json")


async def _progressed(progress: float, total: float | None, message: str | None) -> None:
    """A long call is at work; its words are not ours to repeat."""
    del message
    log.debug("tool_progressed", progress=progress, total=total)


def _key(call: Call, described: Described) -> str:
    """What tells one session from another; tenants never share one, and new secrets make a new one."""
    server = described.http or described.stdio
    assert server is not None
    parts = [call.tenant, server.wire(), call.spec.credentials.wire(), dict(call.secrets)]
    return hashlib.sha256(canonical.dumps(parts)).hexdigest()
