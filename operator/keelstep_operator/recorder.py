"""What should a person see in `kubectl events`? One Event for each transition, with the condition's own reason.

Names are made from what is told, so that telling it again (after a crash) changes nothing. An Event that cannot be
written is logged and forgotten: it is a courtesy, the log is the record.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import structlog

from keelstep import errors, kube
from keelstep.events import clock

log = structlog.get_logger(__name__)

CONTROLLER = "keelstep.io/operator"
_MOST_NOTE = 1000


@dataclass(slots=True, kw_only=True)
class Recorder:
    """Writes Events."""

    api: kube.Kube
    instance: str
    now: Callable[[], int] = clock.now

    async def tell(
        self,
        about: kube.Object,
        *,
        kind: Literal["Normal", "Warning"],
        reason: str,
        note: str,
        action: str,
        once: str = "",
    ) -> None:
        """Record an Event about an object; the same `once` is told only once."""
        metadata = about["metadata"]
        # an Event about a Namespace lies in the default namespace
        namespace = metadata.get("namespace") or "default"
        seed = "\x1f".join((metadata["uid"], reason, once or note))
        digest = hashlib.sha256(seed.encode()).hexdigest()[:16]
        manifest = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": f"{metadata['name'][:200]}.{digest}", "namespace": namespace},
            "eventTime": clock.text(self.now()),
            "reportingController": CONTROLLER,
            "reportingInstance": self.instance,
            "action": action,
            "reason": reason,
            "type": kind,
            "note": note[:_MOST_NOTE] or reason,
            "regarding": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                "name": metadata["name"],
                "namespace": metadata.get("namespace", ""),
                "uid": metadata["uid"],
            },
        }
        try:
            await self.api.create(kube.EVENTS, namespace, manifest)
        except errors.AlreadyExistsError:
            return
        except errors.KubeError as error:
            log.warning("event_not_written", reason=reason, name=metadata["name"], why=error.message)
