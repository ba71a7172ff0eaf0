"""Runs brought to a point, as tests need them, and what becomes of one more message."""

from collections.abc import Callable

from msgspec import structs

from keelstep.domain import execution
from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder

Story = Callable[[], LogBuilder]
Step = Callable[[LogBuilder], object]


def begun() -> LogBuilder:
    """Started, no attempt yet."""
    return builders.log().started()


def running() -> LogBuilder:
    """Its first attempt has begun."""
    return begun().attempt()


def called() -> LogBuilder:
    """A model call is open."""
    return running().model_called()


def replied() -> LogBuilder:
    """The model answered."""
    return running().model()


def planned(*tools: str) -> LogBuilder:
    """Calls of these contracts are planned; of a reversible and an irreversible one by default."""
    return replied().plan(*(tools or ("credit.grant", "refund.issue")))


def performed(*tools: str) -> LogBuilder:
    """Calls that can be undone were made; by default one."""
    run = builders.log().started(contracts=builders.UNDOABLE).attempt().model()
    run = run.plan(*(tools or ("credit.grant",)))
    for index in range(len(tools or ("credit.grant",))):
        run.claim(index, key=f"k{index}").result(index)
    return run


def failing(*tools: str) -> LogBuilder:
    """They were made, and the run has failed."""
    return performed(*tools).unwinding()


def claimed() -> LogBuilder:
    """The first planned call is claimed."""
    return planned().claim()


def taken() -> LogBuilder:
    """The claim passed to another gateway."""
    return claimed().taken_over()


def parked() -> LogBuilder:
    """A person is asked about a refund."""
    return planned("refund.issue", "orders.get").gate()


def approved() -> LogBuilder:
    """A person said yes, and the next attempt has begun."""
    return parked().decided().attempt()


def finished() -> LogBuilder:
    """Over, as the runner wished."""
    return replied().finished()


def killed(story: Story = running) -> LogBuilder:
    """Over, because somebody stopped it."""
    return story().killed()


def fate(run: LogBuilder, step: Step) -> str:
    """What becomes of one more message: nothing where it is an event, else the reason why it is void.

    A void message changes nothing but the position and the count of void messages, whatever it says.
    """
    before = run.state
    try:
        outcome = step(run)
    except AssertionError:
        outcome = None
    if run.state.seq > before.seq:
        return ""
    assert run.position > before.position, "no message was stored"
    rest = structs.replace(
        run.state, position=before.position, voids=before.voids, voids_since=before.voids_since
    )
    assert rest == before
    assert run.state.voids == before.voids + 1
    if not isinstance(outcome, execution.Void):
        _, outcome = execution.advance(before, run.messages[-1], run.vouch)
    assert isinstance(outcome, execution.Void)
    return outcome.reason
