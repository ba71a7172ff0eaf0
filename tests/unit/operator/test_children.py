"""What does a runner run in, and when is a child ours?"""

import dataclasses
from typing import Any

from keelstep.events import clock
from keelstep.kinds import names
from keelstep.kinds.strategy import Resources
from keelstep.log import identities, tokens
from keelstep.log.tokens import Key
from keelstep.testing import builders
from keelstep_operator import identity, pods
from keelstep_operator.identity import Identities
from tests.unit.domain import stories

ATTEMPT = pods.Attempt(
    namespace="shop", execution="run", uid="u1", xid="x1", trace_id="7f3a", strategy="support", number=2
)
RUNTIME = pods.Runtime(
    image="runner:1",
    pull_policy="",
    command=["keelstep-runner"],
    resources=Resources.model_validate({"limits": {"memory": "256Mi"}}),
    nats_url="nats://x:4222",
    shard=3,
    seconds_left=100,
    extra_env={},
)


def built(**changes: Any) -> dict[str, Any]:
    """The Pod as the API server would return it."""
    found = pods.build_pod(ATTEMPT, RUNTIME)
    found["metadata"] |= {"uid": "p", "creationTimestamp": "2026-11-21T08:00:00Z"}
    found["status"] = {"phase": "Running"}
    return {**found, **changes}


def read(found: dict[str, Any]) -> Any:
    """What it means for attempt 2."""
    return pods.read(found, uid="u1", xid="x1", number=2)


def test_a_runners_pod_is_bare_bounded_and_has_no_rights() -> None:
    """restartPolicy Never, a deadline, no service account token, Pod Security restricted, an owner that never blocks."""
    found = pods.build_pod(ATTEMPT, RUNTIME)
    spec, (container,) = found["spec"], found["spec"]["containers"]
    assert spec["restartPolicy"] == "Never"
    assert spec["activeDeadlineSeconds"] == 160
    assert spec["automountServiceAccountToken"] is False
    assert spec["terminationGracePeriodSeconds"] == 10
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["resources"] == {"limits": {"memory": "256Mi"}}
    assert found["metadata"]["ownerReferences"][0]["blockOwnerDeletion"] is False
    env = {entry["name"]: entry["value"] for entry in container["env"]}
    assert env == {
        "KEELSTEP_NATS_URL": "nats://x:4222",
        "KEELSTEP_TENANT": "shop",
        "KEELSTEP_EXECUTION_ID": "x1",
        "KEELSTEP_TRACE_ID": "7f3a",
        "KEELSTEP_ATTEMPT": "2",
        "KEELSTEP_SHARD": "3",
        "KEELSTEP_IDENTITY_DIR": "/var/run/keelstep/identity",
    }


def test_a_runners_image_is_pulled_when_the_settings_say_else_as_kubernetes_does() -> None:
    """A node without a registry has the image already: `Never` says so; nothing said leaves it to the API server."""
    never = dataclasses.replace(RUNTIME, pull_policy="Never")
    assert pods.build_pod(ATTEMPT, never)["spec"]["containers"][0]["imagePullPolicy"] == "Never"
    assert "imagePullPolicy" not in pods.build_pod(ATTEMPT, RUNTIME)["spec"]["containers"][0]


def test_a_pod_is_ours_by_owner_labels_and_content() -> None:
    """Any of them missing, it is forged."""
    assert not read(built()).is_forged
    for key, part in (
        ("metadata", {"ownerReferences": []}),
        ("metadata", {"labels": {names.LABEL_EXECUTION_ID: "x2"}}),
        ("spec", {"containers": [{"name": "runner", "image": "evil"}]}),
    ):
        found = built()
        found[key] = {**found[key], **part}
        assert read(found).is_forged


def test_a_pod_of_an_earlier_resource_of_the_name_is_going() -> None:
    """Adoption: the garbage collector takes it; it counts as missing, not as forged."""
    found = built()
    found["metadata"]["ownerReferences"] = [pods.owner("Execution", "run", "u0")]
    assert read(found).is_terminating
    assert not read(found).is_forged


def test_how_a_pod_ended_is_told() -> None:
    """Exit code and message; an eviction is the node's doing."""
    ended = {"terminated": {"exitCode": 3, "reason": "Error", "message": "no broker"}}
    found = read(built(status={"phase": "Failed", "containerStatuses": [{"state": ended}]}))
    assert (found.reason, found.message) == ("Error", "exit code 3: no broker")
    assert not found.is_evicted
    disrupted = [{"type": "DisruptionTarget", "status": "True"}]
    assert read(built(status={"phase": "Failed", "conditions": disrupted})).is_evicted


def _identities() -> Identities:
    run = Key.generate("account")
    return Identities(identities.AttemptIssuer(run.public, Key.generate("account")))


def test_an_attempts_identity_can_be_named_again_from_its_log() -> None:
    """The same key each time, another for each attempt: revoking needs nothing that is kept."""
    minter = _identities()
    assert minter.key("x1", 1).public == minter.key("x1", 1).public
    others = {minter.key("x1", 2).public, minter.key("x2", 1).public, _identities().key("x1", 1).public}
    assert minter.key("x1", 1).public not in others


def test_only_an_identity_of_our_own_making_is_ours() -> None:
    """Another's key, another's signature, another attempt's, or no identity at all: forged."""
    minter, state = _identities(), builders.log().started().attempt().state
    text = minter.mint(state, 1, builders.BEGIN).text()
    assert minter.is_own(text, state.xid, 1)
    assert not minter.is_own(text, state.xid, 2)
    assert not _identities().is_own(text, state.xid, 1)
    assert not minter.is_own("mine", state.xid, 1)


def test_an_identity_outlives_its_run_by_the_time_to_unwind() -> None:
    """The deadline, the strategy's time to undo, and a moment; anew once a person has answered about an undoing."""
    state = builders.log().started(unwind_seconds=120).attempt().state
    assert state.started is not None
    credentials = _identities().mint(state, 1, builders.BEGIN)
    deadline = clock.parse(state.started.deadline) // clock.SECOND
    assert tokens.read(credentials.jwt)["exp"] == deadline + 120 + identity.SETTLE_SECONDS
    late = stories.failing().undo().undone("failed").undo_gate().later(90_000).undo_decided().state
    assert identity.expires_at(late) == late.unwinding_at + (300 + identity.SETTLE_SECONDS) * clock.SECOND
