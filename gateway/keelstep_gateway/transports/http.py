"""How is a tool called by HTTP? A contract's request is sent, redirects are followed as far as it says, the answer read.

What the request holds is made in `request`, how it leaves the gateway is decided in `egress`.
"""

import dataclasses

import aiohttp
import multidict
import yarl

from keelstep.domain import canonical, contract, outcome
from keelstep.domain.outcome import Answer, Seen
from keelstep.kinds.transport import Http as Described
from keelstep_gateway import evaluator
from keelstep_gateway.transports import egress, request, tls, transport
from keelstep_gateway.transports.authorization import Authorization
from keelstep_gateway.transports.egress import Egress, Request
from keelstep_gateway.transports.transport import Call, CallError, Sent

_REPEATED = (307, 308)
"""Redirects that ask for the same request elsewhere; of others only a read is repeated, and 303 asks for one."""
_REDIRECTS = (301, 302, 303, *_REPEATED)


class Http:
    """Calls by HTTP."""

    def __init__(self, egress: Egress, authorization: Authorization, contexts: tls.Contexts) -> None:
        self._egress = egress
        self._authorization = authorization
        self._contexts = contexts

    async def call(self, call: Call) -> Seen:
        """Make one call."""
        return await transport.make(call, self._call)

    async def close(self) -> None:
        """Nothing is held here."""

    async def _call(self, call: Call, sent: Sent) -> Answer:
        described = call.spec.transport.http
        if described is None:
            raise CallError("RequestInvalid", "the contract has no http transport")
        built = await _built(call, described)
        self._egress.admit(str(built.url))  # before a token is fetched for it
        credential = await self._authorization.headers(call)
        built.headers.update(credential)
        built.tls = self._contexts.of(call.spec, call.secrets)
        built.is_fresh = not contract.is_repeatable(call.spec)
        hop = built
        for left in range(described.max_redirects, -1, -1):
            found = await self._hop(call, described, hop, sent, tuple(credential), left)
            if isinstance(found, Answer):
                if hop.method != built.method and not 200 <= found.status < 300:
                    raise _unproven(found)
                return found
            hop = found
        raise CallError("RedirectRefused", "the tool redirected more often than the contract allows")

    async def _hop(
        self,
        call: Call,
        described: Described,
        hop: Request,
        sent: Sent,
        secret_headers: tuple[str, ...],
        left: int,
    ) -> Answer | Request:
        """One request, and its answer or the request that it redirects to."""
        async with self._egress.open(hop, sent) as response:
            if described.max_redirects and response.status in _REDIRECTS and "Location" in response.headers:
                if not left:
                    raise CallError(
                        "RedirectRefused", "the tool redirected more often than the contract allows"
                    )
                return self._next(described, hop, response, secret_headers)
            if response.status == 401:
                self._authorization.forget(call)
            return await _answer(response)

    def _next(
        self,
        described: Described,
        hop: Request,
        response: aiohttp.ClientResponse,
        secret_headers: tuple[str, ...],
    ) -> Request:
        """The request a redirect asks for, where the contract lists its host."""
        try:
            url = hop.url.join(yarl.URL(response.headers["Location"], encoded=True)).with_fragment(None)
            asked, wanted = str(hop.url), str(url)  # a port that is none is found only here
        except ValueError as error:
            raise CallError("RedirectRefused", "the tool redirected to what is no address") from error
        try:
            here, there = self._egress.admit(asked), self._egress.admit(wanted)
        except CallError as error:
            # where to, the tool said: that is not repeated
            raise CallError("RedirectRefused", "the tool redirected where no contract may lead") from error
        listed = {host.lower() for host in described.redirect_hosts}
        if there.host != here.host and there.host not in listed:
            raise CallError(
                "RedirectRefused", "the tool redirected to a host that the contract does not list"
            )
        if here.scheme == "https" and there.scheme != "https":
            raise CallError("RedirectRefused", "the tool redirected from https to http")
        if response.status not in _REPEATED and response.status != 303 and hop.method != "GET":
            raise CallError(
                "RedirectRefused", f"the tool answered {response.status}, which is no answer to a write"
            )
        headers = multidict.CIMultiDict(hop.headers)
        if here.origin != there.origin:
            for name in secret_headers:
                headers.popall(name, None)
        if response.status in _REPEATED:
            return dataclasses.replace(hop, url=url, headers=headers)
        headers.popall("Content-Type", None)
        return dataclasses.replace(hop, url=url, headers=headers, method="GET", content=b"")


async def _built(call: Call, described: Described) -> Request:
    """The request a contract makes of the arguments; apart, where its expression may take a while."""
    if call.evaluator is None or described.body is None:
        return request.build(call.spec, call.args, key=call.key)
    evaluate = call.evaluator.evaluate
    if evaluator.is_quick(len(canonical.dumps(call.args)), [described.body]):
        return request.build(call.spec, call.args, key=call.key, evaluate=evaluate)
    return await call.evaluator.apart(request.build, call.spec, call.args, key=call.key, evaluate=evaluate)


async def _answer(response: aiohttp.ClientResponse) -> Answer:
    try:
        return Answer(
            status=response.status,
            body=await egress.read(response),
            media_type=_media_type(response),
            retry_after=response.headers.get("Retry-After", ""),
        )
    except CallError as error:
        if error.reason == "ResponseTooLarge":
            return Answer(status=response.status, body=b"", is_cut=True)
        if not 200 <= response.status < 300 and error.reason == "OutputInvalid":
            # what it means is in the status alone
            return Answer(
                status=response.status, body=b"", retry_after=response.headers.get("Retry-After", "")
            )
        raise


def _unproven(found: Answer) -> CallError:
    """A write was answered 303, and this is what the read answers that it leads to: of the write it says nothing.

    Its status is not told, or a contract's `notPerformed` would take it for the write's own.
    """
    error_class = outcome.class_of(found.status)
    return CallError(error_class, f"the tool answered 303, and {found.status} where that leads", error_class)


def _media_type(response: aiohttp.ClientResponse) -> str:
    named: str = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return named
