"""Where do the caches and the state of local clusters lie? The only module that reads the environment.

Must not create anything: folders appear when something is written into them.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
"""The repository's root: pods of the `process` node run with its virtual environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Folders and the environment that child programs start from; built once, by `read`."""

    cache: Path
    """Built programs and the Go toolchain; safe to delete. `$KEELSTEP_CACHE`, else
    `$XDG_CACHE_HOME/keelstep`, else `~/.cache/keelstep`, so that clones share one build."""

    state: Path
    """Running clusters, one folder each. `$KEELSTEP_STATE`, else `$XDG_STATE_HOME/keelstep`, else
    `~/.local/state/keelstep`, so that a fresh clone finds the clusters of the last one."""

    environment: Mapping[str, str]
    """The environment builds inherit (proxies and GOPROXY are a person's own business)."""

    @property
    def clusters(self) -> Path:
        """The folder that holds one folder per cluster."""
        return self.state / "clusters"


def read(environment: Mapping[str, str] | None = None) -> Settings:
    """Build the settings from an environment, by default this process's own."""
    given = dict(os.environ if environment is None else environment)
    home = Path(given.get("HOME") or Path.home())
    cache = given.get("XDG_CACHE_HOME") or home / ".cache"
    state = given.get("XDG_STATE_HOME") or home / ".local" / "state"
    return Settings(
        cache=Path(given.get("KEELSTEP_CACHE") or Path(cache) / "keelstep"),
        state=Path(given.get("KEELSTEP_STATE") or Path(state) / "keelstep"),
        environment=given,
    )
