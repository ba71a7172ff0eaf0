"""How fast and how many at once may a tool be called, and when is it left alone? A contract's `budgets` and `breaker`.

Only data: what follows from it for one call is asked in `domain.limits` and `domain.circuit`.
"""

from typing import Annotated

import pydantic

from keelstep.kinds import resource
from keelstep.kinds.resource import Model


class Rate(Model):
    """A token bucket: it fills at this rate and holds at most `burst`; every attempt takes one token."""

    calls: Annotated[int, pydantic.Field(ge=1, le=100_000)]
    """So many calls. Example: `10`."""
    per_seconds: Annotated[int, pydantic.Field(ge=1, le=86_400)] = 1
    """In so much time. Unit: seconds. Default: 1."""
    burst: Annotated[int, pydantic.Field(ge=1, le=10_000)] = 1
    """Calls that may come together after a pause. Default: 1, evenly spaced."""


Concurrency = Annotated[int, pydantic.Field(ge=1, le=10_000)]


class Budgets(Model):
    """What a call may cost, and how many there may be. Calls over a rate or a concurrency wait their turn; the limits hold
    for all gateways together."""

    estimated_cost_usd: Annotated[resource.Money, pydantic.Field(alias="estimatedCostUSD")] = "0"
    """The most one call can cost; reserved before it is made. Unit: US dollars. Default: 0. Example: `"0.002"`."""
    rate: Rate | None = None
    """Of the tool: of all contracts of this name that lead to the same host and say the same of it, whichever namespace
    they are in. The namespaces take turns. Default: any."""
    concurrency: Concurrency | None = None
    """Calls of the tool in flight at once, counted the same way. Default: any number."""
    tenant_rate: Rate | None = None
    """Of this namespace's calls of this contract. Default: any."""
    tenant_concurrency: Concurrency | None = None
    """This namespace's calls of this contract in flight at once. Default: any number."""


class Breaker(Model):
    """A circuit breaker: a tool that fails call after call is left alone for a while, by all gateways."""

    failures: Annotated[int, pydantic.Field(ge=1, le=1_000)] = 5
    """So many calls in a row open it: no answer, none in time, or a status of 500 or more. Default: 5."""
    window_seconds: Annotated[int, pydantic.Field(ge=1, le=3_600)] = 60
    """Within so much time; older failures count no more. Unit: seconds. Default: 60."""
    open_seconds: Annotated[int, pydantic.Field(ge=1, le=3_600)] = 30
    """How long the tool is left alone before it is tried. Unit: seconds. Default: 30."""
    half_open_calls: Annotated[int, pydantic.Field(ge=1, le=100)] = 1
    """Calls that try it, all of which must succeed. Default: 1."""
