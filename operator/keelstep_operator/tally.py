"""How many identities of runners that have not expired yet are whose? The broker keeps so many revoked ones, and no more.

Each attempt's identity is ended when its run ends, and stays on the broker's list until it would have expired: at the
run's deadline, however early the run was over. Counted as they are made and met again; after a restart those of runs
whose resources are gone belong to nobody, and count in the whole only.
"""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """Identities by tenant."""

    _expiries: dict[str, dict[str, int]] = field(default_factory=dict)
    """By tenant and public key; nanoseconds since 1970."""

    def note(self, tenant: str, public_key: str, expires_at: int) -> None:
        """This tenant has this identity."""
        self._expiries.setdefault(tenant, {})[public_key] = expires_at

    def held(self, tenant: str, now: int) -> int:
        """How many of a tenant's have not expired."""
        kept = self._expiries.get(tenant)
        if kept is None:
            return 0
        for key in [key for key, expiry in kept.items() if expiry <= now]:
            del kept[key]
        if not kept:
            del self._expiries[tenant]
        return len(kept)

    def total(self, now: int) -> int:
        """How many of all tenants have not expired."""
        return sum(self.held(tenant, now) for tenant in list(self._expiries))
