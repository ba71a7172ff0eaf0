"""How is a model call made? The strategy's model first, then its fallbacks, each asked once.

Everything tried is kept: for the routing, and for what it may have cost. A model whose owner was stopped meanwhile is not
asked. Nothing is recorded here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from keelstep import errors, points
from keelstep.domain import call
from keelstep.domain.revision import Pinned
from keelstep.events import clock, types
from keelstep.kinds import names
from keelstep.log import ask
from keelstep_gateway import models
from keelstep_gateway.hold import Hold
from keelstep_gateway.law import Law
from keelstep_gateway.models import Failure, Models, Reply
from keelstep_gateway.prices import PriceTable
from keelstep_gateway.providers import Providers

_FOR_A_PERSON = ("Refused", "Invalid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
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
class Asked:
    """What became of every candidate."""

    routing: list[types.Route] = field(default_factory=list)
    micro_usd: int = 0
    """What failed tries may have cost."""
    answered: tuple[str, Reply] | None = None
    """The candidate that answered, and its answer."""
    failure: Failure | None = None
    """Why none did."""


@dataclass(slots=True, kw_only=True)
class Asking:
    """Asks models."""

    law: Law
    models: Models
    prices: PriceTable
    providers: Providers
    timeout_seconds: int

    async def ask(self, hold: Hold, wish: Wish, begun: int) -> Asked:
        """The first candidate's answer, and what the others came to. `begun` is when the call was decided."""
        boot_deadline = begun + self.timeout_seconds * len(wish.candidates) * clock.SECOND
        asked = Asked()
        for model in wish.candidates:
            why = await self._why_not(hold, boot_deadline)
            if why:
                asked.failure = asked.failure or Failure(
                    reason=why, message="the model was not asked", error_class="Unavailable"
                )
                break
            if await self._try(model, wish, boot_deadline, asked):
                break
        return asked

    async def _try(self, model: str, wish: Wish, boot_deadline: int, asked: Asked) -> bool:
        """Ask one candidate; true where it answered."""
        begun = clock.boot()
        left = (boot_deadline - begun) / clock.SECOND
        points.reached("gateway.before.model")
        answer = await self._once(model, wish, min(self.timeout_seconds, max(0.001, left)))
        points.reached("gateway.after.model")
        if isinstance(answer, Reply) and len(answer.message) > models.MAX_REPLY_BYTES:
            answer = models.too_large(model)
        error = answer.error_class if isinstance(answer, Failure) else ""
        latency_ms = (clock.boot() - begun) // 1_000_000
        asked.routing.append(types.Route(model=model, latency_ms=latency_ms, error=error))
        if isinstance(answer, Reply):
            asked.answered = (model, answer)
            return True
        if answer.may_be_billed:
            asked.micro_usd += self.prices.models[model].of(wish.most_tokens_in, wish.most_tokens_out)
        # a failure that may pass is worth telling before one that will not: the run can try again
        if asked.failure is None or asked.failure.error_class in _FOR_A_PERSON:
            asked.failure = answer
        return False

    async def _why_not(self, hold: Hold, boot_deadline: int) -> str:
        """Why the model may not be asked now, or nothing where it may."""
        await self.law.wait_known((boot_deadline - clock.boot()) / clock.SECOND)
        try:
            state = await hold.fresh()
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

    async def _once(self, model: str, wish: Wish, timeout_seconds: float) -> Reply | Failure:
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


def tools_of(pinned: Pinned) -> list[dict[str, Any]]:
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
