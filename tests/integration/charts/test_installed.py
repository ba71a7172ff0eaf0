"""Is what would be installed what a platform team wants?"""

import json
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from hack.generate import values
from hack.helm import Helm
from keelstep.kinds import names
from tests.integration.charts import rendered
from tests.integration.kinds import plane
from tests.unit.charts.test_values import leaves

OPERATOR = "system:serviceaccount:agents:keelstep-operator"
OTHER: dict[str, Any] = {
    "tenants": ["other"],
    "embedded.enabled": False,
    "broker.replicas": 2,
    "image.pullPolicy": "Always",
    "logLevel": "DEBUG",
    "gateway.providers": [{"match": "other/*"}],
    "gateway.prices.models": {"m": {"inputUSDPerMillionTokens": "1", "outputUSDPerMillionTokens": "1"}},
    "gateway.autoscaling.metric": "queue",
    "views.certificate.source": "certManager",
    "views.certificate.issuerRef": {"kind": "ClusterIssuer", "name": "other"},
    "networkPolicies.brokerPeers": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
    "networkPolicies.dnsPeers": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
    "networkPolicies.gatewayPeers": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
    "networkPolicies.tracesPeers": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
    "monitoring.traces.endpoint": "http://other:4318",
    "networkPolicies.metricsPeers": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
    "scheduling.tolerations": [{"operator": "Exists"}],
    "monitoring.podMonitor.interval": "7s",
}
"""What a value is changed to, where its type does not say it."""
PARTS = ("podMonitor", "rules", "dashboards")
BASES: dict[str, dict[str, Any]] = {
    "embedded.enabled": {"broker": {"url": "tls://x:4222"}, "postgres": {"existingSecret": "x"}},
    "broker": dict(rendered.EXTERNAL),
    "postgres": dict(rendered.EXTERNAL),
    "networkPolicies.broker": dict(rendered.EXTERNAL),
    "networkPolicies.postgres": dict(rendered.EXTERNAL),
    "networkPolicies.traces": dict(rendered.EXTERNAL),
    "gateway.autoscaling": {**rendered.EMBEDDED, "gateway": {"autoscaling": {"enabled": True}}},
    "views.certificate.issuerRef": {**rendered.EMBEDDED, "views": {"certificate": {"source": "certManager"}}},
    **{f"monitoring.{part}.enabled": dict(rendered.EMBEDDED) for part in PARTS},
    "gateway.autoscaling.enabled": dict(rendered.EMBEDDED),
    "archive.enabled": {"embedded": {"enabled": True}},
    "monitoring": dict(rendered.FOREIGN),
}
"""What a value is tried beside, where alone it says nothing."""


def other(path: str, default: Any) -> Any:
    """Another value than the default."""
    if path in OTHER:
        return OTHER[path]
    match default:
        case bool():
            return not default
        case int():
            return default + 1
        case str() if path.endswith("size"):
            return "7Gi"
        case str():
            return "other"
        case list():
            return [7] if path.endswith(("Ports", "ports")) else ["10.9.0.0/16"]
        case _:
            return {"cpu": "77m"} if path.endswith(("requests", "limits")) else {"KEELSTEP_OTHER": "x"}


def changed(base: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The values with one of them another."""
    found = json.loads(json.dumps(base))
    part = found
    *parents, last = path.split(".")
    for key in parents:
        part = part.setdefault(key, {})
    part[last] = value
    return dict(found)


@pytest.mark.parametrize("path", sorted(leaves(values.Chart())))
def test_a_value_changes_what_is_installed(path: str, helm: Helm) -> None:
    """A value that nothing reads does not exist."""
    prefix = max((each for each in BASES if path.startswith(each)), key=len, default="")
    base = BASES.get(prefix, dict(rendered.EMBEDDED))
    default: Any = values.Chart().model_dump(by_alias=True)
    for key in path.split("."):
        default = default[key]
    first: dict[str, Any] = {"tenants": ["refunds"], **base}
    if path == "embedded.enabled":
        before = rendered.chart(helm, dict(rendered.EMBEDDED))
        assert rendered.chart(helm, first) != before
        return
    assert rendered.chart(helm, changed(first, path, other(path, default))) != rendered.chart(helm, first)


def test_the_operator_works_in_tenants_alone(helm: Helm) -> None:
    """It watches them, its rights on Pods and Secrets are bound there, and nowhere else."""
    objects = rendered.chart(helm, rendered.EXTERNAL)
    bound = [each for each in objects if each.get("roleRef", {}).get("name") == "keelstep-operator-tenant"]
    assert {(each["kind"], each["metadata"]["namespace"]) for each in bound} == {
        ("RoleBinding", "refunds"),
        ("RoleBinding", "ports"),
    }
    told = dict(rendered.pods(objects))["Deployment keelstep-operator"]
    assert json.loads(rendered.environment(told)["KEELSTEP_NAMESPACES"]) == ["refunds", "ports"]


def test_where_every_namespace_is_a_tenant_it_is_said_so(helm: Helm) -> None:
    """One binding for all, and a watch of all."""
    objects = rendered.chart(helm, rendered.EVERYWHERE)
    assert rendered.one(objects, "ClusterRoleBinding", "keelstep-operator-tenant")
    told = dict(rendered.pods(objects))["Deployment keelstep-operator"]
    assert json.loads(rendered.environment(told)["KEELSTEP_NAMESPACES"]) == []


def test_policies_name_the_operator_of_this_installation(helm: Helm) -> None:
    """In another namespace it is another user; the files of `policies/` say keelstep-system."""
    objects = rendered.chart(helm, rendered.EMBEDDED, namespace="agents")
    policies = [each for each in objects if each["kind"] == "ValidatingAdmissionPolicy"]
    assert len(policies) == len(list((plane.ROOT / "policies" / "admission").glob("*.yaml")))
    told = json.dumps(policies)
    assert "keelstep-system" not in told
    assert told.count(OPERATOR) == 2


def test_roles_are_those_of_the_repository(helm: Helm) -> None:
    """People are granted the same, whichever way it was installed."""
    objects = rendered.chart(helm, rendered.EMBEDDED)
    for path in sorted((plane.ROOT / "policies" / "rbac").glob("*.yaml")):
        for wanted in yaml.safe_load_all(path.read_text()):
            if wanted["kind"] == "ClusterRole":
                assert rendered.one(objects, "ClusterRole", wanted["metadata"]["name"]) == wanted


def test_a_runner_reaches_names_and_the_broker_and_nothing_reaches_it(helm: Helm) -> None:
    """In each tenant's namespace, by the label that every runner carries."""
    for values_, ports in ((rendered.EMBEDDED, {53, 4222}), (rendered.EXTERNAL, {53, 4222})):
        policy = rendered.one(
            [
                each
                for each in rendered.chart(helm, values_)
                if each["metadata"].get("namespace") == "refunds"
            ],
            "NetworkPolicy",
            "keelstep-runners",
        )["spec"]
        assert policy["podSelector"]["matchLabels"] == {names.LABEL_COMPONENT: names.COMPONENT_RUNNER}
        assert policy["policyTypes"] == ["Ingress", "Egress"]
        assert "ingress" not in policy
        assert {port["port"] for rule in policy["egress"] for port in rule["ports"]} == ports


def test_the_embedded_broker_knows_runners_by_their_tenant_too(helm: Helm) -> None:
    """Anybody who may make Pods elsewhere may give them a runner's label; that opens no way to the broker."""

    def from_(given: Mapping[str, Any]) -> Any:
        objects = rendered.chart(helm, given)
        (rule,) = rendered.one(objects, "NetworkPolicy", "keelstep-nats")["spec"]["ingress"]
        return rule["from"][-1]

    runner = {"matchLabels": {names.LABEL_COMPONENT: names.COMPONENT_RUNNER}}
    (asked,) = from_(rendered.EMBEDDED)["namespaceSelector"]["matchExpressions"]
    assert asked == {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["refunds"]}
    everywhere = {**rendered.EVERYWHERE, "networkPolicies": {"enabled": True}}
    assert from_(everywhere) == {"namespaceSelector": {}, "podSelector": runner}


def test_the_projector_reaches_a_collector_where_there_is_one(helm: Helm) -> None:
    """And nobody else does; without one it reaches the broker and Postgres alone."""

    def reached(given: Mapping[str, Any], program: str) -> set[int]:
        policy = rendered.one(rendered.chart(helm, given), "NetworkPolicy", f"keelstep-{program}")
        return {port["port"] for rule in policy["spec"]["egress"] for port in rule.get("ports", ())}

    assert reached(rendered.EMBEDDED, "projector") == {53, 4222, 5432}
    assert reached(rendered.EXTERNAL, "projector") == {53, 4222, 5432, 4318, 443}
    assert reached(rendered.EXTERNAL, "archive") == {53, 4222}


def test_every_pod_of_ours_has_a_network_policy(helm: Helm) -> None:
    """All are denied by one, and what each needs stands in one of its own."""
    objects = rendered.chart(helm, rendered.EMBEDDED)
    policies = [each["spec"] for each in objects if each["kind"] == "NetworkPolicy"]
    selected = {json.dumps(each["podSelector"]["matchLabels"], sort_keys=True) for each in policies}
    assert json.dumps({"app.kubernetes.io/part-of": "keelstep"}) in selected
    for path, pod in rendered.pods(objects):
        labels = pod["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "keelstep", path
        own = {"app.kubernetes.io/name": labels["app.kubernetes.io/name"]}
        assert json.dumps(own) in selected, path


def test_no_pod_holds_a_token_that_it_does_not_need(helm: Helm) -> None:
    """The projector, the broker and Postgres never ask Kubernetes anything."""
    for path, pod in rendered.pods(rendered.chart(helm, rendered.EMBEDDED)):
        silent = path.endswith(("projector", "nats", "postgres", "archive"))
        assert pod["spec"]["automountServiceAccountToken"] is not silent, path


def test_every_container_says_what_it_needs(helm: Helm) -> None:
    """A request of CPU and memory and a limit of memory; none of CPU, which only slows."""
    for path, pod in rendered.pods(rendered.chart(helm, rendered.EMBEDDED)):
        for container in pod["spec"]["containers"]:
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}, path
            assert container["resources"]["limits"].keys() == {"memory"}, path


def test_no_program_is_killed_while_it_waits_for_the_others(helm: Helm) -> None:
    """On a first day images are pulled and volumes made, for minutes: what is killed for that waits even longer."""
    for path, pod in rendered.pods(rendered.chart(helm, rendered.EMBEDDED)):
        (container,) = pod["spec"]["containers"]
        if "livenessProbe" in container:
            startup = container["startupProbe"]
            assert startup["periodSeconds"] * startup["failureThreshold"] >= 600, path


def test_gateways_refuse_their_own_loopback(helm: Helm) -> None:
    """In a Pod it may be shared with a sidecar."""
    told = dict(rendered.pods(rendered.chart(helm, rendered.EMBEDDED)))["Deployment keelstep-gateway"]
    assert rendered.environment(told)["KEELSTEP_EGRESS_LOOPBACK"] == "refused"


def test_other_prices_replace_the_gateways(helm: Helm) -> None:
    """They read them once."""

    def checksum(version: str) -> str:
        given = {**rendered.EMBEDDED, "gateway": {"prices": {"version": version}}}
        pod = dict(rendered.pods(rendered.chart(helm, given)))["Deployment keelstep-gateway"]
        return str(pod["metadata"]["annotations"]["checksum/configuration"])

    assert checksum("one") == checksum("one") != checksum("two")


def test_nothing_random_is_rendered(helm: Helm) -> None:
    """Argo CD renders again and again: what differs each time would be out of sync for ever."""
    assert rendered.chart(helm, rendered.FOREIGN) == rendered.chart(helm, rendered.FOREIGN)


def test_no_secret_is_part_of_the_release(helm: Helm) -> None:
    """Keys are made in the cluster and outlive the release; whoever reads a release's values reads none."""
    kinds = {each["kind"] for way in rendered.WAYS.values() for each in rendered.chart(helm, way)}
    assert "Secret" not in kinds


def test_alerts_are_those_of_the_repository(helm: Helm) -> None:
    """Templates of Prometheus' own come through as they are; runbooks lead where a team reads them."""
    given = {
        **rendered.EMBEDDED,
        "monitoring": {"rules": {"enabled": True}, "runbooks": "https://x.example/"},
    }
    rule = rendered.one(rendered.chart(helm, given), "PrometheusRule", "keelstep")
    text = (plane.ROOT / "policies" / "alerts" / "keelstep.yaml").read_text()
    assert rule["spec"] == yaml.safe_load(
        text.replace("runbook_url: docs", "runbook_url: https://x.example/docs")
    )
