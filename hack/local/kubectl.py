"""How does the story run kubectl? As a persona with a client certificate of its own, and shown as a person types it."""

import json
import os
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


class CommandError(Exception):
    """A command failed; the message is what it printed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubectl:
    """kubectl as one persona."""

    binary: Path
    kubeconfig: Path
    persona: str
    show: Callable[[str], None]
    is_at_home: bool = False
    """True: with the person's own environment, which the way into a cluster of theirs may need."""

    def run(self, *arguments: str, shown: bool = True, stdin: str | None = None) -> str:
        """Run a command, show it first, and give what it printed.

        Raises:
            CommandError: it failed.
        """
        if shown:
            self.show(shlex.join(("kubectl", *arguments)))
        done = subprocess.run(
            [self.binary, *arguments],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise CommandError(done.stderr.strip() or done.stdout.strip())
        return done.stdout

    def get(self, *arguments: str) -> Any:
        """An object or a list as data, not shown."""
        return json.loads(self.run("get", *arguments, "--output", "json", shown=False))

    def apply(self, *manifests: Any) -> None:
        """`kubectl apply`, as a person types it, not shown."""
        self.run("apply", "-f", "-", stdin=yaml.safe_dump_all(manifests), shown=False)

    @property
    def environment(self) -> dict[str, str]:
        """The environment a command runs in: this persona's kubeconfig, and else nothing of the person's own."""
        if self.is_at_home:
            return {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.kubeconfig.parent),
            "KUBECONFIG": str(self.kubeconfig),
        }
