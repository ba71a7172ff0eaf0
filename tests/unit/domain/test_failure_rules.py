"""What may be stored about a call that fails: another attempt, what a read found out, what a person is asked (DESIGN §5)."""

import pytest

from tests.unit.domain import stories
from tests.unit.domain.forgeries import certain, doubted, forge, granted, in_doubt, not_in_doubt, spent, step
from tests.unit.domain.stories import Step, Story, fate

ALLOWED: dict[str, tuple[Story, Step]] = {
    "a failure by the word of a read, after an attempt that may have done it": (
        lambda: stories.claimed().tried_again(is_certain=False), step("result", status="failed", via="orders.get"),
    ),
    "an appeal about a call that failed": (spent, step("gate", kind="exhausted")),
    "an appeal about a call that nobody knows of": (in_doubt, step("gate", kind="exhausted")),
    "a second appeal, since it failed again": (
        lambda: spent().gate(kind="exhausted").decided().attempt().claim().result(status="failed"),
        step("gate", kind="exhausted"),
    ),
    "a claim of a call that a person let be made again": (
        lambda: spent().gate(kind="exhausted").decided().attempt(), step("claim"),
    ),
    "what a read found out about an unknown outcome": (in_doubt, step("reconciled")),
    "that it did not happen": (in_doubt, step("reconciled", status="failed")),
    "what a read found out while held": (lambda: in_doubt().suspended(), step("reconciled")),
    "another attempt by the owner": (stories.claimed, step("tried_again")),
    "another attempt by the owner, who is not certain": (stories.claimed, step("tried_again", is_certain=False)),
    "a failure after attempts that did nothing": (
        lambda: stories.claimed().tried_again().tried_again(), step("result", status="failed"),
    ),
    "an unknown outcome after an attempt that may have done it": (
        lambda: stories.claimed().tried_again(is_certain=False), step("result", status="unknown"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ALLOWED)
def test_the_state_allows(case: str) -> None:
    """What an honest writer may do in this state is an event."""
    story, next_step = ALLOWED[case]
    assert fate(story(), next_step) == ""


REFUSED: dict[str, tuple[Story, Step]] = {
    "an appeal about a call that was not made": (stories.planned, step("gate", kind="exhausted")),
    "an appeal about a call that succeeded": (lambda: stories.claimed().result(), step("gate", kind="exhausted")),
    "an appeal about a call that was denied": (
        lambda: stories.planned().result(status="denied"), step("gate", kind="exhausted"),
    ),
    "a second appeal about one failure": (
        lambda: stories.claimed().result(status="failed").gate(kind="exhausted").decided("rejected"),
        step("gate", kind="exhausted"),
    ),
    "an appeal about a call that turned out to have happened": (
        lambda: in_doubt().reconciled(), step("gate", kind="exhausted"),
    ),
    "an appeal after the end": (lambda: stories.killed(spent), step("gate", kind="exhausted")),
    "a question about a call that came to nothing, as if it were to be made": (spent, step("gate")),
    "a question about an undoing that nobody began": (stories.planned, step("gate", kind="undo")),
    "a word about a call that nobody doubts": (granted, forge("tool.reconciled", not_in_doubt, "gw")),
    "a word about another call than the one in doubt": (in_doubt, step("reconciled", result_seq=2)),
    "a word about another key": (in_doubt, step("reconciled", idempotency_key="other")),
    "a word of another tool": (in_doubt, step("reconciled", tool="orders.get")),
    "a word of a tool that is no free read": (in_doubt, step("reconciled", via="refund.issue")),
    "a word of a tool that the run may not call": (in_doubt, step("reconciled", via="shop.burn")),
    "a word of nobody": (in_doubt, step("reconciled", via="")),
    "that it happened, without its output": (
        in_doubt, forge("tool.reconciled", lambda run: doubted(run, status="ok"), "gw"),
    ),
    "a word about it after the end": (lambda: stories.killed(in_doubt), step("reconciled")),
    "a failure by the word of a tool that is no read": (
        lambda: stories.claimed().tried_again(is_certain=False), step("result", status="failed", via="refund.issue"),
    ),
    "a take-over that is certain of what another did": (stories.claimed, forge("tool.retried", certain, "gw")),
    "another attempt while held": (lambda: stories.claimed().suspended(), step("tried_again")),
    "another attempt after the end": (lambda: stories.killed(stories.claimed), step("tried_again")),
    "a failure after an attempt that may have done it": (
        lambda: stories.claimed().tried_again(is_certain=False).tried_again(), step("result", status="failed"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_the_state_refuses(case: str) -> None:
    """What the state does not allow is void, whoever wrote it, and changes nothing."""
    story, next_step = REFUSED[case]
    assert fate(story(), next_step) == "NotAllowed"
