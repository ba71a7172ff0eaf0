"""How is Helm run here? Compiled from its pinned module, with folders of its own: no person's releases or repositories.

Must not know what a chart holds.
"""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.cluster import build, progress, settings
from hack.cluster import programs as definitions

CHARTS = settings.REPOSITORY / "charts"


class HelmError(Exception):
    """Helm refused or failed; the message is what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Helm:
    """Helm as somebody, or as nobody where no cluster is meant."""

    binary: Path
    folder: Path
    """Where it keeps what it keeps."""
    kubeconfig: Path | None = None
    is_at_home: bool = False
    """True: with the person's own environment, which the way into a cluster of theirs may need."""

    @classmethod
    def ensure(cls, folder: Path, kubeconfig: Path | None = None, *, is_at_home: bool = False) -> "Helm":
        """Helm, built where the cache lacks it (a minute, shown).

        Raises:
            hack.cluster.errors.ClusterError: it cannot be built here.
        """
        built = build.ensure(settings.read(), definitions.HELM, progress.Progress())
        return cls(binary=built["helm"], folder=folder, kubeconfig=kubeconfig, is_at_home=is_at_home)

    def run(self, *words: str) -> str:
        """Run a command; what it printed.

        Raises:
            HelmError: it failed.
        """
        done = subprocess.run(
            [self.binary, *words], env=self._environment(), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise HelmError((done.stderr.strip() or done.stdout.strip())[-4000:])
        return done.stdout

    def template(
        self, chart: Path, values: Mapping[str, Any], *words: str, namespace: str = "keelstep-system"
    ) -> str:
        """The manifests of a chart with these values; Helm asks no cluster.

        Raises:
            HelmError: the values are refused, or a template fails.
        """
        given = json.dumps(values)
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "values.json"
        file.write_text(given)
        return self.run(
            "template", chart.name, str(chart), "--namespace", namespace, "--values", str(file), *words
        )

    def _environment(self) -> dict[str, str]:
        around = os.environ if self.is_at_home else {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        own = {
            **around,
            "HELM_CACHE_HOME": str(self.folder / "cache"),
            "HELM_CONFIG_HOME": str(self.folder / "config"),
            "HELM_DATA_HOME": str(self.folder / "data"),
        }
        return own | ({"KUBECONFIG": str(self.kubeconfig)} if self.kubeconfig is not None else {})
