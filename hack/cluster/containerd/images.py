"""How do images get into a node that has no registry, and which are there? By containerd's own `ctr`.

Must not build anything: that is `hack.images`.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import errors, processes
from hack.cluster.containerd import configuration, namespaces, requirements

NAMESPACE = "k8s.io"
"""Where Kubernetes keeps its images within containerd."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image in the node."""

    name: str
    digest: str


def socket_of(folder: Path) -> Path | None:
    """containerd's socket, reached through the node's own view of the file system; None where the node is down."""
    first = namespaces.find(processes.Records(folder / "processes"))
    if first is None:
        return None
    return Path(f"/proc/{first}/root{configuration.SOCKET}")


def load(folder: Path, archive: Path) -> None:
    """Load an archive, in the format of OCI or of `docker save`; an image of the same name is replaced.

    Raises:
        NoSuchCluster: the node does not run.
        StartFailed: containerd refused the archive.
    """
    _ctr(folder, "images", "import", str(archive))


def list_(folder: Path) -> list[Image]:
    """The named images that the node has."""
    told = _ctr(folder, "images", "list").splitlines()[1:]
    rows = [line.split() for line in told]
    return [
        Image(name=row[0], digest=row[2])
        for row in rows
        if "@sha256:" not in row[0] and "sha256:" not in row[0][:7]
    ]


def _ctr(folder: Path, *words: str) -> str:
    address = socket_of(folder)
    if address is None:
        raise errors.NoSuchCluster("the containerd node does not run; start it with `up --node containerd`")
    done = subprocess.run(
        ["ctr", "--address", str(address), "--namespace", NAMESPACE, *words],
        env={"PATH": requirements.SYSTEM_PATH},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise errors.StartFailed(f"`ctr {' '.join(words)}`: {done.stderr.strip()}")
    return done.stdout
