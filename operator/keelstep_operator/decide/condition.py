"""How do conditions come about? From what is found now and what stood there before; `Ready` only as their summary."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from keelstep.events import clock

Status = Literal["True", "False", "Unknown"]

_REASON = re.compile(r"^[A-Za-z][A-Za-z0-9]{0,63}$")
_MOST_MESSAGE = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One aspect as it is now."""

    type: str
    status: Status
    reason: str
    message: str = ""


def holds(type_name: str, reason: str, message: str = "") -> Finding:
    """It is so."""
    return Finding(type=type_name, status="True", reason=reason, message=message)


def fails(type_name: str, reason: str, message: str = "") -> Finding:
    """It is not so."""
    return Finding(type=type_name, status="False", reason=reason, message=message)


def unknown(type_name: str, reason: str, message: str = "") -> Finding:
    """Nobody can say yet."""
    return Finding(type=type_name, status="Unknown", reason=reason, message=message)


def ready(findings: Sequence[Finding]) -> Finding:
    """The summary: the first that is not true says why it is not ready. `Killed` counts the other way round."""
    for found in findings:
        if found.type == "Killed":
            if found.status == "True":
                return fails("Ready", found.reason, found.message)
        elif found.status != "True":
            return Finding(type="Ready", status=found.status, reason=found.reason, message=found.message)
    return holds("Ready", "Ready")


def merge(
    findings: Iterable[Finding], before: Sequence[Mapping[str, Any]], *, generation: int, now: int
) -> list[dict[str, Any]]:
    """The conditions to write: a transition time stays as long as the status does."""
    known = {str(condition.get("type")): condition for condition in before}
    merged: list[dict[str, Any]] = []
    for found in findings:
        old = known.get(found.type)
        is_same = old is not None and old.get("status") == found.status
        since = str(old.get("lastTransitionTime", "")) if is_same and old is not None else ""
        merged.append(
            {
                "type": found.type,
                "status": found.status,
                "reason": word(found.reason),
                "message": found.message[:_MOST_MESSAGE],
                "observedGeneration": generation,
                "lastTransitionTime": since or clock.whole(now),
            }
        )
    return merged


def word(reason: str, otherwise: str = "Unspecified") -> str:
    """A reason as conditions want it, whoever wrote it: a runner's word may be anything."""
    return reason if _REASON.match(reason) else otherwise
