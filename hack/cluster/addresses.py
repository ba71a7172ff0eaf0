"""Which addresses does a cluster use on this machine? Its own block, or loopback where no container network exists.

    process node      everything on 127.0.0.1
    containerd node   10.<n>.0.0/16 of the cluster's own
                        .0.1  this machine: the API server        .0.2  the node
                        .64.0/18  Services                        .128.0/17  Pods

Must not change the machine's network: that is `containerd.link`.
"""

import ipaddress
import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import errors, files

FILE = "network.json"
BLOCKS = tuple(f"10.{number}" for number in range(150, 250))
"""Far from what home routers, clouds and VPNs like to hand out; a block in use is passed over anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The addresses of one cluster."""

    server: str
    """Where the API server listens."""
    services: str
    """The range of ClusterIPs."""
    node: str = ""
    """The containerd node's own address, as the machine sees it; empty where there is none."""
    pods: str = ""
    """The range of Pods' addresses; empty where Pods have none of their own."""

    @property
    def is_loopback(self) -> bool:
        """Whether nothing but this machine itself takes part."""
        return not self.node

    @property
    def service_of_api(self) -> str:
        """The ClusterIP of `kubernetes.default`."""
        return str(ipaddress.ip_network(self.services)[1])


LOOPBACK = Network(server="127.0.0.1", services="10.96.0.0/16")
"""ClusterIPs are handed out, as the API demands, but nothing routes them."""


def of_block(block: str) -> Network:
    """The addresses in a block such as `10.150`."""
    return Network(
        server=f"{block}.0.1",
        node=f"{block}.0.2",
        services=f"{block}.64.0/18",
        pods=f"{block}.128.0/17",
    )


def load(folder: Path) -> Network:
    """The addresses that the cluster in this folder was given."""
    found = files.read_json(folder / FILE)
    return LOOPBACK if found is None else of_block(found["block"])


def choose(folder: Path, in_use: Iterable[str], reserved: Iterable[Path]) -> Network:
    """Give the cluster in `folder` a block that no network in use overlaps and no other folder has; kept for ever.

    Raises:
        MissingPrerequisite: every block is taken.
    """
    if (folder / FILE).exists():
        return load(folder)
    taken = [ipaddress.ip_network(network, strict=False) for network in in_use]
    others = {(files.read_json(other / FILE) or {}).get("block") for other in reserved}
    for block in random.SystemRandom().sample(BLOCKS, len(BLOCKS)):
        if block not in others and not any(one.overlaps(_range(block)) for one in taken):
            files.write_json(folder / FILE, {"block": block})
            return of_block(block)
    raise errors.MissingPrerequisite(
        f"no free network: every block from {BLOCKS[0]}.0.0/16 to {BLOCKS[-1]}.0.0/16 is in use on this machine "
        "(`ip route`) or kept by another cluster; end one with `down`"
    )


def _range(block: str) -> ipaddress.IPv4Network:
    return ipaddress.IPv4Network(f"{block}.0.0/16")
