"""What does Helm make of the chart? Values for each way to install it, and the objects that come of them."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from hack.helm import CHARTS, Helm

Object = dict[str, Any]

EMBEDDED: Mapping[str, Any] = {
    "tenants": ["refunds"],
    "embedded": {"enabled": True},
    "archive": {"enabled": True},
}
EXTERNAL: Mapping[str, Any] = {
    "tenants": ["refunds", "ports"],
    "broker": {"url": "tls://nats.example:4222", "caSecret": "broker-ca", "replicas": 3},
    "postgres": {"existingSecret": "views-database"},
    "installation": {"existingSecret": "our-keys"},
    "image": {"registry": "registry.example/keelstep", "pullSecrets": ["pull"]},
    "gateway": {
        "providers": [{"match": "openai/*", "apiKey": "openai"}, {"match": "*", "baseURL": "http://x/v1"}],
        "providerKeysSecret": "provider-keys",
        "autoscaling": {"enabled": True, "metric": "queue", "target": 4},
        "environment": {"KEELSTEP_SWEEP_SECONDS": "2"},
    },
    "archive": {"enabled": True, "existingClaim": "our-archive"},
    "monitoring": {
        "traces": {
            "endpoint": "https://collector.tracing:4318",
            "headersSecret": "collector-token",
            "caSecret": "collector-ca",
        }
    },
    "scheduling": {
        "nodeSelector": {"pool": "agents"},
        "tolerations": [{"key": "agents", "operator": "Exists", "effect": "NoSchedule"}],
    },
}
EVERYWHERE: Mapping[str, Any] = {
    "tenants": ["*"],
    "embedded": {
        "enabled": True,
        "nats": {"storage": {"persistent": False}},
        "postgres": {"storage": {"className": "fast"}},
    },
    "gateway": {"autoscaling": {"enabled": True}},
    "views": {"enabled": False},
    "networkPolicies": {"enabled": False},
    "scheduling": {"priorityClasses": False, "disruptionBudgets": False},
}
FOREIGN: Mapping[str, Any] = {
    **EMBEDDED,
    "views": {"certificate": {"source": "certManager"}},
    "monitoring": {
        "podMonitor": {"enabled": True},
        "rules": {"enabled": True},
        "dashboards": {"enabled": True},
    },
}
"""With kinds that an API server alone does not know."""
WAYS: Mapping[str, Mapping[str, Any]] = {
    "embedded": EMBEDDED,
    "external": EXTERNAL,
    "everywhere": EVERYWHERE,
    "foreign": FOREIGN,
}
_OTHERS = ("cert-manager.io/", "monitoring.coreos.com/")


def chart(
    helm: Helm, values: Mapping[str, Any], *words: str, namespace: str = "keelstep-system"
) -> list[Object]:
    """The objects of the chart `keelstep`, hooks and tests among them."""
    text = helm.template(CHARTS / "keelstep", values, *words, namespace=namespace)
    return [each for each in yaml.safe_load_all(text) if each]


def one(objects: list[Object], kind: str, name: str) -> Object:
    """The object of this kind and name."""
    found = [each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name]
    assert len(found) == 1, f"{kind} {name}: {len(found)} of them"
    return found[0]


def is_foreign(found: Object) -> bool:
    """Whether its kind is another project's."""
    return str(found["apiVersion"]).startswith(_OTHERS)


def pods(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """Every Pod and Pod template, by what it belongs to."""
    for found in objects:
        path = f"{found['kind']} {found['metadata']['name']}"
        match found["kind"]:
            case "Pod":
                yield path, {"metadata": found["metadata"], "spec": found["spec"]}
            case "Deployment" | "StatefulSet" | "Job":
                yield path, found["spec"]["template"]
            case "CronJob":
                yield path, found["spec"]["jobTemplate"]["spec"]["template"]


def environment(pod: Object) -> dict[str, str]:
    """What its one container is told."""
    (container,) = pod["spec"]["containers"]
    return {each["name"]: each["value"] for each in container["env"]}
