"""A run at work is looked at now and then; everything else about it at once."""

import pytest

from keelstep.domain.state import State
from keelstep.log.follow import Heard
from keelstep.testing import builders
from keelstep_operator import follow

BEGUN = builders.log().started().attempt().state
AT_WORK = builders.log().started().attempt().model().state
UNDOING = builders.log().started().attempt().model().cancelled().state


def heard(kind: str) -> Heard:
    """A message of this type, as its writer says."""
    return Heard(tenant="shop", xid="x", writer="gw", position=9, stored_at=0, type=kind)


@pytest.mark.parametrize(
    ("kind", "known", "seconds"),
    [
        pytest.param("tool.called", AT_WORK, follow.GLANCE_SECONDS, id="it goes on as before"),
        pytest.param("model.called", BEGUN, follow.FIRST_SECONDS, id="its first work"),
        pytest.param("tool.called", None, 0, id="a run that nobody has read"),
        pytest.param("gate.requested", AT_WORK, 0, id="a question to a person"),
        pytest.param("exec.finished", AT_WORK, 0, id="its end"),
        pytest.param("", AT_WORK, 0, id="a message that does not say what it is"),
        pytest.param("tool.result", UNDOING, 0, id="what an undoing waits for"),
    ],
)
def test_a_run_is_looked_at(kind: str, known: State | None, seconds: float) -> None:
    """Hundreds of runs at work must leave time for a kill; nobody may wait for an end or a question."""
    assert follow.pause(heard(kind), known) == seconds
