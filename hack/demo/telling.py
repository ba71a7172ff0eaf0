"""How does a demo tell its story? Chapters, commands with what they print, and waiting that ends one way or the other.

What a story tells is its own matter.
"""

import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from hack.demo.parts import Demo
from hack.local.kubectl import CommandError, Kubectl

STEP_SECONDS = 90.0
POLL_SECONDS = 0.1
OVER = ("Succeeded", "Failed", "Cancelled", "Killed")

out = Console(highlight=False, soft_wrap=True)


class StoryError(Exception):
    """The demo did not go as it must; the message says where to look."""


def chapter(title: str, text: str) -> None:
    """Begin a chapter."""
    out.print(f"\n[bold]━━ {title}[/]\n   {text}\n")


def command(line: str) -> None:
    """A command as a person would type it."""
    out.print(f"$ {line}", style="cyan", markup=False)


def lines(*commands: str) -> None:
    """Commands that can be pasted."""
    for line in commands:
        out.print(f"  {line}", markup=False, style="cyan")


def keelstep(who: Kubectl, *arguments: str, namespace: str = "") -> str:
    """Run keelstep as somebody, and show what it prints.

    Raises:
        StoryError: it failed.
    """
    words = ["keelstep", *arguments, *(("-n", namespace) if namespace else ())]
    command(shlex.join(words))
    done = subprocess.run(
        [sys.executable, "-m", "keelstep.cli.main", *words[1:]],
        env={**who.environment, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
    )
    out.print(done.stdout, markup=False)
    if done.returncode != 0:
        raise StoryError(f"`{shlex.join(words)}` failed: {done.stderr.strip()}")
    return done.stdout


@contextmanager
def watching(who: Kubectl, namespace: str) -> Iterator[None]:
    """Show `kubectl get executions -w` while the block runs."""
    arguments = ("get", "executions", "-n", namespace, "--watch")
    who.show(shlex.join(("kubectl", *arguments)))
    watch = subprocess.Popen([who.binary, *arguments], env=who.environment, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        watch.terminate()
        watch.wait()


def items(who: Kubectl, plural: str, namespace: str) -> list[Any]:
    """All objects of a kind; none where there is no such namespace yet."""
    try:
        found: list[Any] = who.get(plural, "-n", namespace)["items"]
    except CommandError:
        return []
    return found


def are_over(who: Kubectl, namespace: str, names: Collection[str]) -> bool:
    """True once all these executions have ended."""
    found = items(who, "executions", namespace)
    phases = {each["metadata"]["name"]: each.get("status", {}).get("phase") for each in found}
    return all(phases.get(name) in OVER for name in names)


def wait(what: str, holds: Callable[[], bool], demo: Demo) -> None:
    """Wait until something holds.

    Raises:
        StoryError: it did not in time.
    """
    deadline = time.monotonic() + STEP_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise StoryError(
                f"waited {STEP_SECONDS:.0f} s for {what}.\n"
                f"Look: KUBECONFIG={demo.status.kubeconfig} {demo.status.kubectl} describe executions -A\n"
                f"logs: {demo.folder / 'logs'}"
            )
        time.sleep(POLL_SECONDS)
