"""How is each program of a node started? Writes what it is told into the cluster's folder, and gives its command line.

Must not start anything.
"""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from hack.cluster import certificates, controlplane, errors, files, kubeconfigs
from hack.cluster.containerd import cgroups, configuration, parts, requirements

NAME = "containerd"
"""The name of the node and of its folder."""

Commands = Mapping[str, list[str]]


def own(folder: Path) -> Path:
    """Where the node of the cluster in this folder keeps everything."""
    return folder / "nodes" / NAME


def write(plane: controlplane.ControlPlane) -> Commands:
    """Write every part's configuration, and give its command line.

    Raises:
        MissingPrerequisite: the network plugins have gone since they were looked for.
    """
    plan, place, network = plane.plan, own(plane.plan.folder), plane.plan.network
    authority = certificates.Authority(pair=plan.pair("ca"))
    served = authority.server(plan.folder / "pki", "kubelet", (*certificates.LOOPBACK, network.node))
    plugins = requirements.plugin_folder()
    if plugins is None:
        raise errors.MissingPrerequisite(f"{requirements.PLUGINS_PACKAGE} is not installed any more")
    kubelet = configuration.kubelet(
        network, plan.ports["kubelet"], cgroups.name(plan.folder), served, authority.pair.certificate
    )
    files.write_json(place / "networks" / "10-keelstep.conflist", configuration.pod_network(network))
    files.write_json(place / "kubelet.json", kubelet)
    proxied_as = _kubeconfig(plane, authority, parts.PROXY, "system:kube-proxy")
    files.write_json(place / "kube-proxy.json", configuration.proxy(network, proxied_as))
    files.write(
        place / "Corefile",
        configuration.dns(network, _kubeconfig(plane, authority, parts.DNS, "system:coredns")),
    )
    files.write(
        place / "containerd.toml", configuration.containerd(plugins, place / "networks", _snapshotter(place))
    )
    # The node authorizer grants this user what belongs to the Pods bound to the node, and no more.
    node_as = _kubeconfig(plane, authority, parts.KUBELET, f"system:node:{NAME}", ("system:nodes",))
    programs = plan.programs
    return {
        parts.CONTAINERD: ["containerd", "--config", str(place / "containerd.toml")],
        parts.KUBELET: [
            str(programs[parts.KUBELET]),
            f"--config={place / 'kubelet.json'}",
            f"--kubeconfig={node_as}",
            f"--hostname-override={NAME}",
            f"--node-ip={network.node}",
        ],
        parts.PROXY: [
            str(programs[parts.PROXY]),
            f"--config={place / 'kube-proxy.json'}",
            f"--hostname-override={NAME}",
        ],
        parts.DNS: [str(programs[parts.DNS]), "-conf", str(place / "Corefile")],
    }


def _kubeconfig(
    plane: controlplane.ControlPlane,
    authority: certificates.Authority,
    part: str,
    user: str,
    groups: tuple[str, ...] = (),
) -> Path:
    return kubeconfigs.write(
        plane.plan.kubeconfig(part),
        cluster=plane.plan.folder.name,
        server=plane.plan.server,
        ca=authority.pair.certificate,
        client=authority.client(plane.plan.folder / "pki", f"{part}-client", user, groups),
        user=user,
    )


def _snapshotter(place: Path) -> str:
    """An overlay cannot lie on an overlay, as where this machine is itself a container."""
    done = subprocess.run(
        ["stat", "--file-system", "--format=%T", str(place)], capture_output=True, check=False
    )
    return "native" if done.stdout.strip() == b"overlayfs" else "overlayfs"
