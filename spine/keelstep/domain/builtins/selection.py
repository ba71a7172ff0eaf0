"""What part of this document is wanted? JMESPath, a query language for JSON (jmespath.org)."""

from collections.abc import Sequence
from typing import Any

from keelstep.domain import canonical
from keelstep.domain.builtins import function
from keelstep.domain.builtins.function import EvaluationError, Function, Json
from keelstep.kinds.transport import BuiltinFunction

MOST_DOCUMENT_BYTES = 256 * 1024
MOST_EXPRESSION_CHARACTERS = 512


def _select(args: Json) -> Json:
    # a runner that selects nothing should not wait for the library: it imports half as much as the loop itself
    from keelstep.domain.builtins import query

    document: Any = args["document"]
    if len(canonical.dumps(document)) > MOST_DOCUMENT_BYTES:
        raise EvaluationError("QueryTooCostly", f"document: more than {MOST_DOCUMENT_BYTES} bytes")
    return {"found": query.find(args["expression"], document)}


FUNCTIONS: Sequence[Function] = (
    Function(
        name=BuiltinFunction.JSON_SELECT,
        summary=(
            "What a JMESPath expression finds in a document: `orders[?state=='open'].id`; null where it finds nothing."
            f" At most {MOST_DOCUMENT_BYTES} bytes and {MOST_EXPRESSION_CHARACTERS} characters. JMESPath's own sums are"
            " floats: take money out as text, and use decimal.sum."
        ),
        input=function.arguments(
            {
                "document": {},
                "expression": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": MOST_EXPRESSION_CHARACTERS,
                },
            }
        ),
        output=function.answer(found={}),
        evaluate=_select,
        example=(
            {
                "document": {"orders": [{"id": "o-1", "state": "open"}, {"id": "o-2", "state": "paid"}]},
                "expression": "orders[?state=='open'].id",
            },
            {"found": ["o-1"]},
        ),
    ),
)
"""In the order in which the page lists them."""
