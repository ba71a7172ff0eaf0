"""Which spans do a run's events make?

    invoke_agent <strategy>               from exec.started to the end
    ├── attempt <n>                       from exec.attempt to the last that was done in it
    │   ├── chat <model>                  from model.called to model.replied
    │   └── execute_tool <tool>           from tool.called to tool.result; without a claim, as long as it took
    ├── wait_for_approval <tool>          from gate.requested to gate.decided, or to the run's end
    └── feedback                          at feedback.given

One event finishes a span, and its id comes from the one that began it: whoever tells the same events makes the same
spans. Every other event is a note on the span that it fell into. Times are the broker's. Pure. Events that the fold
called valid are believed, and whatever they say of themselves, nothing here fails.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from keelstep.domain.state import Place
from keelstep.events import clock, types
from keelstep.events.envelope import Event
from keelstep.store.otlp import names, span
from keelstep.store.otlp.span import Attribute, Attributes, Kind, Open, Owner, Span

_TRACE_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_MILLISECOND = clock.SECOND // 1_000
_MICRO = 1_000_000
_NOTHING: Attributes = {}


@dataclass(slots=True)
class Story:
    """A run, as far as its spans are open. Events come in order, each once."""

    xid: str
    _started: types.ExecStarted | None = None
    _owner: Owner = field(default_factory=lambda: Owner(tenant="", strategy="", version=""))
    _trace_id: bytes = b""
    _run: Open | None = None
    """None before the run began and once it is over."""
    _attempt: Open | None = None
    _models: dict[int, Open] = field(default_factory=dict)
    """By ordinal."""
    _calls: dict[int, Open] = field(default_factory=dict)
    """By the claim's seq."""
    _gates: dict[int, Open] = field(default_factory=dict)
    """By the request's seq."""
    _plan_seq: int = 0
    _plan: dict[int, tuple[str, str]] = field(default_factory=dict)
    """What the model called each call, and its tool, by index."""
    _undone_by: dict[int, str] = field(default_factory=dict)
    """The contract that undoes a call, by the seq of its result."""
    _root_id: bytes = b""
    _tokens: int = 0
    _micro_usd: int = 0
    _steps: int = 0

    @property
    def is_over(self) -> bool:
        """Nothing is open: what may still come needs nothing that is remembered here."""
        return self._started is not None and not (self._run or self._models or self._calls)

    def tell(self, event: Event, writer: str, stored_at: int) -> Iterator[Span]:
        """The spans that this event finishes."""
        data, at = event.data, stored_at
        if isinstance(data, types.ExecStarted):
            self._begin(event, data, at)
            return
        if self._started is None:
            return  # ended before it began: there is nothing to show
        if self._attempt is not None and writer != types.Writer.OPERATOR:
            self._attempt.active_at = at
        match data:
            case types.ExecAttempt():
                yield from self._end_attempt()
                self._attempt = self._opened(event, f"{names.ATTEMPT} {data.attempt}", at, self._root_id, {
                    names.ATTEMPT_NUMBER: data.attempt, names.POD: data.pod, names.REASON: data.reason,
                })  # fmt: skip
            case types.ModelCalled():
                self._models[data.ordinal] = self._model(event, data, at)
            case types.ModelReplied():
                yield from self._replied(event, data, at)
            case types.PlanProposed():
                self._plan_seq = event.seq
                self._plan = {
                    step.index: (span.text(step.call_id), span.text(step.tool)) for step in data.steps
                }
                self._note(event, at, {names.PLANNED: tuple(step.tool for step in data.steps)})
            case types.ToolCalled():
                self._steps += 1
                self._calls[event.seq] = self._call(event, data, at)
            case types.ToolRetried() if (call := self._calls.get(data.claim_seq)) is not None:
                call.note(event.type, at, {
                    names.REASON: data.reason,
                    names.PERFORMANCE: data.attempt_number,
                    names.ERROR: _why(data.error, ""),
                })  # fmt: skip
            case types.ToolResult():
                yield from self._result(event, data, writer, at)
            case types.ToolReconciled():
                self._note(event, at, {
                    names.TOOL_NAME: data.tool, names.OUTCOME: data.status, names.VIA: data.via
                })  # fmt: skip
            case types.PolicyEvaluated():
                self._note(event, at, {names.TOOL_NAME: data.tool, **_ruled(data.verdict)})
            case types.GateRequested():
                self._gates[event.seq] = self._gate(event, data, at)
            case types.GateDecided():
                yield from self._decided(data, at)
            case types.ExecFinished():
                yield from self._over(at, data.outcome, data.reason)
            case types.Interruption() if event.type == "exec.killed":
                self._note(event, at, {names.SCOPE: data.scope})
                yield from self._over(at, "killed", "Killed")
            case types.Unwinding():
                self._note(event, at, {names.REASON: data.reason})
            case types.Feedback():
                yield self._finished(self._feedback(event, data, at), at)
            case _:
                self._note(event, at, {})

    # the run

    def _begin(self, event: Event, data: types.ExecStarted, at: int) -> None:
        self._started = data
        self._owner = Owner(
            tenant=event.tenant, strategy=span.text(data.strategy), version=span.text(data.strategy_version)
        )
        self._trace_id = trace_id(event.trace_id)
        self._run = self._opened(event, f"{names.RUN} {data.strategy}", at, b"", {
            names.OPERATION: names.RUN,
            names.AGENT: data.strategy,
            names.AGENT_VERSION: data.strategy_version,
            names.STRATEGY_DIGEST: data.strategy_digest,
            names.BUDGET: data.budget_micro_usd / _MICRO,
            names.ARM: data.arm or "",
        })  # fmt: skip
        self._root_id = self._run.span_id

    def _over(self, at: int, outcome: str, reason: str) -> Iterator[Span]:
        yield from self._end_attempt()
        for gate in self._gates.values():
            yield self._finished(gate, at)
        self._gates.clear()
        run, self._run = self._run, None
        if run is None:
            return
        ended: Attributes = {
            names.OUTCOME: outcome,
            names.REASON: reason,
            names.STEPS: self._steps,
            # not gen_ai.usage: whoever adds that up over a trace would count every token twice
            names.TOKENS: self._tokens,
            names.COST: self._micro_usd / _MICRO,
        }
        yield self._finished(run, at, ended, reason if outcome in ("failed", "killed") else "")

    def _end_attempt(self) -> Iterator[Span]:
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            yield self._finished(attempt, attempt.active_at)

    def _feedback(self, event: Event, data: types.Feedback, at: int) -> Open:
        label: Attributes = {names.EVALUATION: "outcome", names.EVALUATION_LABEL: data.verdict}
        return self._opened(event, names.FEEDBACK, at, self._root_id, label)

    # models

    def _model(self, event: Event, data: types.ModelCalled, at: int) -> Open:
        self._steps += 1
        provider, model = names.model(data.model)
        attributes: Attributes = {
            names.OPERATION: names.MODEL,
            names.PROVIDER: provider,
            names.REQUEST_MODEL: model,
            names.ORDINAL: data.ordinal,
        }
        return self._opened(
            event, f"{names.MODEL} {model}", at, self._current(), attributes, kind=Kind.CLIENT
        )

    def _replied(self, event: Event, data: types.ModelReplied, at: int) -> Iterator[Span]:
        call = self._models.pop(data.ordinal, None)
        if call is None:
            return
        self._settle(event)
        for route in data.routing[:-1]:
            tried = names.model(route.model)[1]
            call.note("fallback", at, {names.REQUEST_MODEL: tried, names.ERROR: route.error})
        ended: Attributes = {
            names.RESPONSE_MODEL: names.model(data.model)[1],
            names.INPUT_TOKENS: event.cost.tokens_in,
            names.OUTPUT_TOKENS: event.cost.tokens_out,
            names.COST: event.cost.micro_usd / _MICRO,
            names.PRICES: data.price_table,
            names.LATENCY: data.latency_ms,
            names.OUTCOME: data.status,
        }
        yield self._finished(call, at, ended, "" if data.status == "ok" else _why(data.error, data.status))

    # tools

    def _call(self, event: Event, data: types.ToolCalled, at: int) -> Open:
        terms: dict[str, Attribute] = {
            names.TIER: data.tier,
            names.KEY: data.idempotency_key,
            names.CONTRACT_DIGEST: data.contract_digest,
            **_ruled(data.policy),
            **_undoes(data.undoes),
        }
        if data.gate_seq is not None:
            terms[names.APPROVAL] = data.gate_seq
        return self._tool(event, data.tool, (data.plan_seq, data.index), at, terms)

    def _unclaimed(self, event: Event, data: types.ToolResult, at: int) -> Open:
        """A refusal, a replay, a free read or a builtin: nothing was stored when it began."""
        self._steps += 1
        terms: Attributes = {
            names.TIER: data.tier,
            names.KEY: data.idempotency_key,
            names.CONTRACT_DIGEST: data.contract_digest,
            **_ruled(data.policy),
            **_undoes(data.undoes),
        }
        begun = max(0, at - max(0, data.latency_ms) * _MILLISECOND)
        return self._tool(event, data.tool, (data.plan_seq, data.index), begun, terms)

    def _tool(self, event: Event, tool: str, place: Place, at: int, terms: Attributes) -> Open:
        attributes: Attributes = {
            names.OPERATION: names.TOOL,
            names.TOOL_NAME: tool,
            names.TOOL_CALL: self._call_id(place),
            **terms,
        }
        return self._opened(event, f"{names.TOOL} {tool}", at, self._current(), attributes)

    def _result(self, event: Event, data: types.ToolResult, writer: str, at: int) -> Iterator[Span]:
        claimed = self._calls.pop(data.claim_seq, None) if data.claim_seq is not None else None
        call = claimed or self._unclaimed(event, data, at)
        is_gateways = writer == types.Writer.GATEWAY
        if is_gateways:
            self._settle(event)
        ended: dict[str, Attribute] = {
            names.OUTCOME: data.status,
            names.PERFORMANCES: data.attempts,
            names.LATENCY: data.latency_ms,
            # a runner's word on cost counts for nothing
            names.COST: event.cost.micro_usd / _MICRO if is_gateways else 0.0,
            names.VIA: data.via,
            names.CACHED: data.cached.execution if data.cached is not None else "",
        }
        undo = self._undo_of(data.tool)
        if undo and data.undoes is None:
            self._undone_by[event.seq] = undo
        if data.replayed_seq is not None:
            ended[names.REPLAYED] = data.replayed_seq
        yield self._finished(call, at, ended, "" if data.status == "ok" else _why(data.error, data.status))

    def _call_id(self, place: Place) -> str:
        plan_seq, index = place
        return self._plan.get(index, ("", ""))[0] if plan_seq == self._plan_seq else ""

    def _undo_of(self, tool: str) -> str:
        pin = self._started.contracts.get(tool) if self._started is not None else None
        return pin.undo if pin is not None else ""

    # people

    def _gate(self, event: Event, data: types.GateRequested, at: int) -> Open:
        if data.undoes is not None:
            tool = self._undone_by.get(data.undoes, "")
        else:
            tool = self._plan.get(data.index, ("", ""))[1] if data.plan_seq == self._plan_seq else ""
        attributes: Attributes = {
            names.TIER: data.consequence_tier,
            names.TOOL_NAME: tool,
            names.QUESTION: data.kind,
            **_undoes(data.undoes),
        }
        return self._opened(event, f"{names.GATE} {tool}".rstrip(), at, self._root_id, attributes)

    def _decided(self, data: types.GateDecided, at: int) -> Iterator[Span]:
        gate = self._gates.pop(data.request_seq, None)
        if gate is not None:
            yield self._finished(gate, at, {names.VERDICT: data.verdict})

    # spans

    def _current(self) -> bytes:
        """Whose child a call is."""
        return self._attempt.span_id if self._attempt is not None else self._root_id

    def _note(self, event: Event, at: int, attributes: Attributes) -> None:
        open_now = self._attempt if event.type == "plan.proposed" and self._attempt is not None else self._run
        if open_now is not None:
            open_now.note(event.type, at, {names.SEQ: event.seq, **attributes})

    def _settle(self, event: Event) -> None:
        self._tokens += event.cost.tokens_in + event.cost.tokens_out
        self._micro_usd += event.cost.micro_usd

    def _opened(
        self,
        event: Event,
        name: str,
        at: int,
        parent_id: bytes,
        attributes: Attributes,
        *,
        kind: Kind = Kind.INTERNAL,
    ) -> Open:
        assert self._started is not None
        of_every: Attributes = {
            names.EXECUTION: self.xid, names.EXECUTION_NAME: self._started.name, names.SEQ: event.seq
        }  # fmt: skip
        return Open(
            span_id=span_id(self.xid, event),
            parent_id=parent_id,
            name=span.text(name),
            begun=at,
            active_at=at,
            attributes={**of_every, **attributes},
            kind=kind,
        )

    def _finished(self, over: Open, at: int, attributes: Attributes = _NOTHING, error: str = "") -> Span:
        failed: Attributes = {names.ERROR: error}
        return Span(
            owner=self._owner,
            trace_id=self._trace_id,
            span_id=over.span_id,
            parent_id=over.parent_id,
            name=over.name,
            kind=over.kind,
            begun=over.begun,
            ended=max(at, over.begun),
            attributes=span.told({**over.attributes, **attributes, **failed}),
            notes=tuple(over.notes),
            error=span.text(error),
        )


def trace_id(text: str) -> bytes:
    """A run's own trace id as OTLP has it; of one that is no such id, another that is always the same."""
    if _TRACE_ID.fullmatch(text) and text.strip("0"):
        return bytes.fromhex(text)
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()[:16]


def span_id(xid: str, event: Event) -> bytes:
    """The id of the span that an event begins; a runner chooses its events' ids, so their place counts as well."""
    text = "\x1f".join((xid, str(event.seq), event.id))
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8]


def _ruled(verdict: types.PolicyVerdict | None) -> Attributes:
    """What the rules said; nothing where there were none."""
    return {names.EFFECT: verdict.effect, names.RULE: verdict.rule} if verdict is not None else _NOTHING


def _undoes(seq: int | None) -> Attributes:
    return {names.UNDOES: seq} if seq is not None else _NOTHING


def _why(error: types.Error | None, status: str) -> str:
    """Why a call failed, in one word."""
    return status if error is None else error.error_class or error.reason or status
