"""Does the node decide rightly what happens next to a Pod?"""

import dataclasses
from typing import Any

import pytest

from hack.cluster.node import agent, decisions, records, statuses

NOW = 1_000.0


def pod(*containers: str, **spec: Any) -> dict[str, Any]:
    """Build a Pod with these containers."""
    metadata = {"name": "p", "namespace": "n", "uid": "u", **spec.pop("metadata", {})}
    listed = [{"name": name, "command": ["true"]} for name in containers or ("main",)]
    return {"metadata": metadata, "spec": {"restartPolicy": "Never", "containers": listed, **spec}}


def record(**runs: records.Run) -> records.Record:
    """Build a record with the newest run of each container."""
    made = records.Record(uid="u", namespace="n", name="p", started_at=NOW)
    for name, one in runs.items():
        made = made.with_run(name, one)
    return made


def run(number: int = 0, *, ended: float | None = None, code: int = 0, began: float = NOW) -> records.Run:
    """Build a run that is still running, or ended with a code."""
    return records.Run(number=number, pid=1, created="x", started_at=began, finished_at=ended, exit_code=code)


LEAVING = {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 3}

TERMINATED = dataclasses.replace(record(main=run()), asked_at=NOW)
KILLED = dataclasses.replace(TERMINATED, killed_at=NOW + 3)
FAILED = dataclasses.replace(record(), verdict=records.Explanation(reason="R", message="m"))
GONE = dataclasses.replace(record(main=run()), is_gone=True)
WAITING = dataclasses.replace(
    record(), waiting=records.Explanation(reason="R", message="m"), retry_at=NOW + 2
)

CASES: dict[str, tuple[dict[str, Any], records.Record, float, decisions.Decision]] = {
    "a new Pod starts its first container": (
        pod("a", "b"),
        record(),
        NOW,
        decisions.Start(container="a", number=0),
    ),
    "then the second, without waiting for the first": (
        pod("a", "b"),
        record(a=run()),
        NOW,
        decisions.Start(container="b", number=0),
    ),
    "a running Pod waits for something to happen": (
        pod(),
        record(main=run()),
        NOW,
        decisions.Wait(),
    ),
    "a running Pod with a deadline waits no longer than that": (
        pod(activeDeadlineSeconds=9),
        record(main=run()),
        NOW,
        decisions.Wait(until=NOW + 9),
    ),
    "a Pod that is over waits even past its deadline": (
        pod(activeDeadlineSeconds=9),
        record(main=run(ended=NOW + 1)),
        NOW + 99,
        decisions.Wait(),
    ),
    "an init container goes first": (
        pod("a", initContainers=[{"name": "i", "command": ["true"]}]),
        record(),
        NOW,
        decisions.Start(container="i", number=0),
    ),
    "a running init container holds the others back": (
        pod("a", initContainers=[{"name": "i", "command": ["true"]}]),
        record(i=run()),
        NOW,
        decisions.Wait(),
    ),
    "a finished init container lets the others go": (
        pod("a", initContainers=[{"name": "i", "command": ["true"]}]),
        record(i=run(ended=NOW)),
        NOW,
        decisions.Start(container="a", number=0),
    ),
    "a missing Secret is waited for": (pod(), WAITING, NOW, decisions.Wait(until=NOW + 2)),
    "and asked for again in time": (
        pod(),
        WAITING,
        NOW + 2,
        decisions.Start(container="main", number=0),
    ),
    "a Pod being deleted asks its processes to end": (
        pod(metadata=LEAVING),
        record(main=run()),
        NOW,
        decisions.Terminate(),
    ),
    "gives them the grace period": (
        pod(metadata=LEAVING),
        TERMINATED,
        NOW + 2.9,
        decisions.Wait(until=NOW + 3),
    ),
    "then kills them": (pod(metadata=LEAVING), TERMINATED, NOW + 3, decisions.Kill()),
    "kills them only once": (pod(metadata=LEAVING), KILLED, NOW + 9, decisions.Wait()),
    "and is forgotten when nothing runs": (
        pod(metadata=LEAVING),
        record(main=run(ended=NOW)),
        NOW,
        decisions.Forget(),
    ),
    "a Pod deleted before it started never starts": (
        pod(metadata=LEAVING),
        record(),
        NOW,
        decisions.Forget(),
    ),
    "a Pod that vanished has its processes ended": (pod(), GONE, NOW, decisions.Terminate()),
    "a failed Pod stays until somebody deletes it": (pod(), FAILED, NOW, decisions.Wait()),
    "a container that must not restart stays ended": (
        pod("a", "b"),
        record(a=run(ended=NOW, code=1), b=run()),
        NOW + 999,
        decisions.Wait(),
    ),
    "under OnFailure a failed container starts again at once": (
        pod(restartPolicy="OnFailure"),
        record(main=run(ended=NOW, code=1)),
        NOW,
        decisions.Start(container="main", number=1),
    ),
    "the second time it waits ten seconds": (
        pod(restartPolicy="OnFailure"),
        record(main=run(1, ended=NOW, code=1)),
        NOW + 9,
        decisions.Wait(until=NOW + 10),
    ),
    "the third time twenty": (
        pod(restartPolicy="Always"),
        record(main=run(2, ended=NOW)),
        NOW,
        decisions.Wait(until=NOW + 20),
    ),
    "never more than five minutes": (
        pod(restartPolicy="Always"),
        record(main=run(5_000, ended=NOW)),
        NOW,
        decisions.Wait(until=NOW + 300),
    ),
    "and none after ten good minutes": (
        pod(restartPolicy="Always"),
        record(main=run(7, began=NOW - 600, ended=NOW)),
        NOW,
        decisions.Start(container="main", number=8),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_next_step_of_a_pod(case: str) -> None:
    """Each line of the picture in `decisions` is a case."""
    manifest, known, now, wanted = CASES[case]
    assert decisions.decide(manifest, known, now) == wanted


@pytest.mark.parametrize(
    ("manifest", "known", "reason"),
    [
        (pod(activeDeadlineSeconds=9), record(main=run()), "DeadlineExceeded"),
        (pod(hostPID=True), record(), "UnsupportedByProcessNode"),
        (
            pod("a", initContainers=[{"name": "i", "command": ["x"]}]),
            record(i=run(ended=NOW, code=2)),
            "InitContainerFailed",
        ),
    ],
)
def test_a_pod_fails_for_a_reason(manifest: dict[str, Any], known: records.Record, reason: str) -> None:
    """A failure that is more than an exit code carries a reason and a message."""
    decision = decisions.decide(manifest, known, NOW + 9)
    assert isinstance(decision, decisions.Fail)
    assert decision.because.reason == reason
    assert decision.because.message


@pytest.mark.parametrize(
    ("known", "phase"),
    [
        (record(), "Pending"),
        (record(a=run()), "Running"),
        (record(a=run(ended=NOW), b=run()), "Running"),
        (record(a=run(ended=NOW), b=run(ended=NOW)), "Succeeded"),
        (record(a=run(ended=NOW), b=run(ended=NOW, code=1)), "Failed"),
        (FAILED, "Failed"),
        (dataclasses.replace(record(a=run()), verdict=FAILED.verdict), "Running"),
    ],
)
def test_the_phase_follows_from_the_runs(known: records.Record, phase: str) -> None:
    """A Pod with a verdict is Failed only once nothing of it runs."""
    assert decisions.phase(pod("a", "b"), known) == phase
    assert statuses.build_status(pod("a", "b"), known, NOW)["phase"] == phase


def test_a_record_survives_the_disk(tmp_path: Any) -> None:
    """What a restarted agent reads is what the killed one stored."""
    folder = records.Folder(tmp_path)
    stored = dataclasses.replace(KILLED, verdict=FAILED.verdict)
    folder.store(stored)
    assert folder.load() == stored


def test_only_the_last_two_runs_of_a_container_are_kept() -> None:
    """A container that restarts for ever does not fill the record."""
    known = record()
    for number in range(5):
        known = known.with_run("main", run(number, ended=NOW))
    assert [one.number for one in known.runs["main"]] == [3, 4]


def test_conditions_of_others_and_their_times_are_kept() -> None:
    """PodScheduled is the scheduler's; a condition that did not change keeps its time."""
    present = [
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": "then"},
        {"type": "Ready", "status": "True", "lastTransitionTime": "then"},
    ]
    manifest = pod() | {"status": {"conditions": present}}
    told = statuses.build_status(manifest, record(main=run()), NOW)["conditions"]
    assert present[0] in told
    assert present[1] in told


def test_a_death_by_signal_is_told_as_such() -> None:
    """A shell adds 128 to the signal's number, and so does Kubernetes."""
    status = statuses.build_status(pod(), record(main=run(ended=NOW, code=137)), NOW)
    ended = status["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["signal"]) == (137, 9)


def test_old_news_of_a_removed_pod_are_known_as_such_until_its_end_is_told() -> None:
    """The watch tells our own last report when the Pod is already gone from this node."""
    departed = agent.Departed()
    for uid in ("told", "missed", "pending"):
        departed.begin(uid)
    departed.end("told")
    departed.keep_only(["pending", "other"])
    assert [uid for uid in ("told", "missed", "pending", "other") if uid in departed] == ["pending"]
