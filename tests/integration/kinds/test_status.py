"""Can a status come back from the log, and does a change of it leave the spec alone?"""

import pytest

from tests.integration.kinds import api, cases, plane

STATUS = {"executionID": "0b54ba24", "observedSeq": 7, "phase": "Running"}


@pytest.mark.parametrize(
    "wiped",
    [{"status": None}, {"status": dict.fromkeys(STATUS)}],
    ids=["wiped whole", "wiped field by field"],
)
def test_a_wiped_status_comes_back(wiped: api.Object, governed: plane.Governed, namespace: str) -> None:
    """The status is a view: wiped, it can be written again, even from an earlier event on."""
    base = _execution(namespace)
    governed.place({**base, "status": STATUS})
    assert governed.operator.patch(base, wiped, subresource="status").is_ok
    again = governed.operator.patch(base, {"status": {**STATUS, "observedSeq": 3}}, subresource="status")
    assert again.is_ok, again.message
    assert again.body["status"]["observedSeq"] == 3


def test_a_status_write_changes_no_spec(governed: plane.Governed, namespace: str) -> None:
    """Whoever may write the status cannot change by it what was asked."""
    base = _execution(namespace)
    governed.place(base)
    both = {"spec": {"goal": "Pay me.", "suspend": True}, "status": STATUS}
    answer = governed.operator.patch(base, both, subresource="status")
    assert answer.is_ok, answer.message
    assert answer.body["spec"]["goal"] == base["spec"]["goal"]
    assert answer.body["spec"]["suspend"] is False


def test_a_spec_write_changes_no_status(governed: plane.Governed, namespace: str) -> None:
    """Whoever may write the spec cannot make a run look finished."""
    base = _execution(namespace)
    governed.place({**base, "status": STATUS})
    answer = governed.operator.patch(base, {"spec": {"suspend": True}, "status": {"phase": "Succeeded"}})
    assert answer.is_ok, answer.message
    assert answer.body["status"]["phase"] == "Running"


def test_conditions_are_one_for_each_type(governed: plane.Governed, namespace: str) -> None:
    """Two conditions of one type are refused."""
    base = _execution(namespace)
    governed.place(base)
    condition = {
        "type": "Accepted",
        "status": "True",
        "reason": "Started",
        "lastTransitionTime": "2029-12-31T00:00:00Z",
    }
    twice = {"status": {"conditions": [condition, condition]}}
    answer = governed.operator.patch(base, twice, subresource="status")
    assert "status.conditions[1]: Duplicate value" in answer.message


def _execution(namespace: str) -> api.Object:
    return api.in_namespace(
        next(case.before for case in cases.read_all() if case.kind == "execution"), namespace
    )
