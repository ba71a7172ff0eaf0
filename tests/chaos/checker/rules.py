"""What is wrong with a run? Every rule looks at the evidence alone, and each of its findings has a name.

Lost and doubled are told apart from the rest: `LOST` and `DOUBLED` are what a platform must never do whatever fails;
the others say that a promise about order, money, pace, people or tidiness was not kept.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from tests.chaos.checker import bounds
from tests.chaos.checker.case import Case, Expected, Finding, Rule
from tests.chaos.checker.chain import ENDS, Chain, digest, walk
from tests.chaos.checker.evidence import Evidence, Message

_MILLISECOND = 1_000_000
_PHASES = {"succeeded": "Succeeded", "failed": "Failed", "cancelled": "Cancelled"}
LOST = frozenset({"AcknowledgedLost", "AcknowledgedVoid", "EffectMissing", "UnknownWithoutCause"})
DOUBLED = frozenset({"DuplicateEffect", "UnexpectedEffect", "EffectDespiteFailed", "EffectWithoutClaim"})


def judge(seen: Evidence, expected: Expected) -> list[Finding]:
    """Every finding, sorted."""
    by_run: dict[str, list[Message]] = {}
    for message in seen.others:
        by_run.setdefault(message.xid, []).append(message)
    beside = [walk(messages, expected.tenant, xid) for xid, messages in by_run.items()]
    case = Case(seen, walk(seen.messages, expected.tenant, seen.xid), beside, expected)
    return sorted({finding for rule in RULES for finding in rule(case)})


# the log


def _every_message_is_an_event(case: Case) -> Iterator[Finding]:
    for message, why in case.chain.strays:
        what = message.event.get("type", "something")
        yield Finding("StrayMessage", f"{what} at {message.position} by {message.writer}: {why}")


def _what_was_acknowledged_is_there(case: Case) -> Iterator[Finding]:
    strays = {digest(message) for message, _ in case.chain.strays}
    counted = Counter(digest(each) for each in case.chain.events)
    for said in case.expected.stored:
        if said in strays:
            yield Finding("AcknowledgedVoid", f"bytes {said[:12]}… are stored and are no event")
        elif counted[said] != 1:
            yield Finding("AcknowledgedLost", f"bytes {said[:12]}… are in the chain {counted[said]} times")


def _it_ended_once(case: Case) -> Iterator[Finding]:
    ends = case.chain.of(*ENDS)
    if len(ends) != 1:
        yield Finding("NotEndedOnce", f"the run ended {len(ends)} times")


def _the_log_runs_what_was_asked(case: Case) -> Iterator[Finding]:
    status = (case.seen.execution or {}).get("status", {})
    for started in case.chain.of("exec.started"):
        goal = started.event["data"]["goal"].get("inline")
        asked = (case.seen.execution or {}).get("spec", {}).get("goal")
        if status.get("executionID") == case.seen.xid and goal is not None and goal != asked:
            yield Finding("WrongLog", f"the log's goal is {goal!r}, the resource asks {asked!r}")


def _every_claim_has_one_result(case: Case) -> Iterator[Finding]:
    closed = Counter(
        each.event["data"]["claim_seq"]
        for each in case.chain.of("tool.result")
        if each.event["data"].get("claim_seq")
    )
    for claim in case.chain.of("tool.called"):
        if closed[claim.event["seq"]] != 1:
            name = "OpenClaim" if not closed[claim.event["seq"]] else "ClaimClosedTwice"
            yield Finding(name, f"{claim.event['data']['tool']} claimed at {claim.event['seq']}")


def _every_model_call_has_one_reply(case: Case) -> Iterator[Finding]:
    replied = Counter(each.event["data"]["ordinal"] for each in case.chain.of("model.replied"))
    for call in case.chain.of("model.called"):
        ordinal = call.event["data"]["ordinal"]
        if replied[ordinal] != 1:
            yield Finding("OpenModelCall", f"model call {ordinal} has {replied[ordinal]} replies")


def _what_must_be_asked_was_allowed(case: Case) -> Iterator[Finding]:
    asked = {each.event["seq"]: each.event["data"] for each in case.chain.of("gate.decided")}
    used: Counter[int] = Counter()
    for claim in case.chain.of("tool.called"):
        data = claim.event["data"]
        if data["tier"] < 3 and data["tool"] not in ("refund", "brief", "ruled"):
            continue
        gate = asked.get(data.get("gate_seq"), {})
        place = (data["plan_seq"], data["index"])
        is_for_it = (
            gate.get("verdict") == "approved"
            and (gate["plan_seq"], gate["index"]) == place
            and gate["args_digest"] == data["args"]["digest"]
            and gate["contract_digest"] == data["contract_digest"]
        )
        used[data.get("gate_seq") or 0] += 1
        if not is_for_it or used[data.get("gate_seq") or 0] > 1:
            yield Finding("ClaimNotAllowed", f"{data['tool']} claimed at {claim.event['seq']}")


def _nothing_begins_after_the_stop(case: Case) -> Iterator[Finding]:
    stop = case.expected.stopped_at
    if not stop:
        return
    about = case.expected.stopped_tool
    tools = {each.event["seq"]: each.event["data"]["tool"] for each in case.chain.of("tool.called")}
    for begun in case.chain.of("tool.called", "tool.retried"):
        tool = tools.get(begun.event["data"].get("claim_seq", begun.event["seq"]), "")
        if begun.stored_at > stop and about in ("", tool):
            yield Finding("BegunAfterStop", f"{begun.event['type']} at seq {begun.event['seq']}")
    if case.expected.may_send_late:
        return
    for booking in case.seen.bookings:
        if booking.booked_at > stop + _MILLISECOND and about in ("", booking.kind):
            yield Finding("SentAfterStop", f"{booking.what} was booked after the kill was acknowledged")


# effects


def _effects_are_those_planned(case: Case) -> Iterator[Finding]:
    for what, count in Counter(each.what for each in case.seen.bookings).items():
        most = case.expected.effects.get(what, 0)
        if count > most:
            name = "DuplicateEffect" if most else "UnexpectedEffect"
            yield Finding(name, f"{what} is booked {count} times, at most {most} expected")


def _an_effect_follows_its_claim(case: Case) -> Iterator[Finding]:
    accounted: dict[int, int] = {}
    for claim in case.everywhere("tool.called"):
        for booking in case.booked(claim):
            before = accounted.get(booking.number)
            accounted[booking.number] = min(before or claim.stored_at, claim.stored_at)
    for booking in case.seen.bookings:
        claimed_at = accounted.get(booking.number)
        if claimed_at is None:
            yield Finding("EffectWithoutClaim", booking.what)
        elif booking.booked_at + _MILLISECOND < claimed_at:
            yield Finding("EffectBeforeClaim", booking.what)


def _results_say_what_happened(case: Case) -> Iterator[Finding]:
    claims = {each.event["seq"]: each for each in case.chain.of("tool.called")}
    succeeded: set[int] = set()
    refused: dict[int, str] = {}
    for result in case.chain.of("tool.result"):
        data = result.event["data"]
        claim = claims.get(data.get("claim_seq") or 0)
        if claim is None:
            continue
        booked = case.booked(claim)
        match data["status"]:
            case "ok":
                succeeded.update(each.number for each in booked)
                if not booked:
                    yield Finding(
                        "EffectMissing", f"{data['tool']} is ok at {result.event['seq']}, not booked"
                    )
            case "failed":
                refused.update({each.number: each.what for each in booked})
            case "unknown":
                succeeded.update(each.number for each in booked)
                if not case.expected.may_be_unknown:
                    yield Finding(
                        "UnknownWithoutCause",
                        f"{data['tool']} at {result.event['seq']}: its gateway, the shop and the way were well",
                    )
    for number, what in refused.items():
        if number not in succeeded:
            yield Finding("EffectDespiteFailed", what)


# views


def _status_says_what_the_log_says(case: Case) -> Iterator[Finding]:
    status = (case.seen.execution or {}).get("status", {})
    events = case.chain.events
    if status.get("executionID") != case.seen.xid or not events:
        return
    end = next(iter(case.chain.of(*ENDS)), None)
    wanted = {
        "observedSeq": len(events),
        "observedHash": case.chain.head,
        "attempt": len(case.chain.of("exec.attempt")),
        "costUSD": _spent(case.chain),
    }
    if end is not None:
        is_killed = end.event["type"] == "exec.killed"
        wanted["phase"] = "Killed" if is_killed else _PHASES[end.event["data"]["outcome"]]
    for name, value in wanted.items():
        shown = status.get(name, "0" if name == "costUSD" else 0)
        if (float(shown) if name == "costUSD" else shown) != value:
            yield Finding("StatusDisagrees", f"{name} is {shown!r}, the log says {value!r}")


def _spent(chain: Chain) -> float:
    settled = chain.of("model.replied", "tool.result")
    spent = sum(int(each.event["cost"]["micro_usd"]) for each in settled if each.writer == "gw")
    return spent / 1_000_000


def _gold_says_what_the_log_says(case: Case) -> Iterator[Finding]:
    stored = [(each.position, each.payload) for each in case.seen.messages]
    if [(position, payload) for position, payload, _ in case.seen.projected] != stored:
        yield Finding(
            "PostgresDisagrees", f"it holds {len(case.seen.projected)} messages, the log {len(stored)}"
        )
    events = case.chain.events
    if not events:
        return
    row = case.seen.gold
    if row is None:
        yield Finding("GoldMissing", "gold.executions has no row of the run")
        return
    end = next(iter(case.chain.of(*ENDS)), None)
    outcome = None
    if end is not None:
        outcome = "killed" if end.event["type"] == "exec.killed" else end.event["data"]["outcome"]
    wanted = {
        "outcome": outcome,
        "outcome_success": None if outcome is None else outcome == "succeeded",
        "micro_usd": round(_spent(case.chain) * 1_000_000),
        "events_n": len(events),
        "voids_n": len(case.chain.strays),
        "attempts": len(case.chain.of("exec.attempt")),
        "steps_n": events[-1].event["step"],
        "reserved_micro_usd": 0,
    }
    for name, value in wanted.items():
        if row[name] != value:
            yield Finding("GoldDisagrees", f"{name} is {row[name]!r}, the log says {value!r}")


# what is left


def _nothing_is_left(case: Case) -> Iterator[Finding]:
    if not case.chain.of(*ENDS):
        return
    for pod in case.seen.pods:
        if pod["status"].get("phase") in ("Pending", "Running"):
            yield Finding("PodLeft", pod["metadata"]["name"])
    for secret in case.seen.secrets:
        if "identity.creds" in secret.get("data", {}):
            yield Finding("SecretLeft", secret["metadata"]["name"])
    for gate in case.seen.gates:
        if gate["spec"].get("executionRef") and gate.get("status", {}).get("phase", "Pending") == "Pending":
            yield Finding("GateLeft", gate["metadata"]["name"])
    for token in case.expected.tokens:
        if token not in case.seen.revoked:
            yield Finding("TokenLeft", f"{token[:12]}… is not revoked")


RULES: Sequence[Rule] = (
    _every_message_is_an_event,
    _what_was_acknowledged_is_there,
    _it_ended_once,
    _the_log_runs_what_was_asked,
    _every_claim_has_one_result,
    _every_model_call_has_one_reply,
    *bounds.RULES,
    _what_must_be_asked_was_allowed,
    _nothing_begins_after_the_stop,
    _effects_are_those_planned,
    _an_effect_follows_its_claim,
    _results_say_what_happened,
    _status_says_what_the_log_says,
    _gold_says_what_the_log_says,
    _nothing_is_left,
)
