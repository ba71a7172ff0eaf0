"""What does an operation answer? The schema of its output, and which statuses say that nothing happened."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keelstep.domain import canonical
from keelstep.imports import nodes, schemas
from keelstep.imports.draft import UnusableError
from keelstep.imports.openapi import bodies
from keelstep.imports.openapi.document import Document, Operation

_BEFORE_ANYTHING = (400, 401, 403, 404, 405, 406, 413, 415, 422, 429)
"""Statuses with which a service refuses before it begins; 409 and 5xx may well come after."""


@dataclass(slots=True)
class Answers:
    """What an operation's answers come to."""

    output: dict[str, Any]
    why: str = ""
    statuses: tuple[str, ...] = ()
    """As they stand in the document."""
    refusals: list[int] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)


def read(document: Document, operation: Operation) -> Answers:
    """The answers of an operation.

    Raises:
        UnusableError: none that means success is JSON.
    """
    described = nodes.mapping(operation.content.get("responses"))
    responses = {str(key): each for key, each in described.items()}
    good = [key for key in responses if key.startswith("2")] or [key for key in responses if key == "default"]
    found = Answers(
        output={},
        statuses=tuple(responses),
        refusals=[status for status in _BEFORE_ANYTHING if str(status) in responses],
    )
    outputs: list[dict[str, Any]] = []
    for key in good:
        for output in _outputs(document, found, key, document.follow(responses[key])):
            if output not in outputs:
                outputs.append(output)
    if not good:
        found.why = "the document describes no success; say what the output looks like"
    elif good == ["default"]:
        found.output, found.why = {}, "the document describes no success of its own, only a default"
    else:
        found.output = _one_of(outputs)
        found.why = found.why or f"of {', '.join(good)}"
    return found


def _outputs(
    document: Document, found: Answers, key: str, response: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The schema of one response, or of none in it."""
    media = nodes.mapping(response.get("content"))
    if not media:
        return [{"type": "null"}]
    names = {str(each).partition(";")[0].strip().lower(): each for each in media}
    chosen = next((name for name in names if bodies.JSON.fullmatch(name)), "*/*" if "*/*" in names else "")
    if not chosen:
        if key == "default":
            return [{}]
        raise UnusableError(f"it answers {', '.join(map(str, media))}, not JSON")
    if chosen == "*/*":
        found.why = "the document allows any media type; it must be JSON"
    made = schemas.whole(document, nodes.mapping(media[names[chosen]]).get("schema", {}), "response")
    found.losses += made.losses
    return [made.content]


def _one_of(outputs: list[dict[str, Any]]) -> dict[str, Any]:
    if len(outputs) == 1:
        return outputs[0]
    joined = {"anyOf": outputs}
    # of each alone there was room; of all together there may be none
    return joined if len(canonical.dumps(joined)) <= schemas.MOST_BYTES else {}
