"""What has this node done about a Pod so far? Facts on disk, from which a restarted agent goes on.

Only facts: what to do next is `decisions`, how it looks to the API is `statuses`.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hack.cluster import files, processes

KEPT_RUNS = 2
"""The run of now and the one before it, for `kubectl logs --previous` and `lastState`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One start of one container."""

    number: int
    """0 for the first start; the restart count ever after."""
    pid: int
    """The leader of the process group; 0 where nothing could be started."""
    created: str
    """With the pid, who the process is (`processes.Identity`)."""
    started_at: float
    finished_at: float | None = None
    exit_code: int = 0
    reason: str = ""
    message: str = ""

    @property
    def is_running(self) -> bool:
        """True until an end was recorded."""
        return self.finished_at is None

    @property
    def has_succeeded(self) -> bool:
        """True where it ended with exit code 0."""
        return self.finished_at is not None and self.exit_code == 0

    @property
    def identity(self) -> processes.Identity:
        """Who the process is."""
        return processes.Identity(pid=self.pid, created=self.created)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A reason for programs and a sentence for a person."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that this node did about one Pod."""

    uid: str
    namespace: str
    name: str
    started_at: float
    """When this node first saw the Pod: `status.startTime`, and where activeDeadline begins."""
    runs: Mapping[str, tuple[Run, ...]] = field(default_factory=dict)
    """By container name, oldest first, at most `KEPT_RUNS`."""
    verdict: Explanation | None = None
    """Why the Pod failed, where that is more than its containers' exit codes."""
    waiting: Explanation | None = None
    """Why a container could not be configured yet; retried."""
    retry_at: float = 0.0
    asked_at: float | None = None
    """When SIGTERM was sent to what ran."""
    killed_at: float | None = None
    is_gone: bool = False
    """True once the API server no longer has the Pod."""

    def last(self, container: str) -> Run | None:
        """Give the newest run of a container."""
        runs = self.runs.get(container, ())
        return runs[-1] if runs else None

    def running(self) -> Iterator[tuple[str, Run]]:
        """Give every container that runs, with its run."""
        for container, runs in self.runs.items():
            if runs and runs[-1].is_running:
                yield container, runs[-1]

    def with_run(self, container: str, run: Run) -> "Record":
        """Add a run, or replace the one of the same number."""
        kept = [r for r in self.runs.get(container, ()) if r.number != run.number]
        runs = {**self.runs, container: tuple([*kept, run][-KEPT_RUNS:])}
        return dataclasses.replace(self, runs=runs)


class Folder:
    """The folder of one Pod on this node: its record, its volumes, its logs."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def home(self) -> Path:
        """The working directory and HOME of the Pod's processes."""
        return self.root / "home"

    @property
    def temporary(self) -> Path:
        """TMPDIR of the Pod's processes."""
        return self.root / "tmp"

    @property
    def kubeconfig(self) -> Path:
        """How the Pod's processes reach the API server as their service account."""
        return self.root / "kubeconfig"

    def volume(self, name: str) -> Path:
        """The real place of a volume."""
        return self.root / "volumes" / name

    def run(self, container: str, number: int) -> Path:
        """The folder of one run: `log`, `pid` and, at its end, `exit`."""
        return self.root / "containers" / container / str(number)

    def load(self) -> Record | None:
        """Read the record; None where there is none, or one of another version of this agent."""
        stored = files.read_json(self.root / "record.json")
        try:
            return None if stored is None else _decode(stored)
        except (KeyError, TypeError):
            return None

    def store(self, record: Record) -> None:
        """Replace the record."""
        files.write_json(self.root / "record.json", dataclasses.asdict(record))


def _decode(stored: dict[str, Any]) -> Record:
    def explanation(key: str) -> Explanation | None:
        return None if stored[key] is None else Explanation(**stored[key])

    runs = {name: tuple(Run(**run) for run in runs) for name, runs in stored["runs"].items()}
    explained = {key: explanation(key) for key in ("verdict", "waiting")}
    return Record(**{**stored, "runs": runs, **explained})
