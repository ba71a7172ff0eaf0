"""How do this working tree's images get to a person's cluster? Built by what is here, given by the cluster's own tool.

buildah (root) or else docker or podman build them; an archive of each goes the way that `providers` knows, or all of them
are pushed to a registry that the person named. Must not know what is installed.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import controlplane, progress, settings
from hack.cluster.containerd import images as node_images
from hack.demo.theirs import providers
from hack.demo.theirs.access import Access
from hack.demo.theirs.providers import ARCHIVE, Way
from hack.images import base, buildah, catalogue
from hack.images import build as building
from hack.images.buildah import Buildah
from hack.images.catalogue import Target

LOCAL = "localhost"
"""The registry's place in the name of an image that came without one."""
OTHERS = ("docker", "podman")
"""What builds where buildah does not."""


class DeliveryError(Exception):
    """Images cannot get to the cluster; the message says what would help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """What the cluster has then."""

    registry: str
    tag: str
    """Named by what is in them, so that a changed program is another image."""


def way_into(access: Access, configured: settings.Settings) -> Way:
    """How an archive gets into every node.

    Raises:
        DeliveryError: there is no way that we know, or its tool is not here.
    """
    nodes = access.nodes()
    way = _ours(access, configured) or providers.recognise(nodes, machine=platform.node())
    if way is None:
        names = ", ".join(node["metadata"]["name"] for node in nodes[:3])
        raise DeliveryError(
            f"{access.context} (nodes: {names}) is none of kind, minikube, k3d, k3s, MicroK8s, Docker Desktop, Rancher "
            "Desktop or Colima: how it is given images is not known here. Name a registry that it pulls from and "
            f"you may push to: make demo CONTEXT={access.context} REGISTRY=registry.example/you"
        )
    if shutil.which(way.tool) is None:
        raise DeliveryError(
            f"{access.context} is {way.cluster}; it is given images by `{way.tool}`, which is not on this PATH"
        )
    return way


def check_architecture(access: Access) -> None:
    """Can its nodes run what is built here?

    Raises:
        DeliveryError: some cannot.
    """
    foreign = providers.foreign_architectures(access.nodes(), processor=platform.machine())
    if foreign:
        raise DeliveryError(
            f"{access.context} has nodes of {', '.join(foreign)}; images that are built here run on "
            f"{platform.machine()} only: build them on such a machine"
        )


def deliver(
    way: Way | None, registry: str, configured: settings.Settings, shown: progress.Progress
) -> Images:
    """Build every image and give it to the cluster: by the way, or through the registry.

    Raises:
        DeliveryError: a command failed; what it said.
        ImagesError: images cannot be built here.
    """
    tool = builder(os.geteuid() == 0, lambda program: shutil.which(program) is not None)
    if tool == buildah.PROGRAM:
        tag, push, save = _with_buildah(Buildah.find(configured), shown)
    else:
        tag, push, save = _with(tool, shown)
    for target in catalogue.TARGETS:
        if way is None:
            remote = f"{registry}/keelstep-{target.name}:{tag}"
            with shown.step(f"Pushing {remote}"):
                push(target, remote)
            continue
        with (
            shown.step(f"Giving keelstep-{target.name} to {way.cluster}"),
            tempfile.TemporaryDirectory(prefix="image.") as aside,
        ):
            archive = Path(aside) / f"{target.name}.tar"
            save(target, archive)
            _run(way.load(str(archive)))
    return Images(registry=LOCAL if way is not None else registry, tag=tag)


def builder(is_root: bool, is_there: Callable[[str], bool]) -> str:
    """The program that builds images here.

    Raises:
        DeliveryError: there is none.
    """
    if is_root and is_there(buildah.PROGRAM):
        return buildah.PROGRAM
    for program in OTHERS:
        if is_there(program):
            return program
    raise DeliveryError("images are built with docker, podman, or buildah as root: install one of them")


Push = Callable[[Target, str], None]
Save = Callable[[Target, Path], None]


def _with_buildah(tool: Buildah, shown: progress.Progress) -> tuple[str, Push, Save]:
    built = list(
        building.run(tool, catalogue.TARGETS, base.choose(tool, "auto", shown), catalogue.TAG, shown)
    )
    tag = tag_of([one.id for one in built])
    for target in catalogue.TARGETS:
        tool.run("tag", target.image(), target.image(tag))

    def push(target: Target, remote: str) -> None:
        tool.run("push", "--quiet", target.image(tag), f"docker://{remote}")

    return tag, push, lambda target, archive: tool.push(target.image(tag), archive)


def _with(tool: str, shown: progress.Progress) -> tuple[str, Push, Save]:
    """docker or podman."""
    for target in catalogue.TARGETS:
        with shown.step(f"Building {target.image()} with {tool}"):
            words = ("--file", "Containerfile", "--target", target.name, "--tag", target.image())
            _run((tool, "build", *words, str(settings.REPOSITORY)))
    shape = ("image", "inspect", "--format", "{{.Id}}")
    tag = tag_of([_run((tool, *shape, target.image())) for target in catalogue.TARGETS])
    for target in catalogue.TARGETS:
        _run((tool, "tag", target.image(), target.image(tag)))

    def push(target: Target, remote: str) -> None:
        _run((tool, "tag", target.image(tag), remote))
        _run((tool, "push", "--quiet", remote))

    def save(target: Target, archive: Path) -> None:
        _run((tool, "save", "--output", str(archive), target.image(tag)))

    return tag, push, save


def tag_of(ids: Sequence[str]) -> str:
    """One tag for images with these identities."""
    return "demo-" + hashlib.sha256("\n".join(ids).encode()).hexdigest()[:12]


def _ours(access: Access, configured: settings.Settings) -> Way | None:
    """The way into a cluster of `python -m hack.cluster`."""
    server = access.server()
    for folder in sorted(configured.clusters.glob("*")):
        plane = controlplane.find(folder)
        if plane is None or plane.server_url != server:
            continue
        socket = node_images.socket_of(folder)
        if socket is None:
            raise DeliveryError(
                f"{access.context} is the local cluster {folder.name}, whose node runs no images; start another with "
                "`python -m hack.cluster up --node containerd`, or take `make demo` without CONTEXT"
            )
        words = ("ctr", "--address", str(socket), "--namespace", node_images.NAMESPACE)
        return Way(cluster=f"the local cluster {folder.name}", command=(*words, "images", "import", ARCHIVE))
    return None


def _run(words: Sequence[str]) -> str:
    done = subprocess.run(words, cwd=settings.REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        told = (done.stderr.strip() or done.stdout.strip())[-1500:]
        raise DeliveryError(f"`{' '.join(words[:4])} …` failed:\n{told}")
    return done.stdout.strip()
