"""What is one finding? A name, a result, what was found, and the fix where there is something to mend."""

from dataclasses import dataclass
from typing import Literal

Result = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was found."""

    name: str
    result: Result
    finding: str
    fix: str = ""


def ok(name: str, finding: str) -> Check:
    """It is as it should be."""
    return Check(name=name, result="ok", finding=finding)


def warn(name: str, finding: str, fix: str = "") -> Check:
    """It works, or was not looked at; somebody should know."""
    return Check(name=name, result="warn", finding=finding, fix=fix)


def fail(name: str, finding: str, fix: str = "") -> Check:
    """It does not work."""
    return Check(name=name, result="fail", finding=finding, fix=fix)
