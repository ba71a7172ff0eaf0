"""What is each program of a containerd node told? Pure: addresses and paths in, configuration out.

Paths below /run, /var/lib and /var/log are the node's own. Every setting that is not a mere path or address says why
it is there.
"""

import json
from pathlib import Path
from typing import Any

from hack.cluster import addresses, certificates
from hack.cluster.containerd import archive

SOCKET = "/run/containerd/containerd.sock"
DOMAIN = "cluster.local"
DNS_PORT, DNS_HEALTH_PORT, DNS_READY_PORT = 53, 8080, 8181
PROXY_HEALTH_PORT = 10256
KUBELET_HEALTH_PORT = 10248

Config = dict[str, Any]


def containerd(plugins: Path, networks: Path, snapshotter: str) -> str:
    """The configuration of containerd 1.6 and later, in TOML."""
    # A JSON string is a TOML string too.
    return f"""\
version = 2
# What would look for, or make, folders of the machine's.
disabled_plugins = [
    "io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp",
    "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = {json.dumps(archive.PAUSE)}
# A virtual machine may lack the right to make a process less likely to be killed; every Pod would fail.
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = {json.dumps(str(plugins))}
conf_dir = {json.dumps(str(networks))}

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = {json.dumps(snapshotter)}

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
"""


def pod_network(network: addresses.Network) -> Config:
    """The network of Pods: one bridge, addresses from one range; the bridge plugin enforces no NetworkPolicy."""
    return {
        "cniVersion": "0.4.0",
        "name": "keelstep",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "pods0",
                "isDefaultGateway": True,
                # A Pod that asks its own Service.
                "hairpinMode": True,
                # This machine has a route to Pods, so nothing hides who is asking.
                "ipMasq": False,
                "ipam": {"type": "host-local", "ranges": [[{"subnet": network.pods}]]},
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def kubelet(network: addresses.Network, port: int, group: str, served: certificates.Pair, ca: Path) -> Config:
    """The KubeletConfiguration."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "address": network.node,
        "port": port,
        "healthzBindAddress": network.node,
        "healthzPort": KUBELET_HEALTH_PORT,
        "tlsCertFile": str(served.certificate),
        "tlsPrivateKeyFile": str(served.key),
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": str(ca)}},
        "authorization": {"mode": "Webhook"},
        "clusterDomain": DOMAIN,
        "clusterDNS": [network.node],
        # The machine's resolver cannot be reached from here.
        "resolvConf": "",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{group}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": ["pods"],
        # As little as it accepts: a developer's disk is often nearly full, and nothing here is precious.
        "evictionHard": {"memory.available": "1Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        # There is no registry: an image that was removed would never come back.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        # The defaults of 50 and 100 are for nodes among thousands.
        "kubeAPIQPS": 300,
        "kubeAPIBurst": 600,
    }


def proxy(network: addresses.Network, kubeconfig: Path) -> Config:
    """The KubeProxyConfiguration."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "mode": "iptables",
        "clusterCIDR": network.pods,
        # The size of the connection table belongs to the machine.
        "conntrack": {"maxPerCore": 0, "min": 0},
        "healthzBindAddress": f"{network.node}:{PROXY_HEALTH_PORT}",
        "metricsBindAddress": "127.0.0.1:10249",
    }


def dns(network: addresses.Network, kubeconfig: Path) -> str:
    """The Corefile: Services and Pods have names; there is no way to any other resolver."""
    return f"""\
.:{DNS_PORT} {{
    bind {network.node}
    health {network.node}:{DNS_HEALTH_PORT}
    ready {network.node}:{DNS_READY_PORT}
    errors
    cache 5
    kubernetes {DOMAIN} in-addr.arpa {{
        kubeconfig {kubeconfig}
        pods insecure
        ttl 5
    }}
    template ANY ANY . {{
        rcode NXDOMAIN
    }}
}}
"""
