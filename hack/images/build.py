"""How does the working tree become images, and what does each weigh? One buildah run per target; layers are shared."""

import os
import subprocess
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import files, progress
from hack.cluster.settings import REPOSITORY
from hack.images import sbom
from hack.images.buildah import Buildah
from hack.images.catalogue import Target

RESULTS = REPOSITORY / "build" / "images"
INSTALLED = Path("opt/keelstep")
"""Everything that an image has beyond its base."""

MACHINE_FILES = ("/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")
"""How this machine reaches package indexes; seen by the build, never in a layer of any image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """One image and what is in it."""

    target: str
    image: str
    id: str
    base: str
    bytes_over_base: int
    """Unpacked."""
    python_packages: int
    debian_packages: int
    sbom: Path


def run(
    tool: Buildah, targets: Iterable[Target], base: str, tag: str, shown: progress.Progress
) -> Iterator[Built]:
    """Build the targets one after the other, and give each as it is done.

    Raises:
        BuildFailed: a step failed; the log is named.
    """
    for target in targets:
        image = target.image(tag)
        with shown.step(f"Building {image}") as step:
            words = [*_words(base), "--target", target.name, "--tag", image, "."]
            tool.follow(words, RESULTS / f"{target.name}.log", step.update, REPOSITORY)
        with shown.step(f"Listing what is in {image}"):
            yield describe(tool, target, base, tag)


def describe(tool: Buildah, target: Target, base: str, tag: str) -> Built:
    """Weigh an image and write its bill of materials.

    Raises:
        NoSuchImage: it was never built here.
        BuildFailed: the bill of materials is not valid.
    """
    image = target.image(tag)
    with tool.mounted(image) as root:
        found = _contents(tool, target, tag, root)
        size = _bytes(root / INSTALLED)
    path = RESULTS / f"{target.name}.cdx.json"
    files.write(path, sbom.render(found), 0o644)
    return Built(
        target=target.name,
        image=image,
        id=found.image_id,
        base=base,
        bytes_over_base=size,
        python_packages=len(found.python),
        debian_packages=len(found.debian),
        sbom=path,
    )


def bill(tool: Buildah, target: Target, tag: str) -> str:
    """An image's bill of materials.

    Raises:
        NoSuchImage: it was never built here.
        BuildFailed: the bill of materials is not valid.
    """
    with tool.mounted(target.image(tag)) as root:
        return sbom.render(_contents(tool, target, tag, root))


def _contents(tool: Buildah, target: Target, tag: str, root: Path) -> sbom.Contents:
    image = target.image(tag)
    identifier = next((each["id"] for each in tool.images() if image in each["names"]), "")
    return sbom.take(root, name=f"keelstep-{target.name}", version=_version(), image_id=identifier)


def _words(base: str) -> list[str]:
    mounted = [f"--volume={file}:{file}:ro" for file in MACHINE_FILES if Path(file).exists()]
    revision, when = _revision()
    return [
        *("build", "--layers", "--network", "host", "--file", "Containerfile"),
        *("--build-arg", f"BASE={base}", "--build-arg", f"VERSION={_version()}"),
        *("--build-arg", f"REVISION={revision}", *when, *mounted),
    ]


def _version() -> str:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def _revision() -> tuple[str, list[str]]:
    """The commit, and its time for every file: the same sources make the same layers."""
    head = _git("log", "-1", "--format=%H %ct").split()
    if len(head) != 2:
        return "unknown", []
    dirty = "-dirty" if _git("status", "--porcelain", "--untracked-files=no") else ""
    return head[0] + dirty, [f"--timestamp={head[1]}"]


def _git(*words: str) -> str:
    # A source tree without git is built just as well.
    done = subprocess.run(["git", *words], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _bytes(folder: Path) -> int:
    return sum((Path(where) / name).lstat().st_size for where, _, names in os.walk(folder) for name in names)
