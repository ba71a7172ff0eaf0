"""What becomes of a runner's wish for a model call? Gather, decide, apply.

    modelcall.decide ─► Answered ──► the recorded reply, never bought again
                     ├► Refuse ──► said, not recorded (an open call is joined, or settled as lost)
                     └► CallModel ──► model.called{reservation} ─► model, then its fallbacks ─► model.replied{settled}

The messages are the runner's own; model, parameters and tools are the pinned strategy's. Each model is asked once.
"""

import asyncio
from dataclasses import dataclass

import structlog

from keelstep import errors
from keelstep.domain import call, canonical, modelcall
from keelstep.domain.state import State
from keelstep.events import clock, types
from keelstep.events.envelope import Cost
from keelstep.log import ask
from keelstep.log.spine import Proposal
from keelstep_gateway import answers, asking, conversation, openai
from keelstep_gateway.asking import Asked, Asking, Wish
from keelstep_gateway.executions import Executions
from keelstep_gateway.hold import Hold
from keelstep_gateway.law import Law
from keelstep_gateway.limits.purse import Purses
from keelstep_gateway.records import Scribe
from keelstep_gateway.takeover import TakeOver

log = structlog.get_logger(__name__)

MAX_REQUEST_BYTES = 7 * 1024 * 1024
"""Longer messages are refused: they do not fit the object store with room to spare."""


@dataclass(slots=True, kw_only=True)
class ModelCalls:
    """Answers the verb `model`."""

    scribe: Scribe
    executions: Executions
    law: Law
    takeover: TakeOver
    asking: Asking
    purses: Purses

    async def answer(self, hold: Hold, attempt: int, request: ask.AskModel) -> answers.Answer:
        """The answer to one wish.

        Raises:
            errors.KeelstepError: it cannot be answered now.
        """
        while True:
            state = await hold.read_up_to(max(request.after, request.seen))
            if await hold.landed(request.ordinal):
                continue
            if state.undecidable:
                raise errors.UndecidableError(hold.xid, state.undecidable)
            if state.started is None:
                return answers.refuse("NotBegun", "there is no such run yet", is_transient=True)
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
            if not all(map(openai.speaks, wish.candidates)):
                await asyncio.shield(self.asking.models.load())  # before anything is reserved
            await self._begin(hold, wish, attempt)

    async def _gather(self, hold: Hold, state: State, request: ask.AskModel) -> Wish | answers.Refused:
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
        problem = conversation.problem(messages)
        if problem:
            return answers.refuse("RequestInvalid", problem)
        tools = asking.tools_of(pinned)
        most_in = len(payload) + len(canonical.dumps(tools))  # a token is at least a byte
        most_out = pinned.strategy.model.parameters.max_tokens
        candidates = [pinned.strategy.model.name, *pinned.strategy.model.fallbacks]
        return Wish(
            request=request,
            messages=messages,
            tools=tools,
            candidates=candidates,
            pinned=pinned,
            most_tokens_in=most_in,
            most_tokens_out=most_out,
            reserved=self.asking.prices.upper_bound(candidates, most_in, most_out),
        )

    def _decide(
        self, wish: Wish, attempt: int, state: State
    ) -> call.Refuse | call.Answered | modelcall.CallModel:
        stop = self.law.standing(state)
        return modelcall.decide(state, wish.pinned, attempt, wish.request.ordinal, wish.reserved, stop)

    def _named(self, verdict: call.Refuse, wish: Wish) -> call.Refuse:
        """The same refusal; a missing price says whose."""
        if verdict.reason != "PriceUnknown":
            return verdict
        unpriced = ", ".join(self.asking.prices.unpriced(wish.candidates))
        return call.Refuse(
            reason=verdict.reason,
            message=f"price table {self.asking.prices.version} does not list {unpriced}",
        )

    async def _begin(self, hold: Hold, wish: Wish, attempt: int) -> None:
        await hold.fly(wish.request.ordinal, lambda: self._apply(hold, wish, attempt))

    async def _apply(self, hold: Hold, wish: Wish, attempt: int) -> None:
        """Reserve, ask, settle."""
        money = await self.purses.reserve(hold.tenant, wish.reserved or 0)
        if money is None:
            message = f"what {hold.tenant} may spend today does not cover another model call"
            raise errors.Stalled("TenantBudgetExceeded", message)
        seconds = self.asking.timeout_seconds * len(wish.candidates)
        begun = clock.boot()

        def propose(state: State) -> Proposal | None:
            if not isinstance(self._decide(wish, attempt, state), modelcall.CallModel):
                return None
            return self.scribe.model_called(
                state,
                model=wish.candidates[0],
                request=wish.request.request,
                ordinal=wish.request.ordinal,
                reserved=wish.reserved or 0,
                deadline=self.law.now() + seconds * clock.SECOND,
                price_table=self.asking.prices.version,
            )

        # where nobody knows whether it is stored, the money stays set aside
        try:
            if await hold.append(propose) is None:
                money.settle(0)
                return
        except errors.LogFullError:
            money.settle(0)  # it is not
            raise
        asked = await self.asking.ask(hold, wish, begun)
        data, cost = await self._settled(hold, wish, asked, (clock.boot() - begun) // 1_000_000)

        def settle(state: State) -> Proposal | None:
            current = state.open_model_call
            if current is None or current.ordinal != data.ordinal:
                return None  # settled already, as lost
            return self.scribe.model_replied(state, data, cost)

        event = await hold.append(settle, has_happened=True)
        if event is not None:
            money.settle(cost.micro_usd)
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

    async def _settled(
        self, hold: Hold, wish: Wish, asked: Asked, latency_ms: int
    ) -> tuple[types.ModelReplied, Cost]:
        """The reply to record, and what it costs."""
        ordinal = wish.request.ordinal
        if asked.answered is None:
            failure = asked.failure
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
                routing=asked.routing,
                latency_ms=latency_ms,
                price_table=self.asking.prices.version,
                error=error,
                owner=self.scribe.owner,
            )
            return data, Cost(micro_usd=asked.micro_usd)
        model, reply = asked.answered
        data = types.ModelReplied(
            ordinal=ordinal,
            status="ok",
            response=await self.executions.seal(hold, reply.message),
            model=model,
            routing=asked.routing,
            latency_ms=latency_ms,
            price_table=self.asking.prices.version,
            owner=self.scribe.owner,
        )
        tokens_in = wish.most_tokens_in if reply.tokens_in is None else reply.tokens_in
        tokens_out = wish.most_tokens_out if reply.tokens_out is None else reply.tokens_out
        paid = self.asking.prices.models[model].of(tokens_in, tokens_out)
        return data, Cost(tokens_in=tokens_in, tokens_out=tokens_out, micro_usd=paid + asked.micro_usd)
