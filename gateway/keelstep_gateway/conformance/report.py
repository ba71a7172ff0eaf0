"""What came of a test? A verdict for each question, and one for the contract, which is as good as its worst."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from keelstep.domain import canonical


class Verdict(StrEnum):
    """What a question's answer is."""

    PASSED = "Passed"
    SKIPPED = "Skipped"
    """The contract promises nothing of the kind."""
    NOT_PROVEN = "NotProven"
    """It may be so; nothing has shown it."""
    FAILED = "Failed"


_WORST_FIRST = (Verdict.FAILED, Verdict.NOT_PROVEN, Verdict.PASSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One question and its answer."""

    name: str
    verdict: Verdict
    message: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long calls took that were answered, one at a time."""

    calls: int
    p50_seconds: float
    p99_seconds: float
    suggested_timeout_seconds: int
    suggested_rate_per_minute: int
    """Half of what one caller reached: others call, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One contract's test."""

    contract: str
    revision: str
    """SHA-256 of the content that was tested, as the cluster calls it."""
    checks: Sequence[Check]
    latency: Latency | None = None
    kind: str = "live"
    """live, recorded or static."""

    @property
    def verdict(self) -> Verdict:
        """The worst of what was asked; where nothing was, nothing is proven."""
        asked = {each.verdict for each in self.checks} - {Verdict.SKIPPED}
        return next((each for each in _WORST_FIRST if each in asked), Verdict.NOT_PROVEN)

    @property
    def digest(self) -> str:
        """What a pass is remembered by: the same for the same content and answers; empty where it is none."""
        if self.verdict is not Verdict.PASSED:
            return ""
        answers = [[each.name, str(each.verdict)] for each in self.checks]
        return canonical.digest(canonical.dumps([self.kind, self.contract, self.revision, answers]))

    def wire(self) -> dict[str, Any]:
        """As JSON."""
        found: dict[str, Any] = {
            "contract": self.contract,
            "revision": self.revision,
            "kind": self.kind,
            "verdict": str(self.verdict),
            "checks": [
                {key: value for key, value in dataclasses.asdict(each).items() if value != ()}
                for each in self.checks
            ],
        }
        if self.latency is not None:
            found["latency"] = dataclasses.asdict(self.latency)
        if self.digest:
            found["digest"] = self.digest
        return found


@dataclass(slots=True)
class Checks:
    """Answers as they come."""

    found: list[Check] = field(default_factory=list)

    def passed(self, name: str, message: str, *details: str) -> None:
        """It was shown."""
        self.found.append(Check(name=name, verdict=Verdict.PASSED, message=message, details=details))

    def failed(self, name: str, message: str, *details: str) -> None:
        """The opposite was shown."""
        self.found.append(Check(name=name, verdict=Verdict.FAILED, message=message, details=details))

    def not_proven(self, name: str, message: str, *details: str) -> None:
        """Nothing was shown."""
        self.found.append(Check(name=name, verdict=Verdict.NOT_PROVEN, message=message, details=details))

    def skipped(self, name: str, message: str) -> None:
        """Nothing is promised."""
        self.found.append(Check(name=name, verdict=Verdict.SKIPPED, message=message))
