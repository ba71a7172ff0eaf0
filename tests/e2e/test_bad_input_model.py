"""What becomes of a run whose model is of no use? It ends with the reason, and says what was wrong, once."""

import re

import pytest

from hack.local.world import Tenant
from tests.e2e import person, record

pytestmark = pytest.mark.usefixtures("programs_stay_calm")

MOST_ASKED = 3
"""The first time and two corrections."""

USELESS: dict[str, tuple[str, str, str, int]] = {
    "prose": ("Answer in prose", "ModelMalformed", "OutputNotJson: The final answer must be one JSON", 3),
    "half a document": (
        "Answer with half a document",
        "ModelMalformed",
        "OutputNotJson: The final answer",
        3,
    ),
    "another document": (
        "Answer off the schema",
        "ModelMalformed",
        "OutputInvalid: The final answer does not match its schema",
        3,
    ),
    "an unknown tool": (
        "Call a tool that is not there",
        "ModelMalformed",
        "UnknownTool: There is no tool 'shop_burn'; there are: credit_grant, orders_get",
        3,
    ),
    "arguments outside the schema": (
        "Call a tool off its schema",
        "ModelMalformed",
        "ArgumentsInvalid: The arguments do not match the tool's schema: order_id: the value does not match",
        3,
    ),
    "arguments that are no JSON": (
        "Call a tool with half a document",
        "ModelMalformed",
        "ArgumentsNotJson: The arguments are not valid JSON.",
        3,
    ),
    "five megabytes": (
        "Answer at length",
        "ResponseTooLarge",
        "the reply of openai/shop-scripted-1 is larger than 4194304 bytes",
        1,
    ),
    "an empty message": ("Answer with nothing", "ModelMalformed", "ReplyEmpty: The reply was empty.", 3),
    "no message at all": (
        "Send nothing at all",
        "ModelReplyInvalid",
        "openai/shop-scripted-1 answered what is no reply of a model",
        1,
    ),
}


def name_of(sentence: str) -> str:
    """The run of a case."""
    return "-".join(sentence.lower().split())


@pytest.fixture(scope="module")
def asked(shared: Tenant) -> Tenant:
    """All runs at once: each test waits for its own."""
    for sentence, (goal, *_) in USELESS.items():
        person.ask(shared, name_of(sentence), goal)
    return shared


@pytest.mark.parametrize("sentence", USELESS)
def test_a_model_that_answers(sentence: str, asked: Tenant) -> None:
    """Asked as often as makes sense; then Failed, with one reason in phase, condition, Event, log and CLI."""
    _, reason, says, times = USELESS[sentence]
    name = name_of(sentence)
    status = asked.until_phase(name, "Succeeded", "Failed", "Killed")
    assert (status["phase"], status["reason"], status["attempt"]) == ("Failed", reason, 1)
    assert says in status["outcome"]
    condition = person.condition(status, "Succeeded")
    assert (condition["status"], condition["reason"]) == ("False", reason)
    assert says in condition["message"]
    event = person.until_told(asked, name, reason)
    assert event["type"] == "Warning"
    assert says in event["message"]
    log = record.assert_sound(asked, name)
    assert len(person.of_type(log, "model.called")) == times <= MOST_ASKED
    assert not person.of_type(log, "tool.called")
    shown = person.keelstep(asked, "status", name)
    assert shown.status == 0
    assert re.search(rf"^Reason: +{reason}$", shown.output, re.MULTILINE), shown.output


def test_the_runners_log_says_no_more_than_a_person_needs(asked: Tenant) -> None:
    """`kubectl logs` of a run whose model is of no use holds no stack trace."""
    for sentence in USELESS:
        asked.until_phase(name_of(sentence), "Failed")
        said = asked.admin.run("logs", f"{name_of(sentence)}-a1", "-n", asked.name)
        assert "Traceback" not in said
