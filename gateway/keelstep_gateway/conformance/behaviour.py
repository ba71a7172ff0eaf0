"""How does a tool take what a caller may think of, and how long does it take? Edge arguments, answers, time."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from keelstep.domain.outcome import Answer
from keelstep_gateway.conformance.caller import Caller, Observed
from keelstep_gateway.conformance.cases import Contract
from keelstep_gateway.conformance.proxy import Fault, Proxy
from keelstep_gateway.conformance.report import Checks, Latency

HANG_SECONDS = 1.0
"""How long a test waits for an answer that never comes, where the contract waits longer."""
_SLACK_SECONDS = 2.0
_MOST_SHOWN = 5
_LONGEST_SHOWN = 200
_MARGIN = 3
"""A suggested timeout is so many times the slowest call."""


async def edges(
    contract: Contract, caller: Caller, proposed: Sequence[Mapping[str, Any]] | None, checks: Checks
) -> list[Observed]:
    """Call with each; the calls that were answered as the contract says."""
    if proposed is None:
        checks.not_proven("EdgeArguments", "none were tried (--edges 0)")
        return []
    if not proposed:
        checks.not_proven("EdgeArguments", "no arguments could be made of schema.input; give some in a case")
        return []
    observed = [await caller.call(contract, args) for args in proposed]
    sent = [each for each in observed if each.was_sent]
    crashed = [each for each in sent if each.is_crash]
    if crashed:
        checks.failed(
            "EdgeArguments", f"{len(crashed)} of {len(sent)} calls broke the tool", *_shown(crashed)
        )
    elif sent:
        checks.passed("EdgeArguments", f"{len(sent)} calls, each answered or refused")
    else:
        checks.not_proven("EdgeArguments", "none could be sent", *_shown(observed))
    return [each for each in sent if each.is_ok]


def answers(observed: Sequence[Observed], checks: Checks) -> None:
    """Is every success what schema.output says?"""
    good = [each for each in observed if each.is_ok]
    wrong = [
        each
        for each in observed
        if isinstance(each.seen, Answer) and 200 <= each.seen.status < 300 and not each.is_ok
    ]
    if wrong:
        checks.failed("Answers", f"{len(wrong)} successes are not what schema.output says", *_shown(wrong))
    elif good:
        checks.passed("Answers", f"{len(good)} successes, each valid")
    else:
        checks.not_proven(
            "Answers",
            "no call succeeded, so no output was seen; give arguments that work in a case",
            *_shown(observed),
        )


async def timeout(
    contract: Contract, caller: Caller, args: Mapping[str, Any] | None, proxy: Proxy | None, checks: Checks
) -> None:
    """Does the tool answer within the contract's time, and does a call end where it does not?"""
    allowed = float(contract.spec.timeout_seconds)
    slow = [each for each in caller.observed if each.contract == contract.name and each.seconds >= allowed]
    if slow:
        checks.failed("Timeout", f"{len(slow)} calls took {allowed:g} s or more", *_shown(slow))
        return
    if proxy is None or args is None:
        checks.not_proven(
            "Timeout", "no call could be held up on its way" if proxy is None else "no arguments"
        )
        return
    waited = min(allowed, HANG_SECONDS)
    proxy.faults.append(Fault.HANG_BEFORE)
    found = await caller.call(contract, args, spec=proxy.before(contract.spec), timeout_seconds=waited)
    caller.observed.remove(found)  # it says nothing of how fast the tool is
    ended = found.judged.error is not None and found.judged.error.reason == "Timeout"
    if ended and found.seconds <= waited + _SLACK_SECONDS:
        checks.passed("Timeout", f"every call took less than {allowed:g} s, and one that hangs is ended")
    else:
        checks.failed("Timeout", f"a call that hangs ended after {found.seconds:.1f} s: {found.told}")


def latency(observed: Sequence[Observed]) -> Latency | None:
    """How long answers took."""
    seconds = sorted(each.seconds for each in observed if isinstance(each.seen, Answer))
    if not seconds:
        return None
    median, slowest = _quantile(seconds, 0.5), _quantile(seconds, 0.99)
    return Latency(
        calls=len(seconds),
        p50_seconds=round(median, 6),
        p99_seconds=round(slowest, 6),
        suggested_timeout_seconds=min(600, max(1, math.ceil(slowest * _MARGIN))),
        suggested_rate_per_minute=max(1, int(30 / max(median, 1e-6))),
    )


def refusals(observed: Observed) -> tuple[str | int | None, ...]:
    """What a contract may call the failure of a call: its class and its status; nothing where it is ok."""
    error = observed.judged.error
    return (error.error_class, error.status) if error is not None else ()


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]


def _shown(observed: Sequence[Observed]) -> list[str]:
    lines = []
    for each in observed[:_MOST_SHOWN]:
        args = json.dumps(each.args, ensure_ascii=False)
        args = args if len(args) <= _LONGEST_SHOWN else f"{args[: _LONGEST_SHOWN - 1]}…"
        lines.append(f"{each.told}, with {args}")
    return lines
