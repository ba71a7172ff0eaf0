"""Where do tool credentials come from? One Secret per tenant, which the tenant lets the gateway read by name; or files.

A tenant's Secret is read when first needed and followed from then on, and what was read keeps serving while the API
server is down. A grant that is taken back ends it. No value ever leaves this module but to a transport.
"""

import asyncio
import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import structlog

from keelstep import errors, kube
from keelstep.kinds import names

log = structlog.get_logger(__name__)

_PAUSE_SECONDS = 2.0
_TOKEN = re.compile(r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")
"""A tenant or key that can be a file's name and leads nowhere else."""


class CredentialSource(Protocol):
    """Where tool credentials come from."""

    async def get(self, tenant: str, key: str) -> str | None:
        """One credential of a tenant; None where the tenant has none of that key.

        Raises:
            errors.KeelstepError: it cannot be read now.
        """
        ...

    async def close(self) -> None:
        """Stop following."""
        ...


@dataclass(frozen=True, slots=True)
class Directory:
    """Files `<folder>/<tenant>/<key>`, read each time: for tests and a machine without a cluster."""

    folder: Path

    async def get(self, tenant: str, key: str) -> str | None:
        """One credential, without the white space around it."""
        if not _TOKEN.match(tenant) or not _TOKEN.match(key):
            return None
        try:
            return (await asyncio.to_thread((self.folder / tenant / key).read_text)).strip()
        except OSError:
            return None

    async def close(self) -> None:
        """Nothing is followed."""


@dataclass(slots=True)
class _Tenant:
    """What is known of one tenant's Secret."""

    values: Mapping[str, str]
    follower: "asyncio.Task[None] | None" = None


@dataclass(slots=True)
class Secrets:
    """Each tenant's Secret `keelstep-credentials`."""

    kube: kube.Kube
    _tenants: dict[str, _Tenant] = field(default_factory=dict)

    async def get(self, tenant: str, key: str) -> str | None:
        """One credential, without the white space around it."""
        known = self._tenants.get(tenant)
        if known is None:
            known = await self._read(tenant)
        return known.values.get(key) if known is not None else None

    async def close(self) -> None:
        """Stop following every Secret."""
        followers = [known.follower for known in self._tenants.values() if known.follower is not None]
        self._tenants.clear()
        for follower in followers:
            follower.cancel()
        await asyncio.gather(*followers, return_exceptions=True)
        await self.kube.close()

    async def _read(self, tenant: str) -> _Tenant | None:
        """Read it for the first time and follow it; one that is not there, or not granted, is asked for again."""
        try:
            secret = await self.kube.find(kube.SECRETS, tenant, names.CREDENTIALS_SECRET)
        except errors.ForbiddenError:
            log.warning("credentials_not_granted", tenant=tenant)
            return None
        if secret is None:
            return None
        known = self._tenants.get(tenant)
        if known is None:
            known = self._tenants[tenant] = _Tenant(_values(secret))
            version = str(secret["metadata"].get("resourceVersion", ""))
            known.follower = asyncio.create_task(self._follow(tenant, known, version))
        return known

    async def _follow(self, tenant: str, known: _Tenant, version: str) -> None:
        """Keep it up to date; ends where it is deleted or the tenant's grant is taken back."""
        while True:
            try:
                async for change, secret in self.kube.watch(
                    kube.SECRETS, tenant, resource_version=version, name=names.CREDENTIALS_SECRET
                ):
                    version = str(secret["metadata"].get("resourceVersion", version))
                    if change == "DELETED":
                        return self._forget(tenant, "deleted")
                    if change in ("ADDED", "MODIFIED"):
                        known.values = _values(secret)
                        log.info("credentials_changed", tenant=tenant)
            except errors.ForbiddenError:
                return self._forget(tenant, "no longer granted")
            except errors.KeelstepError as error:
                log.warning("credentials_not_followed", tenant=tenant, why=error.message)
                await asyncio.sleep(_PAUSE_SECONDS)
                version = await self._again(tenant, known, version)

    async def _again(self, tenant: str, known: _Tenant, version: str) -> str:
        """Read it again after a broken watch; the version to go on from."""
        try:
            secret = await self.kube.find(kube.SECRETS, tenant, names.CREDENTIALS_SECRET)
        except errors.KeelstepError:
            return version  # still down, or forbidden: the watch tells which
        known.values = _values(secret) if secret is not None else {}
        return str(secret["metadata"].get("resourceVersion", "")) if secret is not None else "0"

    def _forget(self, tenant: str, why: str) -> None:
        log.info("credentials_forgotten", tenant=tenant, why=why)
        self._tenants.pop(tenant, None)


def _values(secret: kube.Object) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, text in (secret.get("data") or {}).items():
        try:
            found[key] = base64.b64decode(text).decode().strip()
        except (binascii.Error, ValueError):
            log.warning("credential_unreadable", key=key)
    return found
