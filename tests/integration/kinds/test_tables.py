"""What does a person see with `kubectl get`, and with `kubectl explain`?"""

import pytest
import yaml

from tests.integration.kinds import api, cases, plane

CONDITION = {"status": "False", "reason": "InvalidSchema", "lastTransitionTime": "2029-12-31T00:00:00Z"}

STATUS: dict[str, api.Object] = {
    "agentstrategy": {"conditions": [{"type": "Ready", **CONDITION}]},
    "toolcontract": {"conditions": [{"type": "Ready", **CONDITION}]},
    "execution": {
        "phase": "WaitingForApproval",
        "reason": "GatePending",
        "step": 7,
        "costUSD": "0.012",
        "gate": "refund-1042-g9",
    },
    "approvalgate": {"phase": "Approved", "reason": "Approved", "decidedBy": ["grace@shop.example"]},
}

TABLES = {
    "agentstrategy": """
        NAME           VERSION   MODEL                      MAX TIER   READY   REASON          AGE
        refund-agent   1.4.0     openai/gpt-4o-2024-08-06   0          False   InvalidSchema   *
    """,
    "toolcontract": """
        NAME         EFFECT     TIER   READY   REASON          DRIFTED   TESTED   AGE
        orders.get   ReadOnly   0      False   InvalidSchema   *
    """,
    "execution": """
        NAME          PHASE                REASON        STRATEGY       STEP   COST    GATE             AGE
        refund-1042   WaitingForApproval   GatePending   refund-agent   7      0.012   refund-1042-g9   *
    """,
    "approvalgate": """
        NAME             PHASE      REASON     EXECUTION     TOOL           TIER   BY                       DEADLINE               AGE
        refund-1042-g9   Approved   Approved   refund-1042   refund.issue   3      ["grace@shop.example"]   2030-01-01T00:00:00Z   *
    """,  # noqa: E501 a table is easier to compare unbroken
}

SHORT = {"agentstrategy": "strat", "toolcontract": "tool", "execution": "run", "approvalgate": "gate"}


@pytest.mark.parametrize("kind", sorted(TABLES))
def test_get_prints_a_line_that_says_how_things_stand(
    kind: str, governed: plane.Governed, namespace: str
) -> None:
    """`kubectl get` of each kind shows its phase or readiness with a reason."""
    governed.place({**_base(kind, namespace), "status": STATUS[kind]})
    printed = governed.kubectl("get", SHORT[kind], f"--namespace={namespace}").output
    lines = [line.split() for line in printed.splitlines()]
    wanted = [line.split() for line in TABLES[kind].strip().splitlines()]
    assert [line[:-1] for line in lines] == [line[:-1] for line in wanted]
    assert lines[0][-1] == "AGE"
    if kind == "execution":
        assert max(map(len, printed.splitlines())) <= 120


def test_what_nobody_has_written_is_absent_not_zero(governed: plane.Governed, namespace: str) -> None:
    """An execution the operator has not seen yet is Pending and shows nothing else: no step 0, no cost 0."""
    base = _base("execution", namespace)
    placed = governed.place(base)
    assert placed["status"] == {"phase": "Pending"}
    printed = governed.kubectl("get", "executions", f"--namespace={namespace}").output
    assert printed.splitlines()[1].split()[:3] == ["refund-1042", "Pending", "refund-agent"]


def test_one_word_lists_everything_of_ours(governed: plane.Governed, namespace: str) -> None:
    """`kubectl get keelstep` shows objects of all four kinds."""
    for kind in TABLES:
        governed.place(_base(kind, namespace))
    printed = governed.kubectl("get", "keelstep", f"--namespace={namespace}", "--output=name").output
    assert sorted(line.split(".")[0] for line in printed.split()) == sorted(TABLES)


def test_executions_can_be_selected_by_phase_and_strategy(governed: plane.Governed, namespace: str) -> None:
    """Field selectors find the executions of a phase, and those of a strategy."""
    base = _base("execution", namespace)
    governed.place({**base, "status": {"phase": "Running"}})
    governed.place(
        api.merge(base, {"metadata": {"name": "other"}, "spec": {"strategyRef": {"name": "other"}}})
    )
    for selector, name in (("status.phase=Running", "refund-1042"), ("spec.strategyRef.name=other", "other")):
        found = governed.kubectl(
            "get", "executions", f"--namespace={namespace}", f"--field-selector={selector}", "--output=name"
        ).output
        assert found.split() == [f"execution.keelstep.io/{name}"]


@pytest.mark.parametrize("kind", sorted(TABLES))
def test_explain_shows_what_each_field_means(kind: str, governed: plane.Governed) -> None:
    """`kubectl explain` prints the docstring of every field at every depth."""
    definition = yaml.safe_load((plane.ROOT / "crds" / f"{kind}.yaml").read_text())
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    fields = {
        f"{part}.{name}" for part in ("spec", "status") for name in _explain(kind, part, schema, governed)
    }
    recursive = governed.kubectl("explain", kind, "--recursive").output
    missing = [field for field in fields if f" {field.rsplit('.', 1)[-1]}\t" not in recursive]
    assert fields
    assert missing == []


def _explain(kind: str, part: str, schema: api.Object, governed: plane.Governed) -> list[str]:
    """Check one part and everything below it; return the fields seen."""
    seen = []
    waiting = [(part, schema[part])]
    while waiting:
        path, node = waiting.pop()
        printed = " ".join(governed.kubectl("explain", f"{kind}.{path}").output.split())
        for name, child in node["properties"].items():
            assert child["description"] in printed, f"{path}.{name}"
            seen.append(f"{path}.{name}".removeprefix(f"{part}."))
            inner = child.get("items", child)
            if "properties" in inner:
                waiting.append((f"{path}.{name}", inner))
    return seen


def _base(kind: str, namespace: str) -> api.Object:
    return api.in_namespace(next(case.before for case in cases.read_all() if case.kind == kind), namespace)
