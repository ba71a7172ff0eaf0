"""Which reasons are there? All of them, by subject, each once; nothing else decides what a word means."""

from collections.abc import Mapping

from keelstep.domain.reasons import (
    attempts,
    builtins,
    calls,
    definitions,
    gates,
    kubernetes,
    machinery,
    messages,
    models,
    operations,
    runs,
)
from keelstep.domain.reasons.reason import Reason, Subject

SUBJECTS: tuple[Subject, ...] = (
    definitions.SUBJECT,
    runs.SUBJECT,
    attempts.SUBJECT,
    gates.SUBJECT,
    models.SUBJECT,
    calls.SUBJECT,
    builtins.SUBJECT,
    messages.SUBJECT,
    machinery.SUBJECT,
    operations.OPERATIONS,
    kubernetes.REFUSALS,
    kubernetes.PASSED_ON,
)
"""In the order in which an agent meets them."""

REASONS: Mapping[str, Reason] = {each.name: each for subject in SUBJECTS for each in subject.reasons}
"""By name."""
