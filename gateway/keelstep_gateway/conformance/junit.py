"""How does a report look to a build server? JUnit XML: what failed and what is not proven are both failures there."""

from collections.abc import Sequence
from pathlib import Path

import junitparser

from keelstep_gateway.conformance.report import Report, Verdict


def write(path: Path, reports: Sequence[Report]) -> None:
    """Write a suite for each contract, a case for each question."""
    document = junitparser.JUnitXml(name="keelstep contract test")
    for report in reports:
        suite = junitparser.TestSuite(report.contract)
        suite.add_property("revision", report.revision)
        if report.digest:
            suite.add_property("digest", report.digest)
        for check in report.checks:
            case = junitparser.TestCase(check.name, classname=report.contract)
            if check.verdict in (Verdict.FAILED, Verdict.NOT_PROVEN):
                failure = junitparser.Failure(_printable(check.message), str(check.verdict))
                failure.text = _printable("\n".join(check.details))
                case.result = [failure]
            elif check.verdict is Verdict.SKIPPED:
                case.result = [junitparser.Skipped(_printable(check.message))]
            suite.add_testcase(case)
        document.add_testsuite(suite)
    document.write(str(path), pretty=True)


def _printable(text: str) -> str:
    """Without what no XML may hold."""
    return "".join(
        each if each.isprintable() or each == "\n" else "\N{REPLACEMENT CHARACTER}" for each in text
    )
