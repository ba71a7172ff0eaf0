"""What do recorded answers prove? That they are what the contract says; of effects and repetition, nothing.

A recording is a file of JSON lines: `{contract, args, status, body, seconds}` for an answer, and
`{contract, args, error, wasSent, seconds}` where there was none.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from keelstep.domain import canonical, outcome, schema
from keelstep.domain.outcome import Answer, NoAnswer, Seen
from keelstep.kinds.failure import ErrorClass
from keelstep_gateway.conformance import behaviour
from keelstep_gateway.conformance.caller import Observed
from keelstep_gateway.conformance.cases import CaseError, Contract
from keelstep_gateway.conformance.report import Checks

_CLASSES = frozenset(str(each) for each in ErrorClass)


class Line(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True
):
    """One recorded call."""

    contract: str
    args: dict[str, Any]
    status: int = 0
    """Of an answer."""
    body: Any = None
    error: str = ""
    """The class of failure where there was no answer."""
    was_sent: bool = True
    seconds: float = 0.0


def load(path: Path) -> list[Line]:
    """The lines of a recording.

    Raises:
        CaseError: it cannot be read.
    """
    try:
        texts = path.read_bytes().splitlines()
    except OSError as error:
        raise CaseError(f"{path}: {error.strerror}") from error
    return [
        _read(f"{path}, line {number}", text) for number, text in enumerate(texts, start=1) if text.strip()
    ]


def _read(where: str, text: bytes) -> Line:
    try:
        return msgspec.json.decode(text, type=Line)
    except msgspec.DecodeError as error:
        raise CaseError(f"{where}: {error}") from error


def save(path: Path, observed: Sequence[Observed]) -> None:
    """Write what was observed.

    Raises:
        CaseError: it cannot be written.
    """
    try:
        path.write_bytes(b"".join(msgspec.json.encode(_line(each)) + b"\n" for each in observed))
    except OSError as error:
        raise CaseError(f"{path}: {error.strerror}") from error


def check(contract: Contract, lines: Sequence[Line], checks: Checks) -> list[Observed]:
    """Ask what a recording can answer; what it holds of this contract."""
    own = [each for each in lines if each.contract == contract.name]
    if not own:
        checks.not_proven("Recorded", "the recording holds no call of this contract")
        return []
    observed = [_observed(contract, each) for each in own]
    compiled = schema.compile_schema(contract.spec.schemas.input)
    wrong = [
        problem
        for each in observed
        if isinstance(each.seen, Answer)
        for problem in compiled.problems(each.args)
    ]
    if wrong:
        checks.failed("Recorded", "arguments that schema.input refuses were answered", *wrong[:5])
    else:
        checks.passed("Recorded", f"{len(own)} calls with valid arguments")
    crashed = [each for each in observed if each.is_crash]
    if crashed:
        checks.failed("EdgeArguments", f"{len(crashed)} of {len(own)} calls broke the tool")
    else:
        checks.not_proven("EdgeArguments", "a recording holds only what was asked")
    behaviour.answers(observed, checks)
    allowed = contract.spec.timeout_seconds
    if any(each.seconds >= allowed for each in observed):
        checks.failed("Timeout", f"recorded calls took {allowed} s or more")
    else:
        checks.not_proven("Timeout", "a recording cannot be held up")
    return observed


def _observed(contract: Contract, line: Line) -> Observed:
    seen: Seen
    if line.error:
        kind = line.error if line.error in _CLASSES else outcome.INVALID
        seen = NoAnswer(reason=line.error, message="as recorded", error_class=kind, was_sent=line.was_sent)
    else:
        seen = Answer(status=line.status, body=canonical.dumps(line.body), media_type="application/json")
    return Observed(
        contract=contract.name,
        args=line.args,
        seen=seen,
        judged=outcome.judge(contract.spec, seen),
        seconds=line.seconds,
    )


def _line(observed: Observed) -> Line:
    seconds = round(observed.seconds, 6)
    if isinstance(observed.seen, NoAnswer):
        return Line(
            contract=observed.contract,
            args=dict(observed.args),
            error=observed.seen.reason,
            was_sent=observed.seen.was_sent,
            seconds=seconds,
        )
    try:
        body = canonical.loads(observed.seen.body) if observed.seen.body else None
    except ValueError:
        body = observed.seen.body.decode(errors="replace")
    return Line(
        contract=observed.contract,
        args=dict(observed.args),
        status=observed.seen.status,
        body=body,
        seconds=seconds,
    )
