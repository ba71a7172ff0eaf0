"""Where does a bench work? What it is given: how much to do, a folder, calm, and a whole keelstep if it asks.

The keelstep is started by the first bench that asks for it and shared by the others; `close` ends it.
"""

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from hack.bench import stage
from hack.bench.calm import Calm
from hack.bench.stage import Stage
from hack.cluster.progress import Progress, Step

Sizes = TypeVar("Sizes")


@dataclass(slots=True, kw_only=True)
class Place:
    """One call of `make bench`."""

    is_smoke: bool
    """Tiny sizes: it only shows that every bench works."""
    has_peers: bool
    """The engines that a user would pick instead run beside, in the benches that have any."""
    shown: Progress
    step: Step
    """The bench being run: tells how far it is."""
    folder: Path
    """For state: on the disk that is measured, empty at first."""
    calm: Calm
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _stage: Stage | None = None
    _stages: int = 0

    def choose(self, full: Sizes, smoke: Sizes) -> Sizes:
        """The sizes of this call."""
        return smoke if self.is_smoke else full

    def stage(self) -> Stage:
        """A whole keelstep, started now if it does not run yet."""
        if self._stage is None:
            self.step.update("starting a whole keelstep")
            self._stages += 1
            folder = self.folder / f"stage-{self._stages}"
            self._stage = self._stack.enter_context(stage.running(folder))
        return self._stage

    def own_stage(self) -> Stage:
        """A keelstep in which nothing has gathered yet; at smoke sizes nothing has, so the one that runs will do."""
        if not self.is_smoke:
            self.step.update("ending the keelstep before")
            self.close()
        return self.stage()

    def close(self) -> None:
        """End what was started."""
        self._stage = None
        self._stack.close()
