"""What comes next in an output that was too long to be shown at once?

The only builtin that reads something besides its arguments: an earlier output of the same run, which the log names, and
of that only what its contract lets the model see. So it is pure all the same: the same log gives the same page.
"""

from collections.abc import Sequence
from typing import Any

from keelstep.domain import canonical
from keelstep.domain.builtins import function
from keelstep.domain.builtins.function import EvaluationError, Function, Json
from keelstep.domain.builtins.selection import MOST_EXPRESSION_CHARACTERS
from keelstep.kinds.transport import BuiltinFunction

PAGE_BYTES = 8 * 1024
"""Of text; as JSON it is twice that at most, for every quote and backslash in it is escaped once more."""


def _page(args: Json) -> Json:
    text: bytes = args[function.DOCUMENT]
    if "expression" in args:
        text = canonical.dumps(_found(args["expression"], text))
    offset = args.get("offset", 0)
    if offset > len(text):
        raise EvaluationError("OffsetTooLarge", f"offset: there are {len(text)} bytes")
    start = _whole(text, offset)
    end = _whole(text, start + PAGE_BYTES)
    return {
        "text": text[start:end].decode(errors="replace"),
        "bytes": len(text),
        "next": end if end < len(text) else None,
    }


def _found(expression: str, text: bytes) -> Any:
    from keelstep.domain.builtins import query

    try:
        document = canonical.loads(text)
    except ValueError as error:
        raise EvaluationError("QueryFailed", "expression: the output cannot be read") from error
    return query.find(expression, document)


def _whole(text: bytes, place: int) -> int:
    """The place, or the one before it at which no character is torn apart."""
    while 0 < place < len(text) and text[place] & 0xC0 == 0x80:
        place -= 1
    return min(place, len(text))


FUNCTIONS: Sequence[Function] = (
    Function(
        name=BuiltinFunction.RESULT_PAGE,
        summary=(
            f"The next part of an earlier output of this run, {PAGE_BYTES} bytes at a time: `result` is the number that the"
            " shortened answer named, `offset` where to begin (0 if left out; `next` of the page before, null at its end),"
            f" `expression` a JMESPath over the output (at most {MOST_EXPRESSION_CHARACTERS} characters) to page through"
            " what it finds. Of what the contract hides from the model nothing is paged."
        ),
        input=function.arguments(
            {"result": {"type": "integer", "minimum": 1}},
            {
                "offset": {"type": "integer", "minimum": 0},
                "expression": {"type": "string", "minLength": 1, "maxLength": MOST_EXPRESSION_CHARACTERS},
            },
        ),
        output=function.answer(
            text={"type": "string"}, bytes={"type": "integer"}, next={"type": ["integer", "null"]}
        ),
        evaluate=_page,
        reads="result",
        example=(
            {"result": 12, "expression": "orders[?state=='open'].id"},
            {"text": '["o-1"]', "bytes": 7, "next": None},
        ),
        example_document={"orders": [{"id": "o-1", "state": "open"}, {"id": "o-2", "state": "paid"}]},
    ),
)
"""In the order in which the page lists them."""
