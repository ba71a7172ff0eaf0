"""Which demo commands are there? `up` tells the story and leaves everything running; `down` ends what `up` started.

With a context, on a cluster of the person's own; no other context is ever touched.
"""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hack.cluster import errors as cluster_errors
from hack.cluster import progress, settings
from hack.demo import incident, parts, story, telling
from hack.demo.theirs import access, images, seen, steps
from hack.helm import HelmError
from hack.images import errors as image_errors
from hack.local import models
from hack.local.kubectl import CommandError
from hack.local.platform import PlatformError

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

_EXPECTED = (
    cluster_errors.ClusterError,
    models.ModelsError,
    CommandError,
    PlatformError,
    telling.StoryError,
    access.ContextError,
    images.DeliveryError,
    seen.StepError,
    HelmError,
    image_errors.ImagesError,
)
Context = Annotated[
    str | None, typer.Option("--context", help="A context of your kubeconfig: on that cluster, by Helm.")
]
EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


class Example(StrEnum):
    """Which story is told."""

    REFUND = "refund"
    OPS = "ops"


@app.command()
def up(
    example: Annotated[
        Example,
        typer.Option("--example", help="Refunds that a person decides, or incidents that are undone."),
    ] = Example.REFUND,
    ask: Annotated[bool, typer.Option("--ask", help="You decide the two refunds.")] = False,
    own_models: Annotated[
        Path | None,
        typer.Option("--models", help="A folder with providers.yaml and prices.yaml of models of yours."),
    ] = None,
    context: Context = None,
    registry: Annotated[
        str,
        typer.Option("--registry", help="With --context: push the images there, for the cluster to pull."),
    ] = "",
) -> None:
    """Start everything, run an example's executions, leave it running. Example: make demo ASK=1

    With models of yours and a demo that runs, only its gateway is started again. Example: make demo MODELS=my-models

    With a context of your kubeconfig, it is installed on that cluster. Example: make demo CONTEXT=kind-dev
    """
    configured = settings.read()
    if context is None and registry:
        raise typer.BadParameter("--registry is where a cluster of yours pulls from: name it with --context")
    if context is not None and (ask or own_models is not None or example is not Example.REFUND):
        raise typer.BadParameter(
            "--context installs the refund example as it is; --ask, --models and --example are the local demo's"
        )
    try:
        if context is not None:
            steps.up(configured, context, registry, progress.Progress())
            return
        known = models.check(own_models) if own_models is not None else []
        if own_models is not None and parts.runs(configured):
            parts.know_models(configured, own_models)
        else:
            _tell(example, own_models, ask=ask)
    except _EXPECTED as error:
        print(f"\nmake demo: {error}", file=sys.stderr)
        raise typer.Exit(EXIT_FAILED) from error
    except KeyboardInterrupt:
        named = f" CONTEXT={context}" if context is not None else ""
        told = f"`make demo{named}` goes on from here, `make down{named}` ends it."
        print(f"\nInterrupted. {told}", file=sys.stderr)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if known:
        print(f"the demo's gateway now knows {', '.join(known)}")


def _tell(example: Example, own_models: Path | None, *, ask: bool) -> None:
    shown = progress.Progress()
    if example is Example.OPS:
        incident.tell(parts.start(settings.read(), shown, incident.NAMESPACE, own_models))
    else:
        story.tell(parts.start(settings.read(), shown, story.NAMESPACE, own_models), ask=ask)


@app.command()
def down(context: Context = None) -> None:
    """End what `make demo` started, and forget it. Example: make down CONTEXT=kind-dev"""
    configured = settings.read()
    try:
        was_there = (
            parts.stop(configured, progress.Progress())
            if context is None
            else steps.down(configured, context, progress.Progress())
        )
    except _EXPECTED as error:
        print(f"\nmake down: {error}", file=sys.stderr)
        raise typer.Exit(EXIT_FAILED) from error
    if not was_there:
        print("Nothing runs: there is no demo here.")


@app.command()
def status() -> None:
    """Say what runs, and where its logs are."""
    try:
        for line in parts.describe(settings.read()):
            print(line)
    except cluster_errors.ClusterError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(EXIT_FAILED) from error
