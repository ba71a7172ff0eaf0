"""What does a contract show of its tool and of its tests?"""

import json
from typing import Any

import pytest

from keelstep.kinds import names
from keelstep.log.drifts import Note
from keelstep_operator.decide import condition, conformance, drift

REVISION, DIGEST = "a" * 64, "b" * 64
STATED: dict[str, Any] = {
    "revision": REVISION,
    "passed": {"digest": DIGEST, "kind": "live", "at": "2026-11-21T08:00:00Z"},
}
DRIFTED = Note(message="the MCP server says something else of the tool: input", at="2026-11-21T08:00:00Z")
LIFTED = Note(message="", at="2026-11-21T09:00:00Z")


def test_a_contract_shows_the_pass_that_is_stated_of_its_very_content() -> None:
    """Who stated it is not asked: whoever may write contracts."""
    found = conformance.read({names.ANNOTATION_CONFORMANCE: json.dumps(STATED)}, REVISION)
    assert found is not None
    assert found.wire() == STATED["passed"]


UNUSABLE: dict[str, tuple[str, str]] = {
    "of another content": (json.dumps(STATED), "c" * 64),
    "where the content is not accepted": (json.dumps({**STATED, "revision": ""}), ""),
    "that is no JSON": ("passed", REVISION),
    "with a field that nobody reads": (json.dumps({**STATED, "by": "ada"}), REVISION),
    "with a digest that is none": (
        json.dumps({**STATED, "passed": {**STATED["passed"], "digest": "yes"}}),
        REVISION,
    ),
}


@pytest.mark.parametrize("sentence", UNUSABLE)
def test_no_pass_is_shown_of_a_statement(sentence: str) -> None:
    """It counts for nothing, and does no harm."""
    said, revision = UNUSABLE[sentence]
    assert conformance.read({names.ANNOTATION_CONFORMANCE: said}, revision) is None
    assert conformance.read({}, revision) is None


def test_a_drift_is_a_condition_that_says_what_to_do_and_leaves_the_contract_ready() -> None:
    """Its absence says nothing; taken back, it stays as false."""
    assert drift.check(None) is None
    found, lifted = drift.check(DRIFTED), drift.check(LIFTED)
    assert found is not None
    assert lifted is not None
    assert (found.type, found.status, found.reason) == ("Drifted", "True", "Drifted")
    assert "keelstep contract diff" in found.message
    assert (lifted.status, lifted.reason) == ("False", "AsReviewed")
    assert condition.ready([condition.holds("Accepted", "Accepted")]).status == "True"


def test_an_event_tells_of_a_drift_once_and_of_its_end() -> None:
    """Not of a tool that was always as reviewed."""
    found, lifted = drift.check(DRIFTED), drift.check(LIFTED)
    assert found is not None
    assert lifted is not None
    before = [{"type": "Drifted", "status": "True"}]
    assert drift.is_news(found, [])
    assert not drift.is_news(found, before)
    assert drift.is_news(lifted, before)
    assert not drift.is_news(lifted, [])
