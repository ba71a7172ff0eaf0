"""How do spans become bytes? OTLP's protobuf; the only module that knows its classes. The same spans are the same bytes."""

from collections.abc import Iterable, Sequence
from importlib import metadata
from itertools import groupby

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from keelstep.store.otlp import names
from keelstep.store.otlp.span import Attribute, Attributes, Note, Owner, Span

MEDIA_TYPE = "application/x-protobuf"
_SCOPE = common_pb2.InstrumentationScope(name="keelstep", version=metadata.version("keelstep"))
_SAMPLED = 1


def encode(spans: Sequence[Span]) -> bytes:
    """The request that brings these spans; of none, one that a receiver answers and does nothing about."""
    by_owner = groupby(sorted(spans, key=_owned), key=lambda span: span.owner)
    request = trace_service_pb2.ExportTraceServiceRequest(
        resource_spans=[
            trace_pb2.ResourceSpans(
                resource=_resource(owner),
                scope_spans=[trace_pb2.ScopeSpans(scope=_SCOPE, spans=[_span(each) for each in found])],
            )
            for owner, found in by_owner
        ]
    )
    return request.SerializeToString(deterministic=True)


def refused(payload: bytes) -> tuple[int, str]:
    """How many of the spans a receiver did not want though it took the request, and why."""
    response = trace_service_pb2.ExportTraceServiceResponse()
    try:
        response.ParseFromString(payload)
    except DecodeError:
        return 0, ""  # it took them, and said so in no words of ours
    return response.partial_success.rejected_spans, response.partial_success.error_message


def _owned(span: Span) -> tuple[str, str, str]:
    return span.owner.tenant, span.owner.strategy, span.owner.version


def _resource(owner: Owner) -> resource_pb2.Resource:
    attributes: Attributes = {
        names.SERVICE: owner.strategy,
        names.SERVICE_NAMESPACE: owner.tenant,
        names.SERVICE_VERSION: owner.version,
        names.NAMESPACE: owner.tenant,
    }
    return resource_pb2.Resource(attributes=_pairs(attributes))


def _span(span: Span) -> trace_pb2.Span:
    return trace_pb2.Span(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_id,
        flags=_SAMPLED,
        name=span.name,
        kind=trace_pb2.Span.SpanKind.ValueType(span.kind),
        start_time_unix_nano=span.begun,
        end_time_unix_nano=span.ended,
        attributes=_pairs(span.attributes),
        events=[_note(each) for each in span.notes],
        status=_status(span.error),
    )


def _status(error: str) -> trace_pb2.Status:
    if not error:
        return trace_pb2.Status()
    return trace_pb2.Status(code=trace_pb2.Status.STATUS_CODE_ERROR, message=error)


def _note(note: Note) -> trace_pb2.Span.Event:
    return trace_pb2.Span.Event(time_unix_nano=note.at, name=note.name, attributes=_pairs(note.attributes))


def _pairs(attributes: Attributes) -> Iterable[common_pb2.KeyValue]:
    return [common_pb2.KeyValue(key=name, value=_value(value)) for name, value in attributes.items()]


def _value(value: Attribute) -> common_pb2.AnyValue:
    match value:
        case str():
            return common_pb2.AnyValue(string_value=value)
        case int():
            return common_pb2.AnyValue(int_value=value)
        case float():
            return common_pb2.AnyValue(double_value=value)
        case tuple():
            return common_pb2.AnyValue(
                array_value=common_pb2.ArrayValue(values=[_value(each) for each in value])
            )
