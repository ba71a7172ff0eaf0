"""Is a history the same however it was read, and does it know where a run stands?"""

from collections.abc import Callable

import pytest

from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder
from keelstep.views import history


def _begun() -> LogBuilder:
    return builders.log().started().attempt()


@pytest.mark.parametrize("cut", range(0, 12))
def test_reading_in_parts_is_reading_at_once(cut: int) -> None:
    """What was folded before is extended by what came later, with the same outcome."""
    run = _begun().model().plan("refund.issue").gate()
    run.garbage(b"nonsense", writer="a1")
    run.decided().claim().result().model().finished()
    empty = history.begin(run.tenant, run.xid)
    first = history.extend(empty, run.messages[:cut], run.vouch)
    assert history.extend(first, run.messages[cut:], run.vouch) == history.extend(
        empty, run.messages, run.vouch
    )


PHASES: dict[str, tuple[Callable[[], LogBuilder], str]] = {
    "before anything": (lambda: builders.log(), "Pending"),
    "once it is started": (lambda: builders.log().started(), "Pending"),
    "once an attempt began": (lambda: _begun(), "Scheduled"),
    "once anything was done": (lambda: _begun().model_called(), "Running"),
    "while a person is asked": (lambda: _begun().model().plan("refund.issue").gate(), "WaitingForApproval"),
    "while it is held": (lambda: _begun().suspended(), "Suspended"),
    "once it is cancelled": (lambda: _begun().cancelled(), "Unwinding"),
    "once it succeeded": (lambda: _begun().model().finished(), "Succeeded"),
    "once it was given up": (lambda: _begun().given_up(), "Failed"),
    "once it was killed": (lambda: _begun().killed(), "Killed"),
}


@pytest.mark.parametrize("moment", PHASES)
def test_the_phase_follows_from_the_log(moment: str) -> None:
    """The views say where a run stands without asking Kubernetes."""
    story, phase = PHASES[moment]
    assert history.phase(story().state) == phase
