"""Is a whole run seen by those who look: on every panel, as one trace, and in every program's log under one id?"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from hack.cluster import build, errors, progress, settings
from hack.local import world
from hack.local.world import Tenant
from tests.e2e import observatory
from tests.e2e.conftest import furnished
from tests.e2e.observatory import PROGRAMS, Prometheus
from tests.integration.store.collector import Collector, Received
from tests.unit.telemetry import dashboards

RUNS = ("small-claim", "refund-approved", "refund-rejected")
OUTAGES = {
    "fleet: Tool calls that failed, an hour A",
    "fleet: Model calls that failed, an hour A",
    "machinery: Decided again, an hour B",
    "machinery: Refusals, an hour A",
    "machinery: How long they wait A",
    "machinery: Tools left alone, an hour A",
    "machinery: Tools left alone, an hour B",
    "economics: Of the day's budget A",
}
"""Queries that have an answer only once something went wrong, or is limited."""
IDENTITY = ("execution", "trace_id", "tenant")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Three runs that are over, and what was seen of them."""

    tenant: Tenant
    collector: Collector
    prometheus: Prometheus | None
    why_none: str

    def status(self, run: str) -> Any:
        """A run's status."""
        return self.tenant.status(run)

    def spans(self, run: str) -> Sequence[Received]:
        """A run's spans, once its root has come."""
        xid = self.status(run)["executionID"]

        def whole() -> Sequence[Received]:
            found = self.collector.of(xid)
            return found if any(not each.span.parent_span_id for each in found) else ()

        found: Sequence[Received] = self.tenant.until(f"the trace of {run}", whole)
        return found

    def lines(self, program: str) -> list[dict[str, Any]]:
        """What a program logged."""
        return _lines((self.tenant.platform.folder / "logs" / f"{program}.log").read_text(errors="replace"))


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """A keelstep of this file's own, watched from the start; three runs, two of which ask a person."""
    folder = tmp_path_factory.mktemp("seen")
    binary, why = None, ""
    try:
        binary = build.ensure(settings.read(), ("prometheus",), progress.Progress())["prometheus"]
    except (errors.MissingPrerequisite, errors.BuildFailed) as error:
        why = f"NOT TESTED: Prometheus cannot be built here: {error}"
    with observatory.collector() as collector, world.running(folder) as platform:
        ports = observatory.start(platform, collector.endpoint)
        tenant = furnished(platform)
        if binary is None:
            _play(tenant, None)
            yield Seen(tenant=tenant, collector=collector, prometheus=None, why_none=why)
            return
        with observatory.prometheus(binary, folder / "prometheus", ports) as prometheus:
            tenant.until("Prometheus to see every program", lambda: _sees_all(prometheus))
            _play(tenant, prometheus)
            yield Seen(tenant=tenant, collector=collector, prometheus=prometheus, why_none="")


def _sees_all(prometheus: Prometheus) -> bool:
    return prometheus.is_ready() and len(prometheus.ask("up == 1")) == len(PROGRAMS)


def _play(tenant: Tenant, prometheus: Prometheus | None) -> None:
    tenant.ask(*RUNS)
    tenant.answer(tenant.until_gate("refund-approved"), "Approved")
    if prometheus is not None:
        # a series that is there with its last value already never grew, and has no rate
        decided = "sum(agent_gate_wait_seconds_count)"
        tenant.until("the first decision to be scraped", lambda: _value(prometheus.ask(decided)))
    tenant.answer(tenant.until_gate("refund-rejected"), "Rejected")
    for run in RUNS:
        tenant.until_phase(run, "Succeeded")
        tenant.get("executiontraces", run)


@pytest.fixture(scope="module")
def prometheus(seen: Seen) -> Prometheus:
    """The Prometheus that saw it, once it has scraped what came last."""
    if seen.prometheus is None:
        pytest.skip(seen.why_none)
    found = seen.prometheus
    ended = 'sum(agent_runs_ended_total{outcome="succeeded"})'
    seen.tenant.until("the last run to be scraped", lambda: _value(found.ask(ended)) == len(RUNS))
    seen.tenant.until(
        "the last view to be scraped", lambda: _value(found.ask("sum(keelstep_views_requests_total)"))
    )
    return found


@pytest.mark.parametrize("place", dashboards.queries())
def test_a_panel_shows_something_of_runs_that_went_well(prometheus: Prometheus, place: str) -> None:
    """Prometheus answers its query, and but for those about failures not with nothing."""
    answer = prometheus.ask(dashboards.filled(dashboards.queries()[place]))
    numbers = [float(line["value"][1]) for line in answer]
    assert place in OUTAGES or any(not math.isnan(number) for number in numbers), answer


def test_the_economics_panels_agree_with_the_runs_own_status(seen: Seen, prometheus: Prometheus) -> None:
    """The cost that a person reads beside a run and the one on the wall are one number."""
    spent = sum(float(seen.status(run)["costUSD"]) for run in RUNS)
    assert _value(prometheus.ask("sum(agent_cost_usd_total)")) == pytest.approx(spent)
    assert _value(prometheus.ask("sum(agent_run_cost_usd_sum)")) == pytest.approx(spent)
    tokens = sum(seen.status(run)["tokens"] for run in RUNS)
    assert _value(prometheus.ask("sum(agent_tokens_total)")) == tokens


@pytest.mark.parametrize("run", RUNS)
def test_a_run_is_one_trace_under_the_id_in_its_status(seen: Seen, run: str) -> None:
    """One root, every other span below it, a span for each step."""
    status, spans = seen.status(run), seen.spans(run)
    assert {each.span.trace_id.hex() for each in spans} == {status["traceID"]}
    (root,) = [each for each in spans if not each.span.parent_span_id]
    assert root.attributes["keelstep.cost_usd"] == pytest.approx(float(status["costUSD"]))
    assert root.attributes["keelstep.tokens"] == status["tokens"]
    ids = {each.span.span_id for each in spans}
    assert all(each.span.parent_span_id in ids for each in spans if each is not root)
    steps = [
        each for each in spans if each.attributes.get("gen_ai.operation.name") in ("chat", "execute_tool")
    ]
    assert len(steps) == status["step"]
    attempts = [each for each in spans if each.name.startswith("attempt ")]
    assert len(attempts) == status["attempt"]


@pytest.mark.parametrize(
    ("run", "verdict"), [("refund-approved", "approved"), ("refund-rejected", "rejected")]
)
def test_the_time_a_person_took_is_a_span_of_its_own(seen: Seen, run: str, verdict: str) -> None:
    """With the answer, and without who gave it."""
    (wait,) = [each for each in seen.spans(run) if each.name.startswith("wait_for_approval")]
    assert wait.attributes["keelstep.verdict"] == verdict
    assert world.APPROVER not in str(wait.span)


@pytest.mark.parametrize("program", ["operator", "gateway", "runner"])
def test_a_line_about_a_run_names_it_its_tenant_and_its_trace(seen: Seen, program: str) -> None:
    """One id in every program's log, so that one search finds all of it; before it begins a run has no trace."""
    known = {seen.status(run)["executionID"]: seen.status(run)["traceID"] for run in RUNS}
    lines = _runners(seen.tenant) if program == "runner" else seen.lines(program)
    about = [line for line in lines if "execution" in line]
    assert {line["execution"] for line in about} == known.keys()
    for line in about:
        assert line["tenant"] == seen.tenant.name, line
        assert line.get("trace_id") in (None, known[line["execution"]]), line
    traced = {line["execution"] for line in about if line.get("trace_id")}
    assert traced == known.keys()


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_line_is_json_and_says_what_happened_and_which_program_says_so(
    seen: Seen, program: str
) -> None:
    """None names a run by anything but its id."""
    lines = seen.lines(program)
    assert lines
    for line in lines:
        assert {"event", "level", "timestamp", "program"} <= line.keys(), line
        assert "xid" not in line, line


def _runners(tenant: Tenant) -> list[dict[str, Any]]:
    pods = [pod["metadata"]["name"] for pod in tenant.items("pods")]
    assert pods
    return [
        line for pod in pods for line in _lines(tenant.admin.run("logs", pod, "-n", tenant.name, shown=False))
    ]


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def _value(answer: list[Any]) -> float:
    return float(answer[0]["value"][1]) if answer else 0.0
