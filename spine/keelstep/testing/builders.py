"""How does a test get a log? By telling its story: each step appends the event an honest writer would.

    run = builders.log("x1").started().attempt().model().plan("orders.get").claim().result()
    run.state        the fold
    run.messages     valid Stored messages with real signatures

A step that the rules refuse fails at once, so every log made here is valid. What is not honest is said with `forge`.
Pure: no clock, no randomness beyond one pair of signing keys per process.
"""

from dataclasses import dataclass, field
from typing import Self

import msgspec
from nacl import signing as ed25519

from keelstep.domain import execution, validity
from keelstep.domain.state import State
from keelstep.events import clock, envelope, signing, types
from keelstep.events import value as values
from keelstep.events.frame import Stored
from keelstep.events.value import Value
from keelstep.log import subjects
from keelstep.testing import undoing

BEGIN = 1_790_000_000 * clock.SECOND
"""The broker's time of the first message; each later one is a second later."""
TENANT = "shop"
DIGEST = "d" * 64
_SIGNERS = {
    types.Writer.OPERATOR: signing.Signer("op-test", ed25519.SigningKey.generate()),
    types.Writer.GATEWAY: signing.Signer("gw-test", ed25519.SigningKey.generate()),
}
KEYRING = signing.Keyring(
    keys={signer.kid: signer.key.verify_key for signer in _SIGNERS.values()},
    writers={signer.kid: writer for writer, signer in _SIGNERS.items()},
)
"""Vouches for what is built here."""
PINS = {
    "orders.get": types.Pin(digest="0" * 64, tier=0),
    "credit.grant": types.Pin(digest="1" * 64, tier=1),
    "ticket.reply": types.Pin(digest="2" * 64, tier=2),
    "refund.issue": types.Pin(digest="3" * 64, tier=3, estimate_micro_usd=1_000),
    "math.add": types.Pin(digest="4" * 64, tier=0, builtin=True),
}
"""One contract of each tier, and a builtin; every log allows them by default."""
UNDOABLE = {
    **PINS,
    "credit.grant": types.Pin(digest="1" * 64, tier=1, undo="credit.revoke"),
    "credit.revoke": types.Pin(digest="5" * 64, tier=1),
}
"""The same, with one that another undoes."""


def value(content: object = None, salt: str = "5a17") -> Value:
    """A Value with its payload inline, as JSON."""
    return values.seal(
        msgspec.json.encode(content if content is not None else {}), media_type=values.JSON, salt=salt
    )


def log(xid: str = "x1", tenant: str = TENANT) -> "LogBuilder":
    """An execution's log, empty."""
    return LogBuilder(xid=xid, tenant=tenant)


@dataclass(slots=True, kw_only=True)
class LogBuilder(undoing.Undoing):
    """A log that grows by one valid event per step. Any field of an event's data may be given to its step."""

    xid: str
    tenant: str
    shard: int = 0
    messages: list[Stored] = field(default_factory=list)
    events: list[envelope.Event] = field(default_factory=list)
    state: State = field(init=False)
    position: int = 0
    """The stream's last sequence; other executions' messages may be let in with `skip`."""
    now: int = BEGIN

    def __post_init__(self) -> None:
        self.state = execution.begin(self.xid, self.tenant)

    # the run

    def started(self, **data: object) -> Self:
        """The operator starts it."""
        given: dict[str, object] = {
            "name": "refund-7",
            "goal": value({"goal": "help"}),
            "inputs": value({}),
            "strategy": "support",
            "strategy_version": "1.0.0",
            "strategy_digest": DIGEST,
            "contracts": PINS,
            "budget_micro_usd": 1_000_000,
            "deadline": clock.text(BEGIN + 3600 * clock.SECOND),
            "requester": "ann",
            "spec_digest": DIGEST,
        }
        return self._op("exec.started", types.ExecStarted(**{**given, **data}))  # type: ignore[arg-type]

    def attempt(self, **data: object) -> Self:
        """The operator begins the next attempt."""
        number = self.state.attempt + 1
        given: dict[str, object] = {"attempt": number, "pod": f"refund-7-a{number}", "reason": "Started"}
        return self._op("exec.attempt", types.ExecAttempt(**{**given, **data}))  # type: ignore[arg-type]

    def suspended(self, reason: str = "held") -> Self:
        """A person holds it."""
        return self._op("exec.suspended", types.Interruption(by="ann", reason=reason))

    def resumed(self, reason: str = "go on") -> Self:
        """A person lets it go on."""
        return self._op("exec.resumed", types.Interruption(by="ann", reason=reason))

    def cancelled(self, reason: str = "not wanted") -> Self:
        """A person, the deadline or the budget ends it softly."""
        return self._op("exec.cancelled", types.Interruption(by="ann", reason=reason))

    def killed(self, reason: str = "danger", scope: str = "execution") -> Self:
        """It is stopped at once."""
        return self._op("exec.killed", types.Interruption(by="ann", reason=reason, scope=scope))

    def finished(self, outcome: str = "succeeded", **data: object) -> Self:
        """The runner ends it."""
        given: dict[str, object] = {"outcome": outcome, "reason": outcome.capitalize()}
        return self._run("exec.finished", types.ExecFinished(**{**given, **data}))  # type: ignore[arg-type]

    def given_up(self, reason: str = "AttemptsExhausted") -> Self:
        """The operator ends it, because nobody else will."""
        return self._op("exec.finished", types.ExecFinished(outcome="failed", reason=reason))

    # a turn

    def model(self, reply: object = None, **data: object) -> Self:
        """A model call with its reply."""
        return self.model_called().model_replied(reply, **data)  # type: ignore[arg-type]

    def model_called(self, **data: object) -> Self:
        """A gateway is about to call the model."""
        given: dict[str, object] = {
            "ordinal": self.state.ordinal + 1,
            "model": "scripted",
            "request": value([{"role": "user"}]),
            "reserved_micro_usd": 100,
            "owner": "gw-1",
            "deadline": self.soon(),
            "price_table": "test",
        }
        return self._gw("model.called", types.ModelCalled(**{**given, **data}))  # type: ignore[arg-type]

    def model_replied(self, reply: object = None, cost: envelope.Cost | None = None, **data: object) -> Self:
        """The model answered; the reservation is settled."""
        given: dict[str, object] = {
            "ordinal": self.state.ordinal,
            "status": "ok",
            "response": value(reply if reply is not None else {"role": "assistant", "content": "done"}),
            "model": "scripted",
        }
        settled = cost or envelope.Cost(tokens_in=10, tokens_out=5, micro_usd=50)
        return self._gw("model.replied", types.ModelReplied(**{**given, **data}), cost=settled)  # type: ignore[arg-type]

    def plan(self, *tools: str, args: object = None, **data: object) -> Self:
        """The runner proposes exact calls of these contracts."""
        steps = [
            types.PlannedCall(index=index, call_id=f"call-{index}", tool=tool, args=value(args))
            for index, tool in enumerate(tools)
        ]
        given: dict[str, object] = {"ordinal": self.state.ordinal, "steps": steps}
        return self._run("plan.proposed", types.PlanProposed(**{**given, **data}))  # type: ignore[arg-type]

    def claim(self, index: int = 0, *, key: str = "", owner: str = "gw-1", **data: object) -> Self:
        """A gateway claims a planned call."""
        planned, pin = self._planned(index)
        gate = self.state.gates.get((self._plan_seq(), index))
        given: dict[str, object] = {
            "plan_seq": self._plan_seq(),
            "index": index,
            "tool": planned.tool,
            "args": planned.args,
            "contract_digest": pin.digest,
            "idempotency_key": key or f"key-{planned.tool}-{planned.args.digest[:8]}",
            "estimate_micro_usd": pin.estimate_micro_usd,
            "tier": pin.tier,
            "owner": owner,
            "deadline": self.soon(),
            "gate_seq": gate.decided_seq if gate is not None else None,
        }
        return self._gw("tool.called", types.ToolCalled(**{**given, **data}))  # type: ignore[arg-type]

    def taken_over(self, index: int = 0, *, owner: str = "gw-2") -> Self:
        """Another gateway takes an open claim."""
        claim = self.state.claims[(self._plan_seq(), index)]
        retried = types.ToolRetried(
            claim_seq=claim.seq,
            plan_seq=claim.plan_seq,
            index=index,
            owner=owner,
            deadline=self.soon(),
            reason="OwnerSilent",
            attempt_number=claim.performances + 1,
        )
        return self._gw("tool.retried", retried)

    def tried_again(self, index: int = 0, *, is_certain: bool = True, reason: str = "RateLimited") -> Self:
        """A claim's owner tries once more."""
        claim = self.state.claims[(self._plan_seq(), index)]
        retried = types.ToolRetried(
            claim_seq=claim.seq,
            plan_seq=claim.plan_seq,
            index=index,
            owner=claim.owner,
            deadline=claim.deadline,
            reason=reason,
            attempt_number=claim.performances + 1,
            error=types.Error(reason=reason),
            is_certain=is_certain,
        )
        return self._gw("tool.retried", retried)

    def result(self, index: int = 0, status: str = "ok", *, output: object = None, **data: object) -> Self:
        """A gateway records how a call ended: its claim's, or without one a refusal or a free read."""
        planned, _ = self._planned(index)
        claim = self.state.claims.get((self._plan_seq(), index))
        given: dict[str, object] = {
            "plan_seq": self._plan_seq(),
            "index": index,
            "tool": planned.tool,
            "status": status,
            "claim_seq": claim.seq if claim is not None else None,
            "output": value(output) if status == "ok" else None,
            "error": None if status == "ok" else types.Error(reason=status.capitalize()),
            "attempts": claim.performances if claim is not None else 1,
            "idempotency_key": claim.key if claim is not None else "",
        }
        return self._gw("tool.result", types.ToolResult(**{**given, **data}))  # type: ignore[arg-type]

    def reconciled(self, status: str = "ok", *, output: object = None, **data: object) -> Self:
        """A read found out about the only call whose outcome is unknown."""
        ((key, known),) = [each for each in self.state.keys.items() if each[1].status == "unknown"]
        (place,) = [place for place, result in self.state.results.items() if result.seq == known.seq]
        given: dict[str, object] = {
            "plan_seq": place[0],
            "index": place[1],
            "tool": known.tool,
            "result_seq": known.seq,
            "idempotency_key": key,
            "status": status,
            "via": "orders.get",
            "output": value(output) if status == "ok" else None,
        }
        return self._gw("tool.reconciled", types.ToolReconciled(**{**given, **data}))  # type: ignore[arg-type]

    def builtin(self, index: int = 0, output: object = None) -> Self:
        """The runner evaluates a pure function itself."""
        planned, _ = self._planned(index)
        data = types.ToolResult(
            plan_seq=self._plan_seq(), index=index, tool=planned.tool, status="ok", output=value(output)
        )
        return self._run("tool.result", data)

    def ruled(self, effect: str = "escalate", index: int = 0, rule: str = "contract/ask") -> Self:
        """A gateway asked the rules about a call that needs a person."""
        planned, _ = self._planned(index)
        verdict = types.PolicyVerdict(effect=effect, rule=rule)  # type: ignore[arg-type]
        data = types.PolicyEvaluated(
            plan_seq=self._plan_seq(), index=index, tool=planned.tool, verdict=verdict
        )
        return self._gw("policy.evaluated", data)

    # people

    def gate(self, index: int = 0, tier: int = 3, kind: types.GateKind = "approval") -> Self:
        """The runner asks a person about a planned call, and parks."""
        asked = types.GateRequested(plan_seq=self._plan_seq(), index=index, consequence_tier=tier, kind=kind)
        return self._run("gate.requested", asked)

    def decided(self, verdict: str = "approved", index: int = 0, **data: object) -> Self:
        """The operator records the answer."""
        planned, pin = self._planned(index)
        gate = self.state.gates[(self._plan_seq(), index)]
        given: dict[str, object] = {
            "plan_seq": self._plan_seq(),
            "index": index,
            "request_seq": gate.request_seq,
            "verdict": verdict,
            "args_digest": planned.args.digest,
            "contract_digest": pin.digest,
            "valid_until": self.soon(),
        }
        return self._op("gate.decided", types.GateDecided(**{**given, **data}))  # type: ignore[arg-type]

    def feedback(self, verdict: str = "good", *, discards: bool = False) -> Self:
        """A person judges the outcome."""
        given = types.Feedback(by="ann", verdict=verdict, discards=discards)  # type: ignore[arg-type]
        return self._op("feedback.given", given)

    # what is not honest, and what lies between

    def forge(
        self, type_name: str, data: types.Data, *, writer: str, signature: str | None = None, **head: object
    ) -> execution.Outcome:
        """Store any message, with any field of the envelope changed, and return what the rules make of it."""
        return self._store(self.event_bytes(type_name, data, **head), writer, signature)

    def garbage(
        self, payload: bytes, *, writer: str = "a1", signature: str | None = None
    ) -> execution.Outcome:
        """Store bytes that may be no event at all, and return what the rules make of them."""
        return self._store(payload, writer, signature)

    def skip(self, messages: int) -> Self:
        """Other executions' messages come between."""
        self.position += messages
        return self

    def later(self, seconds: float) -> Self:
        """Time passes."""
        self.now += int(seconds * clock.SECOND)
        return self

    def soon(self) -> str:
        """A deadline one minute from now."""
        return clock.text(self.now + 60 * clock.SECOND)

    def vouch(self, writer: types.Writer, stored: Stored) -> bool:
        """Does the message carry its writer's own signature?"""
        subject = subjects.spine(self.shard, self.tenant, self.xid, stored.writer)
        return KEYRING.vouches(stored.signature, writer, subject, stored.payload)

    def event_bytes(self, type_name: str, data: types.Data, **head: object) -> bytes:
        """The bytes of an event that would come next, with any field of the envelope changed."""
        given: dict[str, object] = {
            "v": envelope.VERSION,
            "id": envelope.identifier(self.xid, type_name, self.state.seq + 1),
            "type": type_name,
            "tenant": self.tenant,
            "execution": self.xid,
            "root": self.xid,
            "parent": None,
            "trace_id": self.state.trace_id or "7" * 32,
            "seq": self.state.seq + 1,
            "step": self.state.step,
            "attempt": self.state.attempt,
            "actor": "test",
            "ts": clock.text(self.now),
            "prev": self.state.head,
            "cost": envelope.FREE,
            "data": envelope.raw(data),
        }
        return envelope.encode(envelope.Envelope(**{**given, **head}))  # type: ignore[arg-type]

    def _op(self, type_name: str, data: types.Data) -> Self:
        return self._append(type_name, data, types.Writer.OPERATOR.value)

    def _gw(self, type_name: str, data: types.Data, cost: envelope.Cost = envelope.FREE) -> Self:
        return self._append(type_name, data, types.Writer.GATEWAY.value, cost)

    def _run(self, type_name: str, data: types.Data) -> Self:
        return self._append(type_name, data, subjects.attempt(self.state.attempt))

    def _append(
        self, type_name: str, data: types.Data, writer: str, cost: envelope.Cost = envelope.FREE
    ) -> Self:
        attempt = getattr(data, "attempt", self.state.attempt)
        outcome = self._store(self.event_bytes(type_name, data, cost=cost, attempt=attempt), writer, None)
        assert isinstance(outcome, envelope.Event), f"{type_name} is not valid here: {outcome}"
        return self

    def _store(self, payload: bytes, writer: str, signature: str | None) -> execution.Outcome:
        self.position += 1
        self.now += clock.SECOND
        if signature is None:
            found = validity.writer_of(writer)
            signer = _SIGNERS.get(found[0]) if found is not None else None
            subject = subjects.spine(self.shard, self.tenant, self.xid, writer)
            signature = signer.sign(subject, payload) if signer is not None else ""
        stored = Stored(
            position=self.position, writer=writer, stored_at=self.now, signature=signature, payload=payload
        )
        self.messages.append(stored)
        self.state, outcome = execution.advance(self.state, stored, self.vouch)
        if isinstance(outcome, envelope.Event):
            self.events.append(outcome)
        return outcome

    def _plan_seq(self) -> int:
        assert self.state.plan is not None, "no plan yet"
        return self.state.plan.seq

    def _planned(self, index: int) -> tuple[types.PlannedCall, types.Pin]:
        assert self.state.plan is not None, "no plan yet"
        planned = self.state.plan.steps[index]
        return planned, self.state.pins[planned.tool]
