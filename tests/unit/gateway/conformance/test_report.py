"""Reports: a contract is as good as its worst answer, and only a pass is remembered."""

import pytest

from keelstep_gateway.conformance.report import Checks, Report, Verdict

PASSED, SKIPPED, NOT_PROVEN, FAILED = Verdict.PASSED, Verdict.SKIPPED, Verdict.NOT_PROVEN, Verdict.FAILED
VERDICTS = {
    "all passed": ([PASSED, PASSED], PASSED),
    "what is not promised does not count": ([PASSED, SKIPPED], PASSED),
    "what is not proven is no pass": ([PASSED, NOT_PROVEN, SKIPPED], NOT_PROVEN),
    "a failure is the worst": ([NOT_PROVEN, FAILED, PASSED], FAILED),
    "nothing was asked": ([], NOT_PROVEN),
    "nothing is promised": ([SKIPPED], NOT_PROVEN),
}


def report(
    verdicts: list[Verdict], *, revision: str = "a" * 64, message: str = "m", kind: str = "live"
) -> Report:
    """A report with these answers."""
    checks = Checks()
    say = {
        PASSED: checks.passed,
        SKIPPED: checks.skipped,
        NOT_PROVEN: checks.not_proven,
        FAILED: checks.failed,
    }
    for number, verdict in enumerate(verdicts):
        say[verdict](f"Check{number}", message)
    return Report(contract="book", revision=revision, checks=checks.found, kind=kind)


@pytest.mark.parametrize("sentence", VERDICTS)
def test_the_verdict(sentence: str) -> None:
    """Of the contract; a digest only of a pass."""
    verdicts, expected = VERDICTS[sentence]
    found = report(verdicts)
    assert found.verdict is expected
    assert bool(found.digest) is (expected is PASSED)
    assert found.wire().get("digest", "") == found.digest


def test_a_digest_stands_for_one_content_and_its_answers() -> None:
    """The same pass again gives it again; another content, more answers or less proof do not."""
    first = report([PASSED])
    assert first.digest == report([PASSED], message="other words").digest
    others = [report([PASSED], revision="b" * 64), report([PASSED, PASSED]), report([PASSED], kind="static")]
    assert len({first.digest, *(each.digest for each in others)}) == 4
