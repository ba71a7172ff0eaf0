"""Which rules decide a call besides its tier? Of a contract, and of the platform team for a whole namespace.

A rule only tightens: nothing it says makes a call freer than its tier does.
"""

from enum import StrEnum
from typing import Annotated, Literal

import pydantic

from keelstep.kinds.resource import Model


class Effect(StrEnum):
    """What follows where a rule matches."""

    ALLOW = "Allow"
    """The tier decides."""
    DENY = "Deny"
    """The call is not made, and the model is told why."""
    ESCALATE = "Escalate"
    """A person is asked, whatever the tier."""


class PolicyRule(Model):
    """One rule: a condition, and what follows where it holds."""

    name: Annotated[str, pydantic.Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
    """What it is called in the log and to whoever is asked. Example: `small-refunds`."""
    when: Annotated[str, pydantic.Field(min_length=1, max_length=2048)]
    """CEL over `args`, `tool`, `strategy`, `tenant`, `history` and `budget` (docs/policy.md); amounts are compared with
    `money()`. What cannot be evaluated denies. Example: `money(args.amount) <= money("50.00")`."""
    effect: Effect
    """What follows."""
    message: Annotated[str, pydantic.Field(max_length=256)] = ""
    """Why, for the model and for whoever is asked. Default: none. Example: `Refunds above 50 need a person.`"""


class PlatformRule(PolicyRule):
    """A rule of the platform team for every contract of a namespace."""

    effect: Literal[Effect.DENY, Effect.ESCALATE]
    """What follows; a platform rule never allows."""


class PlatformPolicy(Model):
    """What the ConfigMap `keelstep-policy` holds under `policy.yaml`."""

    rules: Annotated[list[PlatformRule], pydantic.Field(max_length=64)]
    """Asked in this order, before a contract's own; the first that matches counts."""
