"""Is a decision appended only to the list that was looked at?"""

from keelstep.cli.commands import gate
from keelstep.kube import Object

MINE: Object = {"verdict": "Approved", "approver": "grace", "reason": ""}
THEIRS: Object = {"verdict": "Approved", "approver": "kim", "reason": ""}


def test_the_patch_tests_the_list() -> None:
    """Whoever decides at the same moment makes the test fail, and the person looks again."""
    assert gate.build_patch({"spec": {"decisions": [THEIRS]}}, MINE) == [
        {"op": "test", "path": "/spec/decisions", "value": [THEIRS]},
        {"op": "add", "path": "/spec/decisions/-", "value": MINE},
    ]


def test_a_gate_without_a_list_gets_one() -> None:
    """An older gate may lack the field."""
    assert gate.build_patch({"spec": {}}, MINE) == [{"op": "add", "path": "/spec/decisions", "value": [MINE]}]
