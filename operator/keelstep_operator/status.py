"""How does a status get written? Only here, for all kinds, and only where it changed.

Conditions keep their transition time while their status stays; a write tests the resource version, and whoever loses
that test decides again. An execution's numbers are refreshed seldom, everything else at once.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import structlog

from keelstep import errors, kinds, kube
from keelstep.events import clock
from keelstep.kinds.resource import Model
from keelstep_operator import cache
from keelstep_operator.decide import condition
from keelstep_operator.decide.condition import Finding
from keelstep_operator.queue import Key, Queue
from keelstep_operator.recorder import Recorder

log = structlog.get_logger(__name__)

_QUIET = frozenset({"step", "tokens", "costUSD", "observedSeq", "observedHash"})
"""Fields that alone are not worth a write each time."""
_NEVER_BACK = frozenset({"executionID", "observedSeq", "observedHash"})
"""Fields that the API server lets be absent, but never go back: where nothing is said of them they are left out."""
_RETRY_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an Event about a change says."""

    kind: Literal["Normal", "Warning"]
    reason: str
    note: str


@dataclass(slots=True, kw_only=True)
class Statuses:
    """Writes statuses."""

    api: kube.Kube
    cache: cache.Cache
    queue: Queue
    recorder: Recorder
    refresh_seconds: float
    on_written: Callable[[kube.Object], None]
    """Told of every object we changed, as the watch would tell."""
    now: Callable[[], int] = clock.now
    _written: dict[Key, float] = field(default_factory=dict)

    async def write(
        self,
        model: type[kinds.Resource],
        found: kube.Object,
        shown: Mapping[str, Any],
        findings: Sequence[Finding],
        told: Told | None = None,
    ) -> bool:
        """Bring an object's status to this; True where it was written.

        Raises:
            errors.Waiting: somebody changed the object meanwhile: decide again.
            errors.KubeError: it was refused.
        """
        schema: type[Model] = model.model_fields["status"].annotation  # type: ignore[assignment]
        before = found.get("status") or {}
        metadata = found["metadata"]
        generation = int(metadata.get("generation", 0))
        after = {
            **shown,
            "observedGeneration": generation,
            "conditions": condition.merge(
                findings, before.get("conditions", []), generation=generation, now=self.now()
            ),
        }
        whole = schema.model_validate(after).wire()
        wanted = {name: part for name, part in whole.items() if name in after or name not in _NEVER_BACK}
        changed = _changes(_normal(schema, before), wanted)
        if not changed:
            return False
        key = cache.key_of(found)
        if changed <= _QUIET:
            wait = self._written.get(key, float("-inf")) + self.refresh_seconds - time.monotonic()
            if wait > 0:
                self.queue.wake(key, wait)
                return False
        if told is not None and not changed <= _QUIET:
            await self.recorder.tell(
                found,
                kind=told.kind,
                reason=condition.word(told.reason),
                note=told.note,
                action="Reconcile",
                once=f"{told.note}\x1f{wanted.get('observedSeq', generation)}",
            )
        await self._replace(kube.of(model), found, wanted)
        self._written[key] = time.monotonic()
        return True

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._written.pop(key, None)

    async def _replace(self, kind: kube.Kind, found: kube.Object, wanted: Mapping[str, Any]) -> None:
        metadata = found["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        try:
            changed = await self.api.replace_status(
                kind, namespace, name, wanted, metadata["resourceVersion"]
            )
        except errors.NotFoundError as error:
            raise errors.Waiting("Gone", f"{name} is gone", _RETRY_SECONDS) from error
        except errors.ConflictError as error:
            newest = await self.api.find(kind, namespace, name)
            if newest is not None:
                self.cache.put(newest)
            raise errors.Waiting("Conflict", f"{name} was changed meanwhile", _RETRY_SECONDS) from error
        if self.cache.put(changed):
            self.on_written(changed)


def _normal(schema: type[Model], status: Mapping[str, Any]) -> dict[str, Any]:
    """A status as our model writes it; empty where it does not fit: then it is written anew."""
    try:
        return schema.model_validate(status).wire()
    except ValueError:
        return {}


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    return {key for key in {*before, *after} if before.get(key) != after.get(key)}
