"""What becomes of a tool's answer: what does the model see of it, and for how long is it good?

How the call is made is said in `transport`; what a failure means in `contract`.
"""

from typing import Annotated

import pydantic

from keelstep.kinds import resource
from keelstep.kinds.resource import Model


class Present(Model):
    """What the model sees of an output. The rest stays a stored object, which a builtin pages through (`result.page`)."""

    select: Annotated[str, pydantic.Field(min_length=1, max_length=512)] | None = None
    """JMESPath over the output: what the model may see; the rest of it is never told, nor paged. Default: all of it.
    Example: `{state: state, lines: lines[].{sku: sku, quantity: quantity}}`."""
    max_bytes: Annotated[int, pydantic.Field(ge=256, le=262_144)] = 32_768
    """The most that one message shows; the model is told how much there is. Unit: bytes of JSON. Default: 32768."""


class Freshness(Model):
    """How old a result may be when it is used again for an equal call of the same run, or of another (`cache`)."""

    as_of: Annotated[str, pydantic.Field(min_length=1, max_length=512)] | None = None
    """JMESPath over the output: since when what it says is true, as RFC 3339 text or as seconds since 1970; where it
    finds neither, the result is never used again. Default: when the tool answered. Example: `updated_at`."""
    max_age_seconds: resource.Seconds
    """An older result is not used: the call is made again. Unit: seconds. Example: `300`."""


class Cache(Model):
    """Whether a result may stand for equal calls of other runs: of the same tenant, contract revision and arguments."""

    ttl_seconds: Annotated[int, pydantic.Field(ge=1, le=86_400)]
    """How long after the tool answered; at most a day, and `freshness` holds besides. Unit: seconds. Example: `60`."""
