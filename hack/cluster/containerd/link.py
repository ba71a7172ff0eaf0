"""How do this machine and the node's network namespace reach each other? A pair of virtual interfaces, and two routes.

    ks-<digest>  10.n.0.1 ────────── eth0  10.n.0.2     inside the namespace
       routes: Services and Pods via 10.n.0.2           default via 10.n.0.1

The kernel removes the pair, and the routes with it, when the namespace ends. Must not touch the machine's firewall or
forwarding: so the node reaches this machine, and nothing beyond it.
"""

import contextlib
import hashlib
import json
import os
import subprocess
from pathlib import Path

from hack.cluster import addresses, errors
from hack.cluster.containerd import namespaces, requirements

PREFIX = 30
"""Two addresses, and no more, on the wire."""


def name(folder: Path) -> str:
    """The interface on this machine; the kernel allows 15 characters."""
    return f"ks-{hashlib.sha256(str(folder).encode()).hexdigest()[:10]}"


def networks_in_use() -> list[str]:
    """Every network that this machine has an address in or a route to."""
    routes = json.loads(_run("ip", "-json", "-4", "route", "show", "table", "all") or "[]")
    found = [route["dst"] for route in routes if route["dst"] != "default"]
    for interface in json.loads(_run("ip", "-json", "-4", "address") or "[]"):
        found += [f"{one['local']}/{one['prefixlen']}" for one in interface["addr_info"]]
    return found


def ensure(folder: Path, network: addresses.Network, first: int) -> None:
    """Lay the wire into the namespace of the node's first process, unless it lies there already.

    Raises:
        StartFailed: the kernel refused.
    """
    own = name(folder)
    if _is_laid(own, network, first):
        return
    if exists(folder):
        _run("ip", "link", "delete", own)
    # The last command on this machine's side says that all is done: a half-laid wire is laid again.
    _run("ip", "link", "add", own, "type", "veth", "peer", "name", "eth0", "netns", str(first))
    for command in (
        ("ip", "link", "set", "lo", "up"),
        ("ip", "address", "add", f"{network.node}/{PREFIX}", "dev", "eth0"),
        ("ip", "link", "set", "eth0", "up"),
        ("ip", "route", "add", "default", "via", network.server),
        ("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"),
    ):
        _run(*namespaces.enter(first), *command)
    _run("ip", "address", "add", f"{network.server}/{PREFIX}", "dev", own)
    _run("ip", "link", "set", own, "up")
    for range_ in (network.services, network.pods):
        _run("ip", "route", "replace", range_, "via", network.node, "dev", own)


def remove(folder: Path) -> None:
    """Take the wire away: the kernel ends a namespace, and what lies in it, some time after its last process."""
    if exists(folder):
        with contextlib.suppress(errors.StartFailed):
            _run("ip", "link", "delete", name(folder))


def exists(folder: Path) -> bool:
    """Whether this machine still has its end of the wire."""
    return Path("/sys/class/net", name(folder)).exists()


def _is_laid(own: str, network: addresses.Network, first: int) -> bool:
    inside = _run(*namespaces.enter(first), "ip", "-4", "address")
    routes = _run("ip", "-4", "route") if network.node in inside else ""
    return all(
        f"{range_} via {network.node} dev {own}" in routes for range_ in (network.services, network.pods)
    )


def _run(*command: str) -> str:
    done = subprocess.run(
        command,
        env={"PATH": requirements.SYSTEM_PATH, "LANG": os.environ.get("LANG", "C.UTF-8")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise errors.StartFailed(f"`{' '.join(command)}`: {done.stderr.strip()}")
    return done.stdout
