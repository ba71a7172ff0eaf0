"""Messages that no honest writer would send, and honest ones spelled out, for runs brought to a point."""

from collections.abc import Callable

import msgspec

from keelstep.events import types
from keelstep.testing.builders import LogBuilder
from tests.unit.domain import stories
from tests.unit.domain.stories import Step


def forge(
    type_name: str, data: Callable[[LogBuilder], types.Data], writer: str = "a1", **head: object
) -> Step:
    """A message of anybody's, whatever it says."""
    return lambda run: run.forge(type_name, data(run), writer=writer, **head)  # type: ignore[arg-type]


def raw(payload: Callable[[LogBuilder], bytes], writer: str = "a1") -> Step:
    """Bytes of anybody's."""
    return lambda run: run.garbage(payload(run), writer=writer)


def with_fields(run: LogBuilder, type_name: str, data: object, **fields: object) -> bytes:
    """An event's bytes with fields that our own types could not say."""
    event = msgspec.json.decode(run.event_bytes(type_name, types.Interruption(by="x", reason="y")))
    return msgspec.json.encode({**event, "data": data, **fields})


def result(run: LogBuilder, index: int = 0, status: str = "ok", **data: object) -> types.ToolResult:
    """The data of a result without a claim, with any field changed."""
    plan = run.state.plan
    assert plan is not None
    given: dict[str, object] = {
        "plan_seq": plan.seq,
        "index": index,
        "tool": plan.steps[index].tool,
        "status": status,
    }
    return types.ToolResult(**{**given, **data})  # type: ignore[arg-type]


def step(name: str, *args: object, **data: object) -> Step:
    """A step of the builder."""
    return lambda run: getattr(run, name)(*args, **data)


def no_claim(run: LogBuilder) -> types.Data:
    """A retry of a claim that is not there."""
    return types.ToolRetried(
        claim_seq=4, plan_seq=5, index=0, owner="gw-2", deadline=run.soon(), reason="x", attempt_number=2
    )


def certain(run: LogBuilder) -> types.Data:
    """A take-over by somebody who says that the owner before did nothing."""
    (claim,) = run.state.claims.values()
    return types.ToolRetried(
        claim_seq=claim.seq, plan_seq=claim.plan_seq, index=claim.index, owner="gw-2", deadline=run.soon(), reason="x",
        attempt_number=claim.performances + 1, is_certain=True,
    )  # fmt: skip


def in_doubt() -> LogBuilder:
    """Whether the first call happened is not known."""
    return stories.claimed().result(status="unknown")


def spent() -> LogBuilder:
    """The first call failed."""
    return stories.claimed().result(status="failed")


def doubted(run: LogBuilder, **data: object) -> types.Data:
    """A word about the call in doubt, without its output."""
    ((key, known),) = [each for each in run.state.keys.items() if each[1].status == "unknown"]
    (place,) = [place for place, result in run.state.results.items() if result.seq == known.seq]
    given: dict[str, object] = {
        "plan_seq": place[0], "index": place[1], "tool": known.tool, "result_seq": known.seq, "idempotency_key": key,
        "via": "orders.get",
    }  # fmt: skip
    return types.ToolReconciled(**{**given, **data})  # type: ignore[arg-type]


def not_in_doubt(run: LogBuilder) -> types.Data:
    """A word about a call whose outcome is known."""
    ((key, known),) = run.state.keys.items()
    (place,) = [place for place, result in run.state.results.items() if result.seq == known.seq]
    return types.ToolReconciled(
        plan_seq=place[0], index=place[1], tool=known.tool, result_seq=known.seq, idempotency_key=key, status="failed",
        via="orders.get",
    )  # fmt: skip


def claim_of(run: LogBuilder, **data: object) -> types.Data:
    """The data of a claim of the latest plan's first call, with any field changed."""
    plan = run.state.plan
    assert plan is not None
    planned = plan.steps[0]
    pin = run.state.pins.get(planned.tool, types.Pin(digest="0" * 64, tier=0))
    given: dict[str, object] = {
        "plan_seq": plan.seq, "index": 0, "tool": planned.tool, "args": planned.args, "tier": pin.tier,
        "contract_digest": pin.digest, "idempotency_key": "k", "estimate_micro_usd": 0, "owner": "gw-1",
        "deadline": run.soon(),
    }  # fmt: skip
    return types.ToolCalled(**{**given, **said(run, data)})  # type: ignore[arg-type]


def said(run: LogBuilder, data: dict[str, object]) -> dict[str, object]:
    """Fields as given, or as the run has them where a question is given."""
    return {name: field(run) if callable(field) else field for name, field in data.items()}


def ruled(run: LogBuilder) -> types.Data:
    """What the rules say about the latest plan's first call of a reversible tool."""
    plan_seq = run.state.plan.seq if run.state.plan is not None else 4
    verdict = types.PolicyVerdict(effect="escalate")
    return types.PolicyEvaluated(plan_seq=plan_seq, index=0, tool="credit.grant", verdict=verdict)


def claim(**data: object) -> Step:
    """A gateway's claim, whatever it says."""
    return forge("tool.called", lambda run: claim_of(run, **data), "gw")


def gateway_result(status: str = "ok", index: int = 0, **data: object) -> Step:
    """A gateway's result without a claim, whatever it says."""
    return forge("tool.result", lambda run: result(run, index, status, **said(run, data)), "gw")


def runner_result(status: str = "ok", **data: object) -> Step:
    """A runner's result, whatever it says."""
    return forge("tool.result", lambda run: result(run, 0, status, **data))


def unknown() -> LogBuilder:
    """Whether the first call happened is not known; the same contract is planned again."""
    return stories.claimed().result(status="unknown").result(1, "denied").model().plan("credit.grant")


def granted() -> LogBuilder:
    """The first call succeeded; the same call is planned again."""
    run = stories.claimed().result().result(1, "denied").model()
    return run.plan("credit.grant")


def key_of(run: LogBuilder) -> str:
    """The key of the call that was made."""
    return next(iter(run.state.keys))


def answer_of(run: LogBuilder) -> int:
    """The event that answered it."""
    return run.state.keys[key_of(run)].seq
