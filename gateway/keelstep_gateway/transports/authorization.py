"""What does a call carry to prove who it is? Headers and a TLS context, made of the contract and the tenant's secrets."""

import base64
from collections.abc import Mapping

from keelstep.kinds.contract import ToolContractSpec
from keelstep.kinds.transport import RESERVED_HEADERS
from keelstep_gateway.transports import tls
from keelstep_gateway.transports.tokens import Tokens
from keelstep_gateway.transports.transport import Call, CallError


class Authorization:
    """Makes what calls prove themselves with; remembers tokens and TLS contexts."""

    def __init__(self, tokens: Tokens, contexts: tls.Contexts) -> None:
        self.tokens = tokens
        self.contexts = contexts

    async def headers(self, call: Call) -> dict[str, str]:
        """The headers of a call's credential; what is secret in them is kept out of the answer.

        Raises:
            CallError: a secret cannot stand in a header, or no token was issued.
        """
        named = call.spec.credentials
        if named.bearer is not None:
            return {"Authorization": f"Bearer {_of_header(call.secrets, named.bearer.key)}"}
        if named.header is not None:
            if named.header.name.lower() in RESERVED_HEADERS:
                raise CallError("RequestInvalid", "the contract sets a header that frames the request")
            return {named.header.name: _of_header(call.secrets, named.header.key)}
        if named.basic is not None:
            pair = f"{named.basic.username}:{call.secrets[named.basic.key]}".encode()
            text = base64.b64encode(pair).decode()
            call.redaction.add(text)
            return {"Authorization": f"Basic {text}"}
        if named.oauth2 is not None:
            tls_context = self.contexts.of(call.spec, call.secrets)
            token = await self.tokens.get(named.oauth2, call.secrets[named.oauth2.key], tls_context)
            call.redaction.add(token)
            return {"Authorization": f"Bearer {token}"}
        return {}

    def forget(self, call: Call) -> None:
        """The tool did not accept the token, if there was one: the next call gets another."""
        named = call.spec.credentials.oauth2
        if named is not None:
            self.tokens.forget(named, call.secrets[named.key])


def keys(spec: ToolContractSpec) -> tuple[str, ...]:
    """The keys of the tenant's Secret that a call of this contract needs."""
    shown, trusted = spec.credentials.client_certificate, spec.credentials.ca_certificate
    found = list(told(spec))
    if shown is not None:
        found += [shown.certificate_key, shown.private_key_key]
    if trusted is not None:
        found.append(trusted.key)
    return tuple(dict.fromkeys(found))


def told(spec: ToolContractSpec) -> tuple[str, ...]:
    """Of these, the keys whose secrets the other side is told, and may repeat."""
    named, mcp = spec.credentials, spec.transport.mcp
    found = [each.key for each in (named.bearer, named.header, named.basic, named.oauth2) if each is not None]
    if mcp is not None and mcp.stdio is not None:
        found += [each.key for each in mcp.stdio.environment if each.key is not None]
    return tuple(dict.fromkeys(found))


def _of_header(secrets: Mapping[str, str], key: str) -> str:
    secret = secrets[key]
    if not secret.isprintable() or not secret.isascii():
        raise CallError("RequestInvalid", f"the credential {key} holds characters that no header may hold")
    return secret
