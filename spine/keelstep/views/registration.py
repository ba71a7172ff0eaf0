"""How is the views server made known to Kubernetes? Its Service and APIService, as data.

Pure. Certificates come from whoever runs the cluster: the local cluster's own authority, cert-manager, or Helm.
"""

import base64
from typing import Any

from keelstep.views import resources

Object = dict[str, Any]

NAMESPACE = "keelstep-system"
SERVICE = "keelstep-views"
PORT = 443
"""The Service's port."""
NAME = f"{resources.VERSION}.{resources.GROUP}"
"""The APIService's own."""


def hosts(service: str = SERVICE, namespace: str = NAMESPACE) -> tuple[str, ...]:
    """The names that the serving certificate must carry: the kube-apiserver asks for the first."""
    return (f"{service}.{namespace}.svc", f"{service}.{namespace}.svc.cluster.local")


def build_api_service(
    ca_pem: bytes, *, service: str = SERVICE, namespace: str = NAMESPACE, port: int = PORT
) -> Object:
    """The APIService: the kube-apiserver forwards the group to this Service and checks its certificate."""
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": NAME},
        "spec": {
            "group": resources.GROUP,
            "version": resources.VERSION,
            "groupPriorityMinimum": 1000,
            "versionPriority": 15,
            "service": {"name": service, "namespace": namespace, "port": port},
            "caBundle": base64.b64encode(ca_pem).decode(),
        },
    }


def build_service(*, service: str = SERVICE, namespace: str = NAMESPACE, target_port: int = 8443) -> Object:
    """The Service in front of the server's Pods."""
    labels = {"app.kubernetes.io/name": service}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": service, "namespace": namespace, "labels": labels},
        "spec": {
            "selector": labels,
            "ports": [{"name": "https", "port": PORT, "targetPort": target_port, "protocol": "TCP"}],
        },
    }


def build_local_service(
    port: int, *, service: str = SERVICE, namespace: str = NAMESPACE, host: str = "localhost"
) -> Object:
    """A Service that names a process of the kube-apiserver's own machine: for clusters without a Service network."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": service, "namespace": namespace},
        "spec": {
            "type": "ExternalName",
            "externalName": host,
            "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
        },
    }
