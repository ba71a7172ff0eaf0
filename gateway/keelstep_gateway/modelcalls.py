"""What becomes of a runner's wish for a model call? Gather, decide, apply.

    decide_model ─► Answered ──► the recorded reply, never bought again
                 ├► Refuse ──► said, not recorded (an open call is joined, or settled as lost)
                 └► CallModel ──► model.called{reservation} ─► model, then its fallbacks ─► model.replied{settled}

The messages are the runner's own; model, parameters and tools are the pinned strategy's. Each model is asked once.
"""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from keelstep import errors, points
from keelstep.domain import call, canonical
from keelstep.domain.revision import Pinned
from keelstep.domain.state import State
from keelstep.events import clock, types, value
from keelstep.events.envelope import Cost
from keelstep.kinds import names
from keelstep.log import ask
from keelstep.log.spine import Proposal
from keelstep_gateway import answers, models
from keelstep_gateway.executions import Executions, Hold
from keelstep_gateway.law import Law
from keelstep_gateway.models import Failure, Models, Reply
from keelstep_gateway.prices import PriceTable
from keelstep_gateway.providers import Providers
from keelstep_gateway.records import Scribe
from keelstep_gateway.takeover import TakeOver

log = structlog.get_logger(__name__)

MAX_REQUEST_BYTES = 7 * 1024 * 1024
"""Longer messages are refused: they do not fit the object store with room to spare."""
_PAUSE_SECONDS = 0.5
_CLASS_OF_PERSONS = ("Refused", "Invalid")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """One model call as it would be made."""

    request: ask.AskModel
    messages: Sequence[Any]
    tools: Sequence[dict[str, Any]]
    candidates: Sequence[str]
    """The model and its fallbacks."""
    pinned: Pinned
    most_tokens_in: int
    most_tokens_out: int
    reserved: int | None
    """Micro-USD; None where a candidate has no price."""


@dataclass(slots=True)
class _Tried:
    """What became of every candidate so far."""

    routing: list[types.Route]
    micro_usd: int = 0
    """What failed tries may have cost."""
    failure: Failure | None = None


@dataclass(slots=True, kw_only=True)
class ModelCalls:
    """Answers the verb `model`."""

    scribe: Scribe
    executions: Executions
    law: Law
    takeover: TakeOver
    models: Models
    prices: PriceTable
    providers: Providers
    timeout_seconds: int

    async def answer(self, hold: Hold, attempt: int, request: ask.AskModel) -> answers.Answer:
        """The answer to one wish.

        Raises:
            errors.KeelstepError: it cannot be answered now.
        """
        while True:
            state = await hold.log.refresh()
            if await hold.landed(request.ordinal):
                continue
            if state.undecidable:
                raise errors.UndecidableError(hold.xid, state.undecidable)
            if state.started is None:
                return answers.refuse("Superseded", "there is no such run")
            known = state.models.get(request.ordinal)
            if known is not None and known.reply is not None:
                return answers.Recorded(position=state.position)
            if known is not None and attempt == state.attempt:
                await self.takeover.join_model(hold, known)
                continue  # either it has a reply by now, or somebody is still at it
            wish = await self._gather(hold, state, request)
            if isinstance(wish, answers.Refused):
                return wish
            verdict = self._decide(wish, attempt, state)
            if isinstance(verdict, call.Refuse):
                return answers.refused(self._named(verdict, wish))
            await asyncio.shield(self.models.load())  # before anything is reserved
            await self._begin(hold, wish, attempt)

    async def _gather(self, hold: Hold, state: State, request: ask.AskModel) -> _Wish | answers.Refused:
        pinned = await self.executions.pinned(hold, state)
        if request.request.size > MAX_REQUEST_BYTES:
            return answers.refuse(
                "RequestTooLarge", f"the messages are larger than {MAX_REQUEST_BYTES} bytes"
            )
        try:
            payload = await self.executions.objects.open(hold.tenant, hold.xid, request.request)
            messages = canonical.loads(payload)
        except ValueError:  # not the payload its digest names, or not JSON
            return answers.refuse(
                "RequestInvalid", "the messages are not JSON, or not what their digest says"
            )
        if not isinstance(messages, list) or not messages:
            return answers.refuse("RequestInvalid", "the messages are no list, or empty")
        tools = _tools(pinned)
        most_in = len(payload) + len(canonical.dumps(tools))  # a token is at least a byte
        most_out = pinned.strategy.model.parameters.max_tokens
        candidates = [pinned.strategy.model.name, *pinned.strategy.model.fallbacks]
        return _Wish(
            request=request,
            messages=messages,
            tools=tools,
            candidates=candidates,
            pinned=pinned,
            most_tokens_in=most_in,
            most_tokens_out=most_out,
            reserved=self.prices.upper_bound(candidates, most_in, most_out),
        )

    def _decide(
        self, wish: _Wish, attempt: int, state: State
    ) -> call.Refuse | call.Answered | call.CallModel:
        stop = self.law.standing(state)
        return call.decide_model(state, wish.pinned, attempt, wish.request.ordinal, wish.reserved, stop)

    def _named(self, verdict: call.Refuse, wish: _Wish) -> call.Refuse:
        """The same refusal; a missing price says whose."""
        if verdict.reason != "PriceUnknown":
            return verdict
        unpriced = ", ".join(self.prices.unpriced(wish.candidates))
        return call.Refuse(
            reason=verdict.reason, message=f"price table {self.prices.version} does not list {unpriced}"
        )

    async def _begin(self, hold: Hold, wish: _Wish, attempt: int) -> None:
        await hold.fly(wish.request.ordinal, lambda: self._apply(hold, wish, attempt))

    async def _apply(self, hold: Hold, wish: _Wish, attempt: int) -> None:
        """Reserve, ask, settle."""
        seconds = self.timeout_seconds * len(wish.candidates)
        begun = clock.boot()

        def propose(state: State) -> Proposal | None:
            if not isinstance(self._decide(wish, attempt, state), call.CallModel):
                return None
            return self.scribe.model_called(
                state,
                model=wish.candidates[0],
                request=wish.request.request,
                ordinal=wish.request.ordinal,
                reserved=wish.reserved or 0,
                deadline=self.law.now() + seconds * clock.SECOND,
                price_table=self.prices.version,
            )

        if await hold.log.append(propose) is None:
            return
        tried = _Tried([])
        reply = await self._ask(hold, wish, begun, tried)
        data, cost = await self._settled(hold, wish, tried, reply, (clock.boot() - begun) // 1_000_000)

        def settle(state: State) -> Proposal | None:
            current = state.open_model_call
            if current is None or current.ordinal != data.ordinal:
                return None  # settled already, as lost
            return self.scribe.model_replied(state, data, cost)

        event = await hold.log.append(settle)
        log.info(
            "model_called",
            execution=hold.xid,
            trace_id=hold.log.state.trace_id,
            model=data.model,
            status=data.status,
            reason=data.error.reason if data.error is not None else "",
            latency_ms=data.latency_ms,
            micro_usd=cost.micro_usd,
            is_recorded=event is not None,
        )

    async def _ask(self, hold: Hold, wish: _Wish, begun: int, tried: _Tried) -> tuple[str, Reply] | None:
        """The first candidate that answers, and its answer."""
        boot_deadline = begun + self.timeout_seconds * len(wish.candidates) * clock.SECOND
        read_at = begun
        for model in wish.candidates:
            why = await self._why_not(hold, read_at, boot_deadline)
            if why:
                message = "the model was not asked"
                tried.failure = Failure(reason=why, message=message, error_class="Unavailable")
                return None
            left = (boot_deadline - clock.boot()) / clock.SECOND
            begun = clock.boot()
            points.reached("gateway.before.model")
            answer = await self._once(model, wish, min(self.timeout_seconds, max(0.001, left)))
            points.reached("gateway.after.model")
            latency_ms = (clock.boot() - begun) // 1_000_000
            if isinstance(answer, Reply) and len(answer.message) > models.MAX_REPLY_BYTES:
                answer = models.too_large(model)
            error = answer.error_class if isinstance(answer, Failure) else ""
            tried.routing.append(types.Route(model=model, latency_ms=latency_ms, error=error))
            if isinstance(answer, Reply):
                return model, answer
            if answer.may_be_billed:
                price = self.prices.models[model]
                tried.micro_usd += price.of(wish.most_tokens_in, wish.most_tokens_out)
            # a failure that may pass is worth telling before one that will not: the run can try again
            if tried.failure is None or tried.failure.error_class in _CLASS_OF_PERSONS:
                tried.failure = answer
        return None

    async def _why_not(self, hold: Hold, read_at: int, boot_deadline: int) -> str:
        """Why the model may not be asked now, or nothing where it may."""
        await self.law.wait_known((boot_deadline - clock.boot()) / clock.SECOND)
        try:
            state = await hold.fresh(read_at)
        except errors.BrokerUnavailableError as error:
            return error.reason
        if clock.boot() >= boot_deadline:
            return "DeadlineExceeded"
        if state.is_over or state.cancelled is not None:
            return "RunEnded"
        stop = self.law.standing(state)
        if stop is None:
            return ""
        return stop.reason if isinstance(stop, call.Unknowable) else "Killed"

    async def _once(self, model: str, wish: _Wish, timeout_seconds: float) -> Reply | Failure:
        try:
            provider = self.providers.of(model)
        except OSError:
            provider = None
        if provider is None:
            return Failure(
                reason="ModelNotConfigured",
                message=f"this gateway has no provider, or no key, for {model}",
                error_class="Refused",
            )
        return await self.models.complete(
            model,
            wish.messages,
            wish.tools,
            _parameters(wish.pinned),
            timeout_seconds=timeout_seconds,
            provider=provider,
        )

    async def _settled(
        self, hold: Hold, wish: _Wish, tried: _Tried, found: tuple[str, Reply] | None, latency_ms: int
    ) -> tuple[types.ModelReplied, Cost]:
        """The reply to record, and what it costs."""
        ordinal = wish.request.ordinal
        if found is None:
            failure = tried.failure
            assert failure is not None
            error = types.Error(
                reason=failure.reason,
                message=failure.message[:300],
                error_class=str(failure.error_class),
                status=failure.status,
            )
            data = types.ModelReplied(
                ordinal=ordinal,
                status="failed",
                routing=tried.routing,
                latency_ms=latency_ms,
                price_table=self.prices.version,
                error=error,
                owner=self.scribe.owner,
            )
            return data, Cost(micro_usd=tried.micro_usd)
        model, reply = found
        data = types.ModelReplied(
            ordinal=ordinal,
            status="ok",
            response=await self._seal(hold, reply.message),
            model=model,
            routing=tried.routing,
            latency_ms=latency_ms,
            price_table=self.prices.version,
            owner=self.scribe.owner,
        )
        tokens_in = wish.most_tokens_in if reply.tokens_in is None else reply.tokens_in
        tokens_out = wish.most_tokens_out if reply.tokens_out is None else reply.tokens_out
        paid = self.prices.models[model].of(tokens_in, tokens_out)
        return data, Cost(tokens_in=tokens_in, tokens_out=tokens_out, micro_usd=paid + tried.micro_usd)

    async def _seal(self, hold: Hold, payload: bytes) -> value.Value:
        sealed = value.seal(payload, media_type=value.JSON, salt=secrets.token_hex(16))
        while sealed.ref is not None:
            try:
                await self.executions.objects.put(hold.tenant, hold.xid, sealed, payload)
                break
            except errors.BrokerUnavailableError:
                await asyncio.sleep(_PAUSE_SECONDS)
        return sealed


def _tools(pinned: Pinned) -> list[dict[str, Any]]:
    """The tools as the model is told them, in the order of their names."""
    return [
        {
            "type": "function",
            "function": {
                "name": names.model_tool(name),
                "description": spec.description,
                "parameters": spec.schemas.input,
            },
        }
        for name, spec in sorted(pinned.contracts.items())
    ]


def _parameters(pinned: Pinned) -> dict[str, Any]:
    """Sampling parameters as providers take them; what is absent is not sent."""
    chosen = pinned.strategy.model.parameters
    found = {
        "max_tokens": chosen.max_tokens,
        "temperature": float(chosen.temperature) if chosen.temperature is not None else None,
        "top_p": float(chosen.top_p) if chosen.top_p is not None else None,
        "seed": chosen.seed,
    }
    return {name: given for name, given in found.items() if given is not None}
