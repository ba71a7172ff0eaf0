"""Does the gateway count what events say, under names that cannot grow without end?"""

from keelstep import scrape
from keelstep.domain.state import State
from keelstep.events import clock, envelope, registry, types
from keelstep.testing import builders
from keelstep_gateway.metrics import Metrics

TENANT = "shop"


def run() -> State:
    """A run that has begun."""
    return builders.log("x", TENANT).started().attempt().state


def event(data: types.Data, cost: envelope.Cost = envelope.FREE) -> envelope.Event:
    """A stored event with this in it."""
    head = envelope.Envelope(
        v=envelope.VERSION,
        id="1",
        type=registry.NAMES[type(data)],
        tenant=TENANT,
        execution="x",
        root="x",
        parent=None,
        trace_id="7" * 32,
        seq=6,
        step=1,
        attempt=1,
        actor="gateway/test",
        ts="2026-01-01T00:00:00Z",
        prev=envelope.GENESIS,
        cost=cost,
        data=envelope.raw(data),
    )
    found = envelope.decode(envelope.encode(head))
    assert isinstance(found, envelope.Event)
    return found


def result(tool: str = "orders.get", status: str = "ok", **fields: object) -> types.ToolResult:
    """How a call ended."""
    given: dict[str, object] = {"attempts": 1, "latency_ms": 20}
    return types.ToolResult(plan_seq=5, index=0, tool=tool, status=status, **{**given, **fields})  # type: ignore[arg-type]


def counted(found: Metrics, name: str, **labels: str) -> float:
    """One sample; 0 where there is none."""
    return found.registry.get_sample_value(name, labels) or 0.0


def appended(found: Metrics, stored: envelope.Event, tries: int = 1) -> None:
    """It was stored just now."""
    found.appended(run(), stored, clock.boot(), tries)


def test_a_tool_call_is_counted_with_its_time_and_its_error() -> None:
    """By the event that ends it."""
    found = Metrics()
    appended(found, event(result()))
    error = types.Error(reason="Timeout", message="too late", error_class="Timeout")
    appended(found, event(result(status="unknown", error=error)))
    assert counted(found, "agent_tool_duration_seconds_count", tool="orders.get") == 2
    assert counted(found, "agent_tool_duration_seconds_sum", tool="orders.get") == 0.04
    assert counted(found, "agent_tool_errors_total", tool="orders.get", error_type="Timeout") == 1


def test_a_call_that_was_not_made_has_no_time() -> None:
    """Refused, repeated, or lost with its gateway."""
    found = Metrics()
    appended(found, event(result(status="denied", attempts=0, latency_ms=0)))
    lost = types.Error(reason="OwnerLost", message="gone")
    appended(found, event(result(status="unknown", latency_ms=0, error=lost)))
    assert counted(found, "agent_tool_duration_seconds_count", tool="orders.get") == 0
    assert counted(found, "agent_tool_errors_total", tool="orders.get", error_type="OwnerLost") == 1


def test_tokens_and_money_are_those_of_the_events() -> None:
    """Input and output apart; a tool's price counts as well."""
    found = Metrics()
    reply = types.ModelReplied(ordinal=1, status="ok", model="openai/x")
    appended(found, event(reply, envelope.Cost(tokens_in=70, tokens_out=30, micro_usd=250_000)))
    appended(found, event(result(), envelope.Cost(micro_usd=1_000)))
    tokens = {"model": "openai/x", "tenant": TENANT}
    assert counted(found, "agent_tokens_total", direction="input", **tokens) == 70
    assert counted(found, "agent_tokens_total", direction="output", **tokens) == 30
    started = run().started
    assert started is not None
    assert counted(found, "agent_cost_usd_total", strategy=started.strategy, tenant=TENANT) == 0.251


def test_a_model_call_is_counted_with_its_time_and_its_error() -> None:
    """A reply that was lost with its gateway has no time."""
    found = Metrics()
    error = types.Error(reason="RateLimited", message="later", error_class="RateLimited")
    appended(found, event(types.ModelReplied(ordinal=1, status="ok", model="openai/x", latency_ms=1_500)))
    appended(
        found,
        event(types.ModelReplied(ordinal=1, status="failed", model="openai/x", latency_ms=500, error=error)),
    )
    appended(found, event(types.ModelReplied(ordinal=1, status="lost", model="openai/x")))
    model = {"model": "openai/x", "tenant": TENANT}
    assert counted(found, "agent_model_duration_seconds_count", **model) == 2
    assert counted(found, "agent_model_duration_seconds_sum", **model) == 2
    assert counted(found, "agent_model_errors_total", error_type="RateLimited", **model) == 1
    assert counted(found, "agent_model_errors_total", error_type="lost", **model) == 1


def test_every_refusal_of_the_fence_is_counted() -> None:
    """The first try is none."""
    found = Metrics()
    appended(found, event(result()), tries=3)
    assert counted(found, "keelstep_fence_refusals_total") == 2
    assert counted(found, "keelstep_append_seconds_count", type="tool.result") == 1


def test_names_that_people_choose_are_bounded() -> None:
    """After the first so many, every new one is `other`; those known stay."""
    found = Metrics()
    for number in range(scrape.MOST_NAMES + 5):
        appended(found, event(result(tool=f"tool-{number}")))
    appended(found, event(result(tool="tool-0")))
    assert counted(found, "agent_tool_duration_seconds_count", tool="tool-0") == 2
    assert counted(found, "agent_tool_duration_seconds_count", tool=scrape.OTHER) == 5
    tools = {
        sample.labels["tool"]
        for family in found.registry.collect()
        if family.name == "agent_tool_duration_seconds"
        for sample in family.samples
    }
    assert len(tools) == scrape.MOST_NAMES + 1


def test_the_day_of_a_tenant_is_shown_while_it_has_a_budget() -> None:
    """A budget that is taken away, or a day that is over, leaves no line behind."""
    found = Metrics()
    found.days({"shop": 0.25, "ops": 1.0})
    assert counted(found, "agent_daily_budget_ratio", tenant="shop") == 0.25
    found.days({"shop": 0.5})
    assert counted(found, "agent_daily_budget_ratio", tenant="shop") == 0.5
    assert found.registry.get_sample_value("agent_daily_budget_ratio", {"tenant": "ops"}) is None


def test_names_that_a_model_invents_take_no_place() -> None:
    """A call of a tool that there is not is denied; what is counted are those that there are."""
    found = Metrics()
    for number in range(scrape.MOST_NAMES):
        denied = types.Error(reason="ToolNotAllowed", message="there is none")
        appended(found, event(result(f"invented-{number}", "denied", attempts=0, latency_ms=0, error=denied)))
    appended(found, event(result()))
    assert counted(found, "agent_tool_duration_seconds_count", tool="orders.get") == 1
