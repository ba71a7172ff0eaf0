"""Who collects traces in the tests? An HTTP server that decodes OTLP's protobuf and answers what the test wants."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from keelstep.testing import eventually, ports

MEDIA_TYPE = "application/x-protobuf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One span, as it came."""

    resource: dict[str, object]
    span: trace_pb2.Span

    @property
    def name(self) -> str:
        """What it is called."""
        return self.span.name

    @property
    def attributes(self) -> dict[str, object]:
        """What it says."""
        return _read(self.span.attributes)


Answer = Callable[[Sequence[Received]], web.Response | None]


@dataclass(slots=True)
class Collector:
    """A receiver of traces at a port of its own."""

    port: int
    answer: Answer = lambda _: None
    """What it says to a request instead of taking it."""
    taken: list[Received] = field(default_factory=list)
    asked: int = 0
    """Requests, taken or not."""
    headers: dict[str, str] = field(default_factory=dict)
    """Of the last request."""

    @property
    def endpoint(self) -> str:
        """What a projector is told."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def names(self) -> list[str]:
        """What was taken, in order."""
        return [each.name for each in self.taken]

    def of(self, xid: str) -> list[Received]:
        """What was taken of one run."""
        return [each for each in self.taken if each.attributes["keelstep.execution.id"] == xid]

    async def has(self, number: int) -> None:
        """Wait until so many spans were taken."""
        await eventually.true(lambda: len(self.taken) >= number, f"{number} spans")

    async def receive(self, request: web.Request) -> web.Response:
        """Take a request, or not."""
        self.asked += 1
        self.headers = dict(request.headers)
        found = _decoded(await request.read())
        other = self.answer(found)
        if other is not None:
            return other
        self.taken += found
        return accepted()


def accepted(refused: int = 0, why: str = "") -> web.Response:
    """OTLP's answer to a request that was taken, but for so many spans."""
    partial = trace_service_pb2.ExportTracePartialSuccess(rejected_spans=refused, error_message=why)
    response = trace_service_pb2.ExportTraceServiceResponse(partial_success=partial)
    return web.Response(body=response.SerializeToString(), content_type=MEDIA_TYPE)


@asynccontextmanager
async def collecting(port: int = 0) -> AsyncIterator[Collector]:
    """A receiver while the context lasts, at a port that stays the same when it is given again."""
    collector = Collector(port or ports.one())
    application = web.Application(client_max_size=2**24)
    application.router.add_post("/v1/traces", collector.receive)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", collector.port).start()
        yield collector
    finally:
        await runner.cleanup()


def _decoded(payload: bytes) -> list[Received]:
    request = trace_service_pb2.ExportTraceServiceRequest()
    request.ParseFromString(payload)
    return [
        Received(resource=_read(owned.resource.attributes), span=span)
        for owned in request.resource_spans
        for scope in owned.scope_spans
        for span in scope.spans
    ]


def _read(pairs: Sequence[common_pb2.KeyValue]) -> dict[str, object]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: common_pb2.AnyValue) -> object:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, str(kind))
