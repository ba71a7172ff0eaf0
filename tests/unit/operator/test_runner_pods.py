"""What does an installation add to every runner's Pod, and what may a strategy say instead?"""

import base64
from typing import Any

from keelstep.kinds.strategy import Resources
from keelstep_operator import pods

ATTEMPT = pods.Attempt(
    namespace="shop", execution="run", uid="u1", xid="x1", trace_id="7f3a", strategy="support", number=2
)


def built(said: dict[str, Any], **runtime: Any) -> dict[str, Any]:
    """The Pod's spec, of a strategy that says this of compute."""
    whole = pods.Runtime(
        image="runner:1",
        pull_policy="",
        command=["keelstep-runner"],
        resources=Resources.model_validate(said),
        nats_url="tls://x:4222",
        shard=0,
        seconds_left=100,
        extra_env={},
        **runtime,
    )
    spec: dict[str, Any] = pods.build_pod(ATTEMPT, whole)["spec"]
    return spec


def resources(said: dict[str, Any]) -> Any:
    """Its container's resources, where the installation asks for some of both."""
    (container,) = built(said, requests={"cpu": "50m", "memory": "64Mi"})["containers"]
    return container["resources"]


def test_a_runner_asks_for_what_the_installation_says_where_its_strategy_says_nothing() -> None:
    """A Pod without a request is the first to starve."""
    assert resources({}) == {"requests": {"cpu": "50m", "memory": "64Mi"}}


def test_a_strategy_s_own_words_are_left_alone() -> None:
    """A request beyond a limit would be refused: who limits something says all of it."""
    assert resources({"requests": {"cpu": "1"}}) == {"requests": {"cpu": "1", "memory": "64Mi"}}
    assert resources({"limits": {"memory": "32Mi"}}) == {
        "limits": {"memory": "32Mi"},
        "requests": {"cpu": "50m"},
    }


def test_priority_and_pull_secrets_are_named_where_there_are_some() -> None:
    """And left to Kubernetes where not."""
    spec = built({}, priority_class="keelstep-runners", pull_secrets=("a", "b"))
    assert spec["priorityClassName"] == "keelstep-runners"
    assert spec["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}]
    assert {"priorityClassName", "imagePullSecrets"}.isdisjoint(built({}))


def test_a_runner_gets_the_authority_of_the_broker_s_certificate_with_its_identity() -> None:
    """A broker with a certificate of its own authority is known to runners too, in tenants' namespaces."""
    secret = pods.build_secret(ATTEMPT, "creds", b"{}", b"PEM")
    assert base64.b64decode(secret["data"]["ca.crt"]) == b"PEM"
    (container,) = built({}, has_authority=True)["containers"]
    told = {each["name"]: each["value"] for each in container["env"]}
    assert told["KEELSTEP_NATS_CA_FILE"] == "/var/run/keelstep/identity/ca.crt"
    (container,) = built({})["containers"]
    assert "KEELSTEP_NATS_CA_FILE" not in {each["name"] for each in container["env"]}
    assert "ca.crt" not in pods.build_secret(ATTEMPT, "creds", b"{}")["data"]
