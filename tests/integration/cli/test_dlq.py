"""Does a person see what ended badly, and is what they do about it recorded, in their own name?"""

import pytest

from keelstep.events import types
from tests.integration.cli.terminal import Terminal
from tests.integration.kinds import api
from tests.integration.views.written import Writers, Written

NAME = "refund-1042"
"""The sample Execution's name."""
FIELDS = {"inputs": {"customer_name": "Ada"}, "budget": {"costUSD": "0.25"}}


async def ended(
    writers: Writers, namespace: str, *, is_unknown: bool, reason: str = "ModelMalformed"
) -> Written:
    """A run that failed, with a call of which nobody may know whether it happened."""
    run = await writers.bound(namespace, NAME)
    await run.start()
    plan = await run.turn(1, "credit.grant")
    if is_unknown:
        await run.claim(plan, 0, "credit.grant")
        await run.settle(plan, 0, "unknown", "Timeout")
    else:
        await run.call(plan, 0, "credit.grant")
    failed = types.ExecFinished(outcome="failed", reason=reason, message="malformed three times in a row")
    await run.write("a1", "exec.finished", failed)
    return run


async def execution(terminal: Terminal, name: str = NAME) -> api.Object:
    """An Execution as it is now."""
    found: api.Object = (await terminal.type("status", name, "-o", "json")).data
    return found


async def test_what_ended_badly_is_listed_and_shown(terminal: Terminal, writers: Writers) -> None:
    """One line for each thing that waits, with the kind that says what to do; of a run that ended well none."""
    assert "no dead letters" in (await terminal.type("dlq", "list")).output
    await (await writers.bound(terminal.namespace, "well")).refund()
    await ended(writers, terminal.namespace, is_unknown=True)
    vera = await terminal.holder("keelstep-viewer", "vera@shop.example")
    listed = (await terminal.type("dlq", "list", persona=vera)).output
    assert "well" not in listed
    lines = [line.split() for line in listed.splitlines()]
    assert [line[:4] for line in lines[1:]] == [
        [NAME, "Unknown", "credit.grant", "Timeout"],
        [NAME, "Run", "ModelMalformed", "malformed"],
    ]
    shown = (await terminal.type("dlq", "show", NAME, persona=vera)).output
    assert "find out at the tool whether it happened" in shown
    assert f"keelstep dlq retry {NAME}" in shown


async def test_letters_are_data_too(terminal: Terminal, writers: Writers) -> None:
    """As JSON, for a script."""
    await ended(writers, terminal.namespace, is_unknown=False)
    (found,) = (await terminal.type("dlq", "list", "-o", "json")).data
    assert (found["name"], found["phase"]) == (NAME, "Failed")
    (letter,) = found["deadLetters"]
    assert (letter["kind"], letter["reason"]) == ("Run", "ModelMalformed")
    assert (await terminal.type("dlq", "show", NAME, "-o", "json")).data == found


async def test_a_retry_is_a_new_run_of_whoever_asks(terminal: Terminal, writers: Writers) -> None:
    """Same strategy, goal, inputs and budget; it names the first, and the first is done with."""
    await terminal.place("execution", spec=FIELDS)
    await ended(writers, terminal.namespace, is_unknown=False)
    created = (await terminal.type("dlq", "retry", NAME, "--name", "again", "-o", "json")).data
    first = await execution(terminal)
    for field in ("strategyRef", "goal", "inputs", "budget"):
        assert created["spec"][field] == first["spec"][field]
    assert created["metadata"]["annotations"]["keelstep.io/retry-of"] == NAME
    assert first["spec"]["discard"] == "done again as again"


async def test_whoever_asks_twice_has_it_done_again_once(terminal: Terminal, writers: Writers) -> None:
    """The log does not say yet that it is done with; the spec does. Exit 4, and which run it is."""
    await terminal.place("execution", spec=FIELDS)
    await ended(writers, terminal.namespace, is_unknown=False)
    assert f"{NAME}-retry created" in (await terminal.type("dlq", "retry", NAME)).output
    for words in (("retry", NAME), ("retry", NAME, "--name", "other"), ("discard", NAME, "--reason", "x")):
        said = (await terminal.type("dlq", *words)).refused(4)
        assert said == f"{NAME} is done with already: done again as {NAME}-retry"
    assert "no Execution" in (await terminal.type("status", "other")).refused(3)


async def test_a_retry_that_was_interrupted_is_not_made_twice(terminal: Terminal, writers: Writers) -> None:
    """The new run was created, and nobody said so of the first: whoever asks again finds it and says it."""
    await terminal.place("execution", spec=FIELDS)
    await ended(writers, terminal.namespace, is_unknown=False)
    made = {"name": f"{NAME}-retry", "annotations": {"keelstep.io/retry-of": NAME}}
    await terminal.place("execution", metadata=made, spec=FIELDS)
    assert "is there already" in (await terminal.type("dlq", "retry", NAME)).output
    assert (await execution(terminal))["spec"]["discard"] == f"done again as {NAME}-retry"


async def test_a_retry_takes_nobody_elses_name(terminal: Terminal, writers: Writers) -> None:
    """A run that happens to be called so is no retry: exit 4, and nothing is done with."""
    await terminal.place("execution", spec=FIELDS)
    await ended(writers, terminal.namespace, is_unknown=False)
    await terminal.place("execution", metadata={"name": f"{NAME}-retry"})
    assert "give another --name" in (await terminal.type("dlq", "retry", NAME)).refused(4)
    assert "discard" not in (await execution(terminal))["spec"]


async def test_a_reason_is_recorded_whole_or_not_at_all(terminal: Terminal, writers: Writers) -> None:
    """Nobody's words are cut behind their back."""
    await terminal.place("execution", spec=FIELDS)
    await ended(writers, terminal.namespace, is_unknown=False)
    assert "at most 256" in (await terminal.type("dlq", "discard", NAME, "--reason", "x" * 257)).refused(2)
    assert "discard" not in (await execution(terminal))["spec"]


async def test_what_may_have_happened_is_not_done_again_unasked(terminal: Terminal, writers: Writers) -> None:
    """A new run has keys of its own: the same payment could be made twice. Exit 4, and what to do."""
    await terminal.place("execution")
    await ended(writers, terminal.namespace, is_unknown=True)
    said = (await terminal.type("dlq", "retry", NAME)).refused(4)
    assert "credit.grant" in said
    assert "--despite-unknown" in said
    assert "discard" not in (await execution(terminal))["spec"]
    assert "created" in (await terminal.type("dlq", "retry", NAME, "--despite-unknown")).output


async def test_a_discard_is_a_word_for_the_record(terminal: Terminal, writers: Writers) -> None:
    """It stands in the spec, from where the operator records it; a second one is refused."""
    await terminal.place("execution")
    await ended(writers, terminal.namespace, is_unknown=True)
    assert (
        "nothing of it waits"
        in (await terminal.type("dlq", "discard", NAME, "--reason", "refunded by hand")).output
    )
    assert (await execution(terminal))["spec"]["discard"] == "refunded by hand"
    said = (await terminal.type("dlq", "discard", NAME, "--reason", "another")).refused(4)
    assert "refunded by hand" in said


@pytest.mark.parametrize("words", [("retry",), ("discard", "--reason", "x")])
async def test_a_run_that_goes_on_or_ended_well_cannot_be_settled(
    words: tuple[str, ...], terminal: Terminal, writers: Writers
) -> None:
    """It is settled once it is over; and only where something waits."""
    verb, *rest = words
    going = await writers.bound(terminal.namespace, "going")
    await going.start()
    assert "goes on" in (await terminal.type("dlq", verb, "going", *rest)).refused(4)
    await (await writers.bound(terminal.namespace, "well")).refund()
    assert "nothing of well waits" in (await terminal.type("dlq", verb, "well", *rest)).refused(1)


async def test_what_was_recorded_as_done_with_is_listed_no_more(terminal: Terminal, writers: Writers) -> None:
    """The log says so, and the list is a view of it."""
    run = await ended(writers, terminal.namespace, is_unknown=True)
    done = types.Feedback(by="spec.discard", verdict="bad", reason="refunded by hand", discards=True)
    await run.write("op", "feedback.given", done)
    assert "no dead letters" in (await terminal.type("dlq", "list")).output
