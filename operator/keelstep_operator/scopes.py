"""Which of our namespaces may we not read? One tenant without its RoleBinding is its own affair, and nobody else's.

Told as a log line when it begins and ends, and as a metric while it lasts; whoever lists asks again by itself. Nothing is
concluded from what cannot be read: it is not missing.
"""

from dataclasses import dataclass, field

import structlog

log = structlog.get_logger(__name__)

_HINT = "bind the ClusterRole keelstep-operator-tenant to the operator's service account in this namespace"


@dataclass(slots=True)
class Scopes:
    """What we were refused, kind by kind."""

    _refused: dict[str, set[str]] = field(default_factory=dict)
    """Kinds by namespace."""

    @property
    def unreadable(self) -> int:
        """How many namespaces we may not read, or not all of."""
        return len(self._refused)

    def lacks(self, namespace: str, kind: str) -> bool:
        """Whether we were refused when we last listed this."""
        return kind in self._refused.get(namespace, ())

    def refused(self, namespace: str, kind: str, why: str) -> None:
        """We may not list this."""
        if namespace not in self._refused:
            log.error("namespace_unreadable", namespace=namespace, why=why, hint=_HINT)
        self._refused.setdefault(namespace, set()).add(kind)

    def read(self, namespace: str, kind: str) -> None:
        """We could list this."""
        kinds = self._refused.get(namespace)
        if kinds is None:
            return
        kinds.discard(kind)
        if not kinds:
            del self._refused[namespace]
            log.info("namespace_readable", namespace=namespace)
