"""What comes next in an output that was too long to be shown at once?"""

import json
from typing import Any

import pytest

from hack.generate import builtins as page
from keelstep.domain import canonical
from keelstep.domain.builtins import evaluation, paging, registry
from keelstep.domain.outcome import Judged
from keelstep.kinds.contract import ToolContractSpec
from keelstep.kinds.transport import BuiltinFunction

SPEC = ToolContractSpec.model_validate(page.contract(registry.FUNCTIONS[BuiltinFunction.RESULT_PAGE])["spec"])
assert SPEC.transport.builtin is not None
BUILTIN = SPEC.transport.builtin


def judged(document: bytes | None, **args: object) -> Judged:
    """The outcome of a call."""
    return evaluation.evaluate(BUILTIN, SPEC, {"result": 12, **args}, document)


def paged(document: bytes, **args: object) -> dict[str, Any]:
    """A page."""
    found = judged(document, **args)
    assert found.output is not None, found.error
    answer: dict[str, Any] = json.loads(found.output)
    return answer


@pytest.mark.parametrize("letter", ["x", "é", "漢", "🙂"])
def test_the_pages_together_are_the_output(letter: str) -> None:
    """From offset to offset until there is none; no character is torn apart, none is missing, none comes twice."""
    document = canonical.dumps({"text": letter * 20_000})
    text, offset, pages = "", 0, 0
    while True:
        found = paged(document, offset=offset)
        text += found["text"]
        pages += 1
        assert len(found["text"].encode()) <= paging.PAGE_BYTES
        assert found["bytes"] == len(document)
        if found["next"] is None:
            break
        assert found["next"] > offset
        offset = found["next"]
    assert text.encode() == document
    assert pages >= len(document) // paging.PAGE_BYTES


def test_a_page_of_quotes_still_fits_its_own_message() -> None:
    """A page is shown whole by its contract's default: else it would have to be paged itself."""
    found = judged(canonical.dumps({"text": '"\\' * 20_000}))
    assert found.output is not None
    assert len(found.output) < SPEC.present.max_bytes


def test_what_an_expression_finds_is_paged() -> None:
    """It is told how much of it there is."""
    document = canonical.dumps({"orders": [{"id": n} for n in range(5000)]})
    found = paged(document, expression="orders[-2:].id")
    assert found == {"text": "[4998,4999]", "bytes": 11, "next": None}


def test_an_offset_within_a_character_begins_with_it() -> None:
    """Whatever the model counts."""
    document = canonical.dumps(["🙂"])
    assert paged(document, offset=4)["text"] == '🙂"]'


def test_the_end_is_an_empty_page() -> None:
    """What follows it is refused."""
    document = canonical.dumps({"n": 1})
    assert paged(document, offset=len(document)) == {"text": "", "bytes": 7, "next": None}
    found = judged(document, offset=8)
    assert found.error is not None
    assert found.error.reason == "OffsetTooLarge"


def test_a_result_that_the_run_does_not_have_is_told() -> None:
    """Nobody pages through another run."""
    found = judged(None)
    assert found.error is not None
    assert (found.status, found.error.reason) == ("failed", "ResultMissing")
