"""Who may ask what, and how is it answered? The HTTP side of the views API.

    kubectl ──► kube-apiserver: who is it? RBAC ──proxy, its own client certificate──► here ──► the spine

The kube-apiserver has authenticated the person and asked RBAC before it forwards; what it says about them is believed
because the connection carries a certificate of its request-header authority, and for no other reason. Nothing is decided
or written here.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from keelstep import errors
from keelstep.events import clock
from keelstep.views import discovery, paging, presentation, refusals, resources, selection, tables
from keelstep.views.metrics import Metrics
from keelstep.views.source import Found, Name, Source

log = structlog.get_logger(__name__)

MOST_BYTES = 8 * 1024 * 1024
"""The payload bytes of one page of an ExecutionLog."""
_AT_ONCE = 20
"""Executions read at the same time for a list."""
_MOST_WARNINGS = 20
"""In one answer."""
_ROOT = f"/apis/{resources.API_VERSION}"
_UNPROTECTED = ("/readyz", "/livez", "/healthz")
_PLURALS = {kind.plural: kind for kind in resources.KINDS}


def tls(certificate: str, key: str, authority: str) -> ssl.SSLContext:
    """Our certificate, and whose client certificates (of an authority, PEM) are believed.

    Who shows none is refused request by request: a probe has none and must be answered. Any other ends the handshake.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=authority)
    context.load_cert_chain(certificate, key)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def build(source: Source, allowed_names: frozenset[str], metrics: Metrics | None = None) -> web.Application:
    """The application; no common name in `allowed_names` means that any certificate of the authority will do."""
    api = _Api(source)
    app = web.Application(middlewares=[_measure(metrics or Metrics()), _guard(allowed_names)])
    documents: Mapping[str, Callable[[], Any]] = {
        "/apis": discovery.groups,
        f"/apis/{resources.GROUP}": discovery.group,
        _ROOT: discovery.resource_list,
        "/openapi/v2": discovery.openapi_v2,
        "/openapi/v3": discovery.openapi_v3_index,
        f"/openapi/v3{_ROOT}": discovery.openapi_v3,
    }
    for path, document in documents.items():
        app.router.add_get(path, _serve(document()))
    for path in _UNPROTECTED:
        app.router.add_get(path, _probe)
    app.router.add_get(f"{_ROOT}/{{plural}}", api.list)
    app.router.add_get(f"{_ROOT}/namespaces/{{namespace}}/{{plural}}", api.list)
    app.router.add_get(f"{_ROOT}/namespaces/{{namespace}}/{{plural}}/{{name}}", api.get)
    return app


@dataclass(frozen=True, slots=True)
class _Api:
    source: Source

    async def get(self, request: web.Request) -> web.StreamResponse:
        """One execution."""
        kind = _kind(request)
        name = request.match_info["name"]
        found = await self.source.read(Name(request.match_info["namespace"], name))
        if found is None:
            raise refusals.not_found(kind.plural, name, resources.GROUP)
        item = await self._item(kind, found, request.query)
        answer = tables.of_one(item) if _wants_table(request) else item.wire()
        left = (
            0
            if isinstance(item, resources.ExecutionVerification) or not item.paging
            else item.paging.remaining
        )
        left_out = f"{left} more were left out; the answer as JSON says how to continue"
        return _json(answer, warnings=[left_out] if left else [])

    async def _item(self, kind: resources.Kind, found: Found, query: Mapping[str, str]) -> tables.Item:
        name, history = found.name.name, found.history
        xid = history.state.xid
        if kind is resources.ExecutionVerification:
            return presentation.verified(name, history)
        after, limit = paging.token(query, xid).after, paging.limit(query, paging.MOST)
        if kind is resources.ExecutionTrace:
            # a valid event's seq is its place
            page = history.entries[after : after + limit]
            last = page[-1].line.seq if page else after
            there = resources.Paging(
                next=paging.Token(of=xid, after=last).text(),
                remaining=max(0, len(history.entries) - after - len(page)),
            )
            return presentation.trace(name, history, page, there, clock.now())
        stored, remaining = await self.source.messages(found, after, limit, MOST_BYTES)
        last = stored[-1].position if stored else after
        there = resources.Paging(next=paging.Token(of=xid, after=last).text(), remaining=remaining)
        answer = await self.source.answer(found) if not after else None
        return presentation.log(name, history, stored, there, answer)

    async def list(self, request: web.Request) -> web.StreamResponse:
        """A tenant's executions, each on one line; or everybody's."""
        kind = _kind(request)
        if request.query.get("watch", "") in ("1", "true"):
            raise refusals.not_allowed("watch")
        tenant = request.match_info.get("namespace")
        of = f"{kind.plural}/{tenant or ''}"
        begin, limit = paging.token(request.query, of), paging.limit(request.query, paging.MOST_EXECUTIONS)
        asked = selection.read(request.query)
        names = [each for each in rest(await self.source.names(tenant), begin.name) if asked.has(each)]
        page = names[:limit]
        items: list[tables.Item] = []
        warnings: list[str] = []
        for start in range(0, len(page), _AT_ONCE):
            found = await asyncio.gather(*map(self._find, page[start : start + _AT_ONCE]))
            items += [_listed(kind, each) for each in found if isinstance(each, Found)]
            warnings += [each.message for each in found if isinstance(each, errors.NameUnreadableError)]
        metadata: dict[str, Any] = {}
        if len(names) > len(page):
            metadata["continue"] = paging.Token(of=of, name=str(page[-1])).text()
            metadata["remainingItemCount"] = len(names) - len(page)
        if _wants_table(request):
            return _json(
                {**tables.of_list(items, kind, clock.now()), "metadata": metadata}, warnings=warnings
            )
        answer = {
            "kind": f"{kind.__name__}List",
            "apiVersion": resources.API_VERSION,
            "metadata": metadata,
            "items": [item.wire() for item in items],
        }
        return _json(answer, warnings=warnings)

    async def _find(self, name: Name) -> Found | errors.NameUnreadableError | None:
        """One of a list: what cannot be read must not hide the others."""
        try:
            return await self.source.read(name)
        except errors.NameUnreadableError as error:
            return error
        except errors.LogArchivedError:
            return None


def rest(names: Sequence[Name], shown: str) -> Sequence[Name]:
    """The names that come after the one that was shown last; all of them where none was."""
    tenant, _, name = shown.partition("/")
    return [each for each in names if each > Name(tenant, name)] if shown else names


def _listed(kind: resources.Kind, found: Found) -> tables.Item:
    name, history = found.name.name, found.history
    if kind is resources.ExecutionVerification:
        return presentation.verified(name, history)
    about, summary = presentation.metadata(name, history), presentation.summary(history)
    if kind is resources.ExecutionTrace:
        return resources.ExecutionTrace(metadata=about, summary=summary)
    return resources.ExecutionLog(metadata=about, summary=summary)


def _kind(request: web.Request) -> resources.Kind:
    kind = _PLURALS.get(request.match_info["plural"])
    if kind is None:
        raise refusals.no_such_path(request.path)
    return kind


def _wants_table(request: web.Request) -> bool:
    """True where the first form that we know is a table."""
    for form in request.headers.get("Accept", "").split(","):
        parameters = {part.strip() for part in form.split(";")}
        if "as=Table" in parameters:
            if "v=v1" in parameters:
                return True
        elif parameters & {"application/json", "*/*", "application/*"}:
            return False
    return False


def _serve(document: Any) -> Handler:
    body = orjson.dumps(document)

    async def serve(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type="application/json")

    return serve


async def _probe(_: web.Request) -> web.StreamResponse:
    """Serving is all that readiness means: without the broker the answer is a reason, which is better than none."""
    return web.Response(text="ok")


def _json(answer: Mapping[str, Any], *, code: int = 200, warnings: Sequence[str] = ()) -> web.Response:
    """The answer, and what every Kubernetes client tells its user beside it."""
    response = web.Response(body=orjson.dumps(answer), status=code, content_type="application/json")
    for text in warnings[:_MOST_WARNINGS]:
        response.headers.add("Warning", f"299 - {_quoted(text)}")
    return response


def _quoted(text: str) -> str:
    """As a quoted string of RFC 9110, printable ASCII alone."""
    plain = "".join(each if " " <= each <= "~" else "?" for each in text)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _measure(metrics: Metrics) -> Middleware:
    """Every request but a probe is counted, with what became of it."""

    @web.middleware
    async def measure(request: web.Request, handler: Handler) -> web.StreamResponse:
        begun = time.perf_counter()
        response = await handler(request)
        if request.path not in _UNPROTECTED:
            asked = request.match_info
            seconds = time.perf_counter() - begun
            metrics.answered(asked.get("plural"), asked.get("name"), response.status, seconds)
        return response

    return measure


def _guard(allowed_names: frozenset[str]) -> Middleware:
    """Every request passes here: who asks, and what became of it."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if request.path not in _UNPROTECTED and not _is_the_apiserver(request, allowed_names):
                raise refusals.not_the_apiserver()
            return await handler(request)
        except refusals.Refusal as refusal:
            found = refusal
        except errors.BrokerError as error:
            found = refusals.unavailable(error.message)
        except errors.Stalled as error:
            found = refusals.stalled(error)
        except web.HTTPNotFound:
            found = refusals.no_such_path(request.path)
        except web.HTTPMethodNotAllowed:
            found = refusals.not_allowed(request.method)
        user = request.headers.get("X-Remote-User", "")
        log.info("request_refused", path=request.path, user=user, code=found.code, why=found.message)
        return _json(found.status(resources.GROUP), code=found.code)

    return guard


def _is_the_apiserver(request: web.Request, allowed_names: frozenset[str]) -> bool:
    """The TLS layer has verified the certificate against the request-header authority, or there is none."""
    certificate = request.transport.get_extra_info("peercert") if request.transport else None
    if not certificate:
        return False
    names = {value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"}
    return not allowed_names or bool(names & allowed_names)
