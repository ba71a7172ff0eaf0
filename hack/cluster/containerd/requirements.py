"""Can this machine run a containerd node? Asked before anything is started, and answered in one message.

Looks and tries; installs nothing.
"""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from hack.cluster import errors, settings

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where the node's programs are looked for: `sudo` and CI runners often give less."""

PROGRAMS = {
    "containerd": "containerd",
    "containerd-shim-runc-v2": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "ip": "iproute2",
    "mount": "mount",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "unshare": "util-linux",
}
"""Each program, and the Debian package that brings it."""

PLUGINS = ("bridge", "host-local", "loopback", "portmap")
PLUGINS_PACKAGE = "containernetworking-plugins"
PLUGIN_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"), Path("/usr/libexec/cni"))

HIDDEN = ("/run", "/var/lib", "/var/log", "/var/run")
"""The node has its own folders here, and sees none of the machine's."""

WATCHERS = 12
"""The inotify instances that a node's programs take, and some to spare; kubelet and kube-proxy end where there are fewer."""


def plugin_folder() -> Path | None:
    """Where the network plugins lie; None where they are missing."""
    for folder in PLUGIN_FOLDERS:
        if all((folder / plugin).exists() for plugin in PLUGINS):
            return folder
    return None


def check(configured: settings.Settings) -> None:
    """Refuse a machine on which the node cannot run.

    Raises:
        MissingPrerequisite: with everything that is missing in its message.
    """
    shortages = [*_root(), *_packages(), *_folders(configured)]
    # Only a machine that has the rest can be asked whether it lets us.
    shortages = shortages or [*_namespaces(), *_cgroups()]
    if shortages:
        listed = "\n".join(f"  · {shortage}" for shortage in shortages)
        raise errors.MissingPrerequisite(f"a containerd node needs what is missing here:\n{listed}")


def check_watchers() -> None:
    """Refuse to start a node's programs where the user has too few inotify instances left for them.

    Raises:
        MissingPrerequisite: so many are left, and how to have more.
    """
    libc = ctypes.CDLL(None)
    taken: list[int] = []
    try:
        while len(taken) < WATCHERS and (instance := libc.inotify_init()) >= 0:
            taken.append(instance)
    finally:
        for instance in taken:
            os.close(instance)
    if len(taken) < WATCHERS:
        raise errors.MissingPrerequisite(
            f"inotify instances: {len(taken)} of the user's are left, a node takes {WATCHERS}; end other clusters, or "
            "raise the limit: `sysctl fs.inotify.max_user_instances=512`"
        )


def _root() -> list[str]:
    if os.geteuid() == 0:
        return []
    return ["root: run it with sudo, or take `--node process`, which needs no root"]


def _packages() -> list[str]:
    lacking = {package for name, package in PROGRAMS.items() if shutil.which(name, path=SYSTEM_PATH) is None}
    if plugin_folder() is None:
        lacking.add(PLUGINS_PACKAGE)
    if not lacking:
        return []
    return [f"packages: on Debian and Ubuntu, `apt-get install {' '.join(sorted(lacking))}`"]


def _folders(configured: settings.Settings) -> list[str]:
    wrong: Mapping[str, Path] = {
        variable: folder
        for variable, folder in (("KEELSTEP_STATE", configured.state), ("KEELSTEP_CACHE", configured.cache))
        if any(folder.resolve().is_relative_to(Path(hidden).resolve()) for hidden in HIDDEN)
    }
    return [
        f"{variable}: the node cannot see {folder}; choose one outside of {', '.join(HIDDEN)}"
        for variable, folder in wrong.items()
    ]


def _namespaces() -> list[str]:
    """Containers without privileges cannot make these, however much they are root."""
    tried = subprocess.run(
        ["unshare", "--mount", "--net", "--pid", "--fork", "mount", "-t", "tmpfs", "tmpfs", "/run"],
        env={"PATH": SYSTEM_PATH},
        capture_output=True,
        text=True,
        check=False,
    )
    if tried.returncode == 0:
        return []
    return [f"privileges: root may not make namespaces and mounts here ({tried.stderr.strip()})"]


def _cgroups() -> list[str]:
    root = Path("/sys/fs/cgroup")
    if (root / "cgroup.controllers").exists() or (root / "memory").is_dir():
        return []
    return [f"control groups: none are mounted at {root}"]
