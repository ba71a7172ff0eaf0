"""The checker shares no code with what it checks, finds nothing in a sound run, and each of its findings fires."""

import ast
import copy
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hack.local import api
from tests.chaos.checker import rules
from tests.chaos.checker.case import Expected
from tests.chaos.checker.evidence import Booking, Evidence, Message

FOLDER = Path(__file__).parent / "checker"
ALLOWED = {"nats", "asyncpg", "hack.local.api", "tests.chaos.checker"}
"""Beside the standard library: clients of servers, and the checker itself."""
TENANT, XID, KEY, SECOND = "chaos", "x1", "k" * 64, 1_000_000_000
FREE = {"tokens_in": 0, "tokens_out": 0, "micro_usd": 0}
_OF_STORIES = {"NeverEnded", "WrongEnd", "NotShown", "NotReadable"}
"""Found by the driver, not by a rule."""


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_the_checker_imports_nothing_of_keelstep(path: Path) -> None:
    """Two programs that share an error agree on it."""
    import sys

    for name in _imports(path):
        is_known = name.split(".")[0] in sys.stdlib_module_names
        assert is_known or any(name == each or name.startswith(f"{each}.") for each in ALLOWED), name


def test_what_the_checker_uses_of_the_tests_imports_nothing_of_keelstep_either() -> None:
    """The client of the API server is its own."""
    assert not any(name.startswith("keelstep") for name in _imports(Path(api.__file__)))


# a sound run


def _event(kind: str, writer: str, data: dict[str, Any], cost: int = 0) -> dict[str, Any]:
    return {"type": kind, "writer": writer, "data": data, "cost": {**FREE, "micro_usd": cost}}


ARGS = {"digest": "a" * 64, "inline": json.dumps({"order_id": "1042", "amount": "3.00"})}
EVENTS: list[dict[str, Any]] = [
    _event(
        "exec.started", "op", {"goal": {"inline": "work"}, "budget_micro_usd": 1_000_000, "contracts": {}}
    ),
    _event("exec.attempt", "op", {"attempt": 1}),
    _event("model.called", "gw", {"ordinal": 1, "reserved_micro_usd": 900}),
    _event("model.replied", "gw", {"ordinal": 1, "status": "ok"}, cost=500),
    _event("plan.proposed", "a1", {"ordinal": 1, "steps": [{"args": ARGS}]}),
    _event("gate.requested", "a1", {"plan_seq": 5, "index": 0}),
    _event(
        "gate.decided",
        "op",
        {
            "plan_seq": 5,
            "index": 0,
            "request_seq": 6,
            "verdict": "approved",
            "args_digest": "a" * 64,
            "contract_digest": "c",
        },
    ),
    _event(
        "tool.called",
        "gw",
        {
            "plan_seq": 5,
            "index": 0,
            "tool": "refund",
            "tier": 3,
            "args": ARGS,
            "contract_digest": "c",
            "idempotency_key": KEY,
            "estimate_micro_usd": 2_000,
            "gate_seq": 7,
        },
    ),
    _event(
        "tool.result",
        "gw",
        {"plan_seq": 5, "index": 0, "tool": "refund", "status": "ok", "claim_seq": 8},
        cost=2_000,
    ),
    _event("exec.finished", "a1", {"outcome": "succeeded"}),
]


def _messages(events: list[dict[str, Any]]) -> list[Message]:
    """A chain of them, one a second."""
    found: list[Message] = []
    prev = "0" * 64
    attempt = 0
    for seq, each in enumerate(events, start=1):
        attempt = each["data"].get("attempt", attempt) if each["type"] == "exec.attempt" else attempt
        event = {
            **{name: part for name, part in each.items() if name != "writer"},
            "tenant": TENANT,
            "execution": XID,
            "seq": seq,
            "prev": prev,
            "attempt": attempt,
            "step": 2,
        }
        payload = json.dumps(event).encode()
        prev = hashlib.sha256(payload).hexdigest()
        found.append(
            Message(
                position=10 * seq,
                xid=XID,
                writer=each["writer"],
                stored_at=seq * SECOND,
                payload=payload,
                event=event,
            )
        )
    return found


def _contract(**budgets: Any) -> Any:
    """The one that is called."""
    transport = {"http": {"url": "http://shop.example/refunds"}}
    return {"metadata": {"name": "refund"}, "spec": {"budgets": budgets, "transport": transport}}


def _rival(**data: Any) -> Message:
    """Another run of the namespace begins with a call of a model, at the same moment as the claim."""
    event = {
        **_messages([_event("model.called", "gw", {"ordinal": 1, "reserved_micro_usd": 1, **data})])[0].event,
        "execution": "x2",
    }
    return Message(
        position=81,
        xid="x2",
        writer="gw",
        stored_at=8 * SECOND,
        payload=json.dumps(event).encode(),
        event=event,
    )


def _budgeted(usd: str) -> Any:
    return {"metadata": {"annotations": {"keelstep.io/daily-budget-usd": usd}}}


BOOKING = Booking(number=1, key=KEY, kind="refund", what="refund 3.00", booked_at=8 * SECOND + 500_000_000)


def _evidence(events: list[dict[str, Any]] = EVENTS, **changes: Any) -> Evidence:
    messages = _messages(events)
    head = hashlib.sha256(messages[-1].payload).hexdigest()
    spent = sum(each["cost"]["micro_usd"] for each in events)
    seen = Evidence(
        xid=XID,
        messages=messages,
        others=[],
        bookings=[BOOKING],
        at_once={"/refunds": 1},
        namespace={"metadata": {"annotations": {"keelstep.io/daily-budget-usd": "1"}}},
        contracts=[_contract(rate={"calls": 1, "perSeconds": 10}, concurrency=1)],
        execution={
            "spec": {"goal": "work", "strategyRef": {"name": "worker"}},
            "status": {
                "executionID": XID,
                "phase": "Succeeded",
                "observedSeq": len(messages),
                "observedHash": head,
                "attempt": 1,
                "costUSD": str(spent / 1_000_000),
            },
        },
        strategy={"spec": {"limits": {"costUSD": "2.00"}}},
        pods=[],
        secrets=[],
        gates=[],
        gold={
            "outcome": "succeeded",
            "outcome_success": True,
            "micro_usd": spent,
            "events_n": len(messages),
            "voids_n": 0,
            "attempts": 1,
            "steps_n": 2,
            "reserved_micro_usd": 0,
        },
        projected=[(each.position, each.payload, "event") for each in messages],
        revoked=frozenset({"U1"}),
    )
    return replace(seen, **changes)


def _expected(seen: Evidence, **changes: Any) -> Expected:
    stored = [hashlib.sha256(each.payload).hexdigest() for each in seen.messages]
    known = Expected(tenant=TENANT, effects={"refund 3.00": 1}, stored=stored, tokens=["U1"])
    return replace(known, **changes)


def _names(seen: Evidence, expected: Expected | None = None) -> set[str]:
    return {finding.name for finding in rules.judge(seen, expected or _expected(seen))}


def test_nothing_is_found_in_a_sound_run() -> None:
    """What the rules look for is not there."""
    assert _names(_evidence()) == set()


# what may be wrong with it

Doctored = tuple[Evidence, Expected]


def _changed(place: int, **data: Any) -> list[dict[str, Any]]:
    """The events with the data of one changed; `place` counts from 1."""
    events = copy.deepcopy(EVENTS)
    events[place - 1]["data"].update(data)
    return events


def _with(seen: Evidence, **expected: Any) -> Doctored:
    return seen, _expected(seen, **expected)


def _status(**fields: Any) -> Doctored:
    seen = _evidence()
    execution = copy.deepcopy(seen.execution)
    execution["status"].update(fields)
    return _with(replace(seen, execution=execution))


def _stray() -> Doctored:
    seen = _evidence()
    foreign = replace(seen.messages[7], position=1_000, payload=seen.messages[7].payload + b" ")
    return _with(replace(seen, messages=[*seen.messages, foreign]))


def _unstored() -> Doctored:
    seen = _evidence()
    return _with(seen, stored=["f" * 64])


def _without(*types: str) -> list[dict[str, Any]]:
    return [each for each in copy.deepcopy(EVENTS) if each["type"] not in types]


def _twice(kind: str) -> list[dict[str, Any]]:
    events = copy.deepcopy(EVENTS)
    place = next(place for place, each in enumerate(events) if each["type"] == kind)
    return [*events[: place + 1], events[place], *events[place + 1 :]]


def _booked(*bookings: Booking, status: str = "ok", **expected: Any) -> Doctored:
    return _with(_evidence(_changed(9, status=status), bookings=list(bookings)), **expected)


_POD = {"metadata": {"name": "run-1"}, "status": {"phase": "Running"}}
_SECRET = {"metadata": {"name": "run-1"}, "data": {"identity.creds": "…"}}
_GATE = {
    "metadata": {"name": "run-gate"},
    "spec": {"executionRef": {"name": "run"}},
    "status": {"phase": "Pending"},
}
CASES: dict[str, tuple[str, Callable[[], Doctored]]] = {
    "a message that does not continue the chain": ("StrayMessage", _stray),
    "bytes that were acknowledged and are no event": ("AcknowledgedVoid", _stray),
    "bytes that were acknowledged and are nowhere": ("AcknowledgedLost", _unstored),
    "a run without an end": ("NotEndedOnce", lambda: _with(_evidence(_without("exec.finished")))),
    "a log that runs something else": (
        "WrongLog",
        lambda: _with(_evidence(_changed(1, goal={"inline": "other"}))),
    ),
    "a claim without a result": ("OpenClaim", lambda: _with(_evidence(_without("tool.result")))),
    "a claim with two results": ("ClaimClosedTwice", lambda: _with(_evidence(_twice("tool.result")))),
    "a model call without a reply": ("OpenModelCall", lambda: _with(_evidence(_without("model.replied")))),
    "a reservation beyond the budget": (
        "OverCap",
        lambda: _with(_evidence(_changed(1, budget_micro_usd=2_400))),
    ),
    "a reservation beyond the strategy's limit": (
        "OverCap",
        lambda: _with(_evidence(strategy={"spec": {"limits": {"costUSD": "0.001"}}})),
    ),
    "more than the day's budget": ("OverDay", lambda: _with(_evidence(namespace=_budgeted("0.002")))),
    "more than the day's budget by all runs together": (
        "OverDay",
        lambda: _with(
            _evidence(namespace=_budgeted("0.003"), others=[_rival(reserved_micro_usd=1_000)]),
        ),
    ),
    "more calls than the bucket has given": (
        "TooFast",
        lambda: _with(
            _evidence(_twice("tool.called"), contracts=[_contract(rate={"calls": 1, "perSeconds": 60})])
        ),
    ),
    "more calls at once than allowed": (
        "TooManyAtOnce",
        lambda: _with(_evidence(at_once={"/refunds": 2})),
    ),
    "a call that nobody approved": (
        "ClaimNotAllowed",
        lambda: _with(_evidence(_changed(7, verdict="rejected"))),
    ),
    "a call with other arguments than approved": (
        "ClaimNotAllowed",
        lambda: _with(_evidence(_changed(7, args_digest="b"))),
    ),
    "a claim after a kill was acknowledged": (
        "BegunAfterStop",
        lambda: _with(_evidence(), stopped_at=7 * SECOND),
    ),
    "a booking after a kill was acknowledged": (
        "SentAfterStop",
        lambda: _with(_evidence(), stopped_at=8 * SECOND + 1),
    ),
    "an effect twice, under two keys": (
        "DuplicateEffect",
        lambda: _booked(BOOKING, replace(BOOKING, number=2, key="other")),
    ),
    "an effect that nobody planned": ("UnexpectedEffect", lambda: _booked(BOOKING, effects={})),
    "an effect without a claim": ("EffectWithoutClaim", lambda: _booked(replace(BOOKING, key="other"))),
    "an effect before its claim": (
        "EffectBeforeClaim",
        lambda: _booked(replace(BOOKING, booked_at=7 * SECOND)),
    ),
    "an ok without an effect": ("EffectMissing", lambda: _booked()),
    "an effect of what is said to have failed": (
        "EffectDespiteFailed",
        lambda: _booked(BOOKING, status="failed"),
    ),
    "an unknown that nothing explains": (
        "UnknownWithoutCause",
        lambda: _booked(BOOKING, status="unknown", may_be_unknown=False),
    ),
    "a status that is behind": ("StatusDisagrees", lambda: _status(observedSeq=3)),
    "a status with another phase": ("StatusDisagrees", lambda: _status(phase="Failed")),
    "a status with other costs": ("StatusDisagrees", lambda: _status(costUSD="0.1")),
    "a row with other costs": (
        "GoldDisagrees",
        lambda: _with(_evidence(gold={**(_evidence().gold or {}), "micro_usd": 1})),
    ),
    "no row": ("GoldMissing", lambda: _with(_evidence(gold=None))),
    "a message that Postgres does not have": (
        "PostgresDisagrees",
        lambda: _with(_evidence(projected=_evidence().projected[:-1])),
    ),
    "a Pod that runs on": ("PodLeft", lambda: _with(_evidence(pods=[_POD]))),
    "a Secret that stays": ("SecretLeft", lambda: _with(_evidence(secrets=[_SECRET]))),
    "a gate that waits": ("GateLeft", lambda: _with(_evidence(gates=[_GATE]))),
    "a token that is still good": ("TokenLeft", lambda: _with(_evidence(), tokens=["U1", "U2"])),
}


@pytest.mark.parametrize("what", CASES)
def test_what_is_wrong_is_found_by_name(what: str) -> None:
    """One broken promise, and the finding that names it."""
    name, doctored = CASES[what]
    assert name in _names(*doctored())


def test_every_finding_has_a_case_above() -> None:
    """A rule that never fires checks nothing."""
    told = {
        node.args[0].value
        for file in FOLDER.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Finding"
        and isinstance(node.args[0], ast.Constant)
    }
    told |= {"OpenClaim", "ClaimClosedTwice", "DuplicateEffect", "UnexpectedEffect"}
    assert told <= {name for name, _ in CASES.values()}
    assert told >= rules.LOST | rules.DOUBLED
    assert not told & _OF_STORIES


def test_a_frozen_sender_is_the_one_residue_that_may_book_after_a_stop() -> None:
    """DESIGN names it: a process that stood still between its last check and the send."""
    seen, expected = _with(_evidence(), stopped_at=8 * SECOND + 1, may_send_late=True)
    assert "SentAfterStop" not in _names(seen, expected)
