"""What holds a node together? One process with namespaces of its own, in which everything else runs.

    unshare ── pause     mounts: /run in memory; /var/lib and /var/log in the cluster's folder; its own /proc
                         processes: it is the first one, so the kernel ends all others with it
                         network: its own interfaces, routes, firewall

The kernel settings that every kubelet overwrites, and that belong to the whole machine, are shown to it as if they
were set already. Must know nothing of Kubernetes beyond that.
"""

import contextlib
import time
from pathlib import Path

import psutil

from hack.cluster import errors, processes
from hack.cluster.containerd import requirements

HOLDER = "node"
"""The name of its record and its log."""

START_SECONDS = 10.0
POLL_SECONDS = 0.02

KERNEL_SETTINGS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""What a kubelet writes where it reads anything else. None of it is needed, all of it would stay."""

_SCRIPT = """
pause=$1 folder=$2
mount --make-rshared /
mount -t proc proc /proc
for setting in $(cd "$folder/kernel" && find . -type f); do
    mount --bind "$folder/kernel/$setting" "/proc/sys/$setting"
done
mount -t tmpfs -o mode=755 tmpfs /run
mount --bind "$folder/lib" /var/lib
mount --bind "$folder/log" /var/log
exec "$pause"
"""


def start(records: processes.Records, folder: Path, pause: Path, log: Path) -> int:
    """Start the holder, unless it runs, and give the pid of the node's first process.

    Raises:
        StartFailed: a namespace or a mount was refused; the log says which.
    """
    for setting, value in KERNEL_SETTINGS.items():
        (folder / "kernel" / setting).parent.mkdir(parents=True, exist_ok=True)
        (folder / "kernel" / setting).write_text(f"{value}\n")
    for own in ("lib", "log"):
        (folder / own).mkdir(exist_ok=True)
    command = ("sh", "-euc", _SCRIPT, "node", str(pause), str(folder))
    holder = records.start(
        processes.Component(
            name=HOLDER,
            argv=[
                *("unshare", "--mount", "--propagation", "private", "--net", "--pid"),
                *("--fork", "--kill-child", "--", *command),
            ],
            log=log,
            environment={"PATH": requirements.SYSTEM_PATH},
            cwd=Path("/"),
        )
    )
    deadline = time.monotonic() + START_SECONDS
    while (first := find(records)) is None:
        processes.reap(holder.pid)
        if not holder.is_alive() or time.monotonic() > deadline:
            raise errors.StartFailed(f"the node's namespaces could not be made; log: {log}\n{_tail(log)}")
        time.sleep(POLL_SECONDS)
    return first


def find(records: processes.Records) -> int | None:
    """The pid of the node's first process, as this machine sees it; None before its mounts are made."""
    holder = records.find(HOLDER)
    if holder is None:
        return None
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(holder.pid).children():
            # Until then it is still the shell that mounts.
            if child.name() == "pause":
                return child.pid
    return None


def enter(first: int) -> list[str]:
    """What to put before a command so that it runs in the node."""
    # A program whose nsenter is killed must not live on where nobody finds it.
    return [
        *("nsenter", f"--target={first}", "--mount", "--net", "--pid", "--"),
        *("setpriv", "--pdeathsig", "KILL", "--"),
    ]


def stop(records: processes.Records) -> None:
    """End the holder; the kernel ends every process in its namespaces, and takes back their mounts and links."""
    first = find(records)
    holder = records.find(HOLDER)
    if first is not None and (identity := processes.Identity.of(first)):
        processes.stop([identity], grace_seconds=2.0)
    if holder is not None:
        processes.stop([holder], grace_seconds=2.0)
    records.forget(HOLDER)


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-4:])
