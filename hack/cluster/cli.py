"""What does a person type? `build`, `up`, `down`, `status`, `kubeconfig`. Only words: the work is `lifecycle`.

Results go to standard output, progress and errors to standard error; exit code 1 is an error,
130 is Ctrl-C.
"""

import dataclasses
import json
import sys
from enum import StrEnum
from typing import Annotated

import typer
from rich import box, console, table

from hack.cluster import build, errors, lifecycle, progress, settings

app = typer.Typer(
    help="A real Kubernetes on this machine, built once from pinned Go modules. For development.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Name = Annotated[str, typer.Option("--name", help="Which cluster; several run side by side.")]


class Node(StrEnum):
    """The nodes that can be had."""

    process = "process"
    containerd = "containerd"
    none = "none"


class Output(StrEnum):
    """How `status` writes."""

    text = "text"
    json = "json"


@app.command(name="build")
def build_programs() -> None:
    """Build Kubernetes for this machine, about 5 minutes on 2 cores; nothing to do where it is built."""
    build.ensure(settings.read(), shown=progress.Progress())


@app.command()
def up(
    name: Name = "keelstep",
    node: Annotated[
        Node,
        typer.Option(
            help="`process` runs Pods as local processes; `containerd` (root) runs them as on any cluster; "
            "`none` runs no Pods."
        ),
    ] = Node.process,
) -> None:
    """Bring a cluster up; the first time builds Kubernetes, about 5 minutes on 2 cores."""
    shown = progress.Progress()
    try:
        now = lifecycle.up(settings.read(), name, node.value, shown)
    except KeyboardInterrupt:
        shown.note("interrupted; what was started is stopped again. Run `up` again to go on.")
        raise
    if node is Node.containerd:
        shown.note(
            "Pods reach each other, Services and this machine, but no other; NetworkPolicy is not enforced"
        )
    shown.note(f"kubectl of this cluster: {now.kubectl}")
    print(f"export KUBECONFIG={now.kubeconfig}")


@app.command()
def down(
    name: Name = "keelstep",
    keep_data: Annotated[
        bool, typer.Option("--keep-data", help="Keep the folder; the next `up` goes on with it.")
    ] = False,
) -> None:
    """Stop a cluster and everything its Pods run; only what `up` started is ended."""
    shown = progress.Progress()
    if not lifecycle.down(settings.read(), name, shown, keep_data=keep_data):
        shown.note(f"there is no cluster {name!r}; nothing to stop")


@app.command()
def status(
    name: Name = "keelstep",
    output: Annotated[Output, typer.Option("--output", "-o", help="text or json.")] = Output.text,
) -> None:
    """Show each part of a cluster; exit code 1 unless all are healthy."""
    now = lifecycle.status(settings.read(), name)
    if output is Output.json:
        told = dataclasses.asdict(now) | {"is_healthy": now.is_healthy}
        print(json.dumps(told, indent=2, default=str))
    else:
        _print(now)
    if not now.is_healthy:
        raise typer.Exit(1)


@app.command()
def kubeconfig(
    name: Name = "keelstep",
    is_printed: Annotated[
        bool, typer.Option("--print", help="Print its content instead of its path.")
    ] = False,
) -> None:
    """Print where the administrator's kubeconfig lies."""
    path = lifecycle.kubeconfig(settings.read(), name)
    print(path.read_text() if is_printed else path)


def main() -> None:
    """Run the command line; a mistake is told in words, never as a stack trace."""
    out = console.Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        app(prog_name="python -m hack.cluster")
    except errors.ClusterError as error:
        out.print(f"error: {error}", style="red", markup=False)
        sys.exit(1)
    except OSError as error:
        # A full disk or a folder that may not be written: the person's to mend.
        out.print(f"error: {error.strerror}: {error.filename}", style="red", markup=False)
        sys.exit(1)


def _print(now: lifecycle.Status) -> None:
    shown = table.Table(box=box.SIMPLE_HEAD, title=f"cluster {now.name} · {now.server}")
    for heading in ("PART", "PID", "PORT", "HEALTH"):
        shown.add_column(heading)
    for part in now.parts:
        state = "healthy" if part.is_healthy else ("not healthy" if part.pid else "not running")
        style = None if part.is_healthy else "red"
        shown.add_row(part.name, str(part.pid or "-"), str(part.port or "-"), state, style=style)
    out = console.Console(highlight=False, soft_wrap=True)
    out.print(shown)
    out.print(f"kubectl: {now.kubectl}", markup=False)
    out.print(f"export KUBECONFIG={now.kubeconfig}", markup=False)
