"""What does a person type? `build`, `load`, `save`, `list`, `sbom`, `clean`. Only words: the work is elsewhere.

Results go to standard output, progress and errors to standard error; exit code 1 is an error, 130 is Ctrl-C.
"""

import dataclasses
import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box, console, table

from hack.cluster import errors as cluster_errors
from hack.cluster import lifecycle, progress, settings
from hack.cluster.containerd import images as node_images
from hack.images import base as bases
from hack.images import build as building
from hack.images import catalogue, errors
from hack.images.buildah import Buildah

app = typer.Typer(
    help="The programs' images, built with buildah from the Containerfile.\n\n"
    "Example: python -m hack.images build runner && python -m hack.images load runner",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

WIDE = 250
KNOWN = ", ".join(target.name for target in catalogue.TARGETS)
Names = Annotated[list[str] | None, typer.Argument(help=f"Which: {KNOWN}. All, if none is named.")]
Tag = Annotated[str, typer.Option("--tag", help="The tag of the images.")]
Cluster = Annotated[
    str, typer.Option("--name", help="Which cluster, of those `python -m hack.cluster` started.")
]


class Output(StrEnum):
    """How results are written."""

    text = "text"
    json = "json"


Format = Annotated[Output, typer.Option("--output", "-o", help="text or json.")]


@app.command()
def build(
    names: Names = None,
    base: Annotated[
        str,
        typer.Option(
            help=f"The base image; `local` makes one from Debian packages, `auto` takes {bases.PUBLISHED} "
            "and, where no registry answers, the local one."
        ),
    ] = "auto",
    tag: Tag = catalogue.TAG,
    output: Format = Output.text,
) -> None:
    """Build images, weigh them and list what is in them.

    Example: python -m hack.images build runner operator --output json
    """
    shown = progress.Progress()
    tool = Buildah.find(settings.read())
    targets = _targets(names)
    chosen = bases.choose(tool, base, shown)
    built = list(building.run(tool, targets, chosen, tag, shown))
    if output is Output.json:
        print(json.dumps([dataclasses.asdict(one) for one in built], indent=2, default=str))
        return
    rows = [
        (
            one.image,
            f"{one.bytes_over_base / 1e6:.0f} MB",
            str(one.python_packages),
            str(one.debian_packages),
            str(one.sbom.relative_to(settings.REPOSITORY)),
        )
        for one in built
    ]
    _print(("IMAGE", "OVER BASE", "PYTHON", "DEBIAN", "BILL OF MATERIALS"), rows)
    print(f"base: {chosen}")


@app.command()
def load(names: Names = None, tag: Tag = catalogue.TAG, cluster: Cluster = "keelstep") -> None:
    """Load images into the containerd node of a local cluster.

    Example: python -m hack.images load --name keelstep
    """
    shown = progress.Progress()
    configured = settings.read()
    tool, folder = Buildah.find(configured), lifecycle.status(configured, cluster).folder
    for target in _targets(names):
        with (
            shown.step(f"Loading {target.image(tag)}"),
            tempfile.TemporaryDirectory(prefix="image.") as aside,
        ):
            archive = Path(aside) / f"{target.name}.tar"
            _push(tool, target.image(tag), archive)
            node_images.load(folder, archive)


@app.command()
def save(
    folder: Annotated[Path, typer.Argument(help="Where the archives go, one per image.")],
    names: Annotated[
        list[str] | None, typer.Option("--only", help=f"Which: {KNOWN}. All, if not given.")
    ] = None,
    tag: Tag = catalogue.TAG,
) -> None:
    """Write images as archives, for any other cluster: `docker load`, `kind load image-archive`, `minikube image load`.

    Example: python -m hack.images save /tmp/images --only runner
    """
    shown = progress.Progress()
    tool = Buildah.find(settings.read())
    for target in _targets(names):
        archive = folder / f"{target.name}.tar"
        with shown.step(f"Saving {target.image(tag)}"):
            _push(tool, target.image(tag), archive)
        print(archive)


@app.command(name="list")
def list_(
    cluster: Annotated[
        str | None, typer.Option("--name", help="List what the containerd node of this cluster has.")
    ] = None,
    output: Format = Output.text,
) -> None:
    """List the images that were built here, or those that a node has.

    Example: python -m hack.images list --name keelstep
    """
    configured = settings.read()
    rows: list[dict[str, Any]]
    if cluster is not None:
        folder = lifecycle.status(configured, cluster).folder
        rows = [dataclasses.asdict(image) for image in node_images.list_(folder)]
    else:
        found = Buildah.find(configured).images()
        rows = [
            {"name": name, "digest": each["digest"], "size": each["size"], "created": each["createdatraw"]}
            for each in found
            for name in each["names"]
        ]
    if output is Output.json:
        print(json.dumps(rows, indent=2))
    else:
        headings = ("NAME", "DIGEST", "SIZE", "CREATED")
        _print(headings[: len(rows[0])] if rows else headings, [tuple(row.values()) for row in rows])


@app.command(name="sbom")
def bill_of_materials(
    name: Annotated[str, typer.Argument(help=f"Which: {KNOWN}.")], tag: Tag = catalogue.TAG
) -> None:
    """Print an image's bill of materials, CycloneDX 1.6 in JSON.

    Example: python -m hack.images sbom runner
    """
    (target,) = _targets([name])
    tool = Buildah.find(settings.read())
    print(building.bill(tool, target, tag), end="")


@app.command()
def clean() -> None:
    """Remove every image, base and layer that was built here; the next build starts anew.

    Example: python -m hack.images clean
    """
    tool = Buildah.find(settings.read())
    with progress.Progress().step("Removing what was built"):
        tool.clean()


def main() -> None:
    """Run the command line; a mistake is told in words, never as a stack trace."""
    out = console.Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        app(prog_name="python -m hack.images")
    except (errors.ImagesError, cluster_errors.ClusterError) as error:
        out.print(f"error: {error}", style="red", markup=False)
        sys.exit(1)
    except OSError as error:
        # A full disk or a folder that may not be written: the person's to mend.
        out.print(f"error: {error.strerror}: {error.filename}", style="red", markup=False)
        sys.exit(1)


def _targets(names: list[str] | None) -> list[catalogue.Target]:
    """The targets of these names, in the order in which they build fastest."""
    unknown = [name for name in names or () if catalogue.find(name) is None]
    if unknown:
        raise errors.NoSuchImage(f"there is no image {', '.join(unknown)}; there are {KNOWN}")
    return [target for target in catalogue.TARGETS if not names or target.name in names]


def _push(tool: Buildah, image: str, archive: Path) -> None:
    if not tool.has(image):
        raise errors.NoSuchImage(f"{image} was not built here; `python -m hack.images build` does")
    tool.push(image, archive)


def _print(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    shown = table.Table(box=box.SIMPLE_HEAD)
    for heading in headings:
        shown.add_column(heading, no_wrap=True)
    for row in rows:
        shown.add_row(*row)
    out = console.Console(highlight=False)
    if not out.is_terminal:
        out.width = WIDE  # What is piped is read by programs: nothing is cut.
    out.print(shown)
