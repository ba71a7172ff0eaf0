"""Which contracts does an OpenAPI document come to? One for each operation that can be called, the others with the reason.

document ─► operations ─► names ─► --only ─► parameters, body, answers, server, security ─► draft
                                                    └─ cannot be said in a contract ─► skipped
"""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from keelstep.imports import draft, effects, naming
from keelstep.imports.draft import Draft, Imported, Sketch, Skipped, UnusableError
from keelstep.imports.effects import Effect
from keelstep.imports.openapi import answers, bodies, parameters, security, servers
from keelstep.imports.openapi.answers import Answers
from keelstep.imports.openapi.bodies import Body
from keelstep.imports.openapi.document import Document, Operation
from keelstep.imports.openapi.parameters import Parameters
from keelstep.kinds.contract import SideEffect
from keelstep.kinds.failure import ErrorClass

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_RETRYABLE = [str(each) for each in ErrorClass]


def imported(document: Document, *, only: str = "*", prefix: str = "", server: str = "") -> Imported:
    """The contracts of a document whose operation's name, path or contract's name matches `only`."""
    operations = list(document.operations())
    named = naming.distinct(((naming.kebab(each.name), each.source) for each in operations), prefix)
    drafts: list[Draft] = []
    skipped = [
        Skipped(source=path, why=why)
        for path, why in document.unreadable().items()
        if fnmatchcase(path, only)
    ]
    for operation, (name, note) in zip(operations, named, strict=True):
        if not any(
            fnmatchcase(each, only) for each in (operation.name, operation.path, operation.source, name)
        ):
            continue
        try:
            sketch = _sketch(document, operation, server)
            if note:
                sketch.note("metadata.name", note)
            drafts.append(sketch.draft(name, operation.source))
        except UnusableError as error:
            skipped.append(Skipped(source=operation.source, why=str(error)))
    return Imported(drafts=drafts, skipped=skipped)


def _sketch(document: Document, operation: Operation, server: str) -> Sketch:
    if operation.method not in _METHODS:
        raise UnusableError(f"contracts do not call {operation.method}")
    if not operation.path.startswith("/"):
        # joined to the address it would name another host: https://shop.example + @elsewhere.example/
        raise UnusableError("its path does not begin with a slash")
    address, why_here = servers.of(document, operation, server)
    params = parameters.read(document, operation)
    body = bodies.read(document, operation, params)
    answer = answers.read(document, operation)
    effect = effects.of_http(
        operation.method, operation.path, operation.name, answer.statuses, operation.siblings
    )
    sketch = Sketch()
    _terms(sketch, operation, effect)
    _schemas(sketch, params, body, answer)
    _repetition(sketch, operation, effect, params, answer)
    _timeout(sketch, operation)
    _transport(sketch, operation, address + params.path, why_here, params, body)
    found = security.read(document, operation, address)
    if found.credentials:
        sketch.put("credentials", found.credentials)
        for place, why in found.notes.items():
            sketch.note(f"credentials.{place}", why)
    if operation.content.get("deprecated") is True:
        sketch.note("", "The document says that this operation is deprecated.")
    return sketch


def _terms(sketch: Sketch, operation: Operation, effect: Effect) -> None:
    texts = [operation.content.get(key) for key in ("summary", "description")]
    said = draft.described([text for text in texts if isinstance(text, str)])
    sketch.put("description", said or operation.source, "" if said else "the document does not describe it")
    sketch.put("sideEffect", str(effect.side_effect), effect.why)
    sketch.put("consequenceTier", effect.tier, "the lowest of that side effect")


def _schemas(sketch: Sketch, params: Parameters, body: Body, answer: Answers) -> None:
    whole: dict[str, Any] = body.schema or {
        "type": "object",
        "required": [*params.required, *body.required],
        "additionalProperties": False,
        "properties": {**params.properties, **body.properties},
    }
    if not whole.get("required", True):
        del whole["required"]
    sketch.put("schema.input", whole)
    left_out = [*params.left_out, *body.left_out]
    if left_out:
        sketch.note("schema.input", f"left out: {', '.join(left_out)}")
    for loss in (*params.losses, *body.losses):
        sketch.note("schema.input", loss)
    sketch.put("schema.output", answer.output, answer.why)
    for loss in dict.fromkeys(answer.losses):
        sketch.note("schema.output", loss)


def _repetition(
    sketch: Sketch, operation: Operation, effect: Effect, params: Parameters, answer: Answers
) -> None:
    """What is known of asking twice."""
    if effect.side_effect is SideEffect.READ_ONLY:
        sketch.put("failurePolicy.retryable", _RETRYABLE, "reading again does no harm")
        return
    if params.key_header:
        sketch.put(
            "idempotency.mode",
            "Keyed",
            f"the document takes the header {params.key_header}; prove it with keelstep contract test",
        )
        sketch.put("failurePolicy.retryable", _RETRYABLE, "with the same key")
    else:
        sketch.put("idempotency.mode", "None", _once(operation))
    if answer.refusals:
        sketch.put(
            "failurePolicy.notPerformed",
            answer.refusals,
            "documented, and true of a service that checks before it acts; anything else leaves the outcome unknown",
        )


def _once(operation: Operation) -> str:
    if operation.method in ("PUT", "DELETE"):
        return (
            f"{operation.method} may be repeated by the definition of HTTP; once keelstep contract test has proven it,"
            " PerCall lets a call whose answer was lost be sent again"
        )
    return "the document names no idempotency key, so a call is sent at most once"


def _timeout(sketch: Sketch, operation: Operation) -> None:
    """Two gateways' extensions say how long they wait."""
    known: tuple[tuple[str, Callable[[Any], float]], ...] = (
        ("x-google-backend", lambda extension: float(extension["deadline"])),
        ("x-amazon-apigateway-integration", lambda extension: float(extension["timeoutInMillis"]) / 1000),
    )
    for name, seconds in known:
        try:
            found = round(min(600, max(1, seconds(operation.content[name]) + 0.5)))
        except (KeyError, TypeError, ValueError, OverflowError):
            continue
        sketch.put("timeoutSeconds", found, f"of {name}")
        return
    sketch.put("timeoutSeconds", 30, "the document does not say; keelstep contract test suggests one")


def _transport(
    sketch: Sketch, operation: Operation, url: str, why_here: str, params: Parameters, body: Body
) -> None:
    sketch.put("transport.http.method", operation.method)
    sketch.put("transport.http.url", url, why_here)
    headers = [*params.headers]
    if body.media_type:
        headers.append({"name": "Content-Type", "value": body.media_type})
    if headers:
        sketch.put("transport.http.headers", headers)
    if params.query:
        sketch.put("transport.http.query", params.query)
    if body.encoding != "JSON":
        sketch.put("transport.http.encoding", body.encoding)
    if body.expression is not None:
        sketch.put("transport.http.body", body.expression, body.why)
    if params.key_header and params.key_header != "Idempotency-Key":
        sketch.put("transport.http.idempotencyHeader", params.key_header)
