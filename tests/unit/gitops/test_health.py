"""Is every standing of our kinds shown by Argo CD and Flux for what it is?"""

import pytest

from keelstep.kinds.execution import Phase
from keelstep.kinds.gate import GatePhase
from tests.unit.gitops import expected, health

RECORDED = health.recorded()


@pytest.mark.parametrize("name", sorted(expected.ARGOCD))
def test_argo_cd_shows_a_standing_for_what_it_is(name: str) -> None:
    """Suspended where a person's answer is awaited, Degraded where a person must repair, and it says which."""
    level, message = health.argocd(RECORDED[name])
    assert level == expected.ARGOCD[name]
    assert message or level in ("Healthy", "Progressing")


@pytest.mark.parametrize("name", sorted(expected.FLUX))
def test_flux_waits_for_what_is_under_way_and_for_no_person(name: str) -> None:
    """Failed is said at once; a run that waits for a person has been applied."""
    assert health.flux(RECORDED[name]) == expected.FLUX[name]


@pytest.mark.parametrize(
    "name", ["execution-succeeded", "execution-failed", "strategy-ready", "strategy-killed", "contract-ready"]
)
def test_a_change_the_operator_has_not_seen_is_progressing(name: str) -> None:
    """What the status says of another generation is not the health of this one."""
    found = RECORDED[name]
    newer = {**found, "metadata": {**found["metadata"], "generation": found["metadata"]["generation"] + 1}}
    assert health.argocd(newer)[0] == "Progressing"
    assert health.flux(newer) == "InProgress"


def test_every_phase_is_recorded() -> None:
    """A phase that is added needs a recording, and so an answer."""
    phases = {
        (found["kind"], found["status"].get("phase")) for found in RECORDED.values() if "status" in found
    }
    wanted = {("Execution", phase.value) for phase in Phase} | {("ApprovalGate", p.value) for p in GatePhase}
    assert wanted <= phases
    assert RECORDED.keys() == expected.ARGOCD.keys()
    assert expected.FLUX.keys() == {name for name in RECORDED if not name.startswith("gate-")}


def test_argo_cd_says_why_in_words() -> None:
    """The message is the operator's own sentence, with its reason where a person must act."""
    assert health.argocd(RECORDED["execution-stalled"])[1].startswith("ChildForged: Pod run-a1")
    assert health.argocd(RECORDED["strategy-refused"])[1].startswith("ExpressionInvalid: successCriteria[0]")
    assert "a person must decide run-g" in health.argocd(RECORDED["execution-waiting"])[1]
    assert "bank is down" in health.argocd(RECORDED["contract-killed"])[1]
