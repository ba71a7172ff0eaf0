"""Whom does the server believe, and does the API server believe it? Read from the cluster, and kept true.

    ConfigMap extension-apiserver-authentication ──► whose client certificates may say who asks
    certificate files, renewed by somebody else  ──► shown from then on, without a restart
    their authority ──► caBundle of the APIService: what the API server checks us by

On a machine without these everything is named by settings instead, and nothing is followed.
"""

import asyncio
import base64
import json
import ssl
from dataclasses import dataclass
from pathlib import Path

import structlog

from keelstep import errors, kube
from keelstep.kube import Kube
from keelstep.views import registration

log = structlog.get_logger(__name__)

FOLLOW_SECONDS = 30.0
"""Files and cluster are looked at so often."""
_NAMESPACE, _CONFIG_MAP = "kube-system", "extension-apiserver-authentication"
_AUTHORITY, _NAMES = "requestheader-client-ca-file", "requestheader-allowed-names"


class TrustChangedError(Exception):
    """The cluster has another authority now: only a new process forgets the old one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Whose client certificates may say on whose behalf they ask."""

    authority: str
    """PEM."""
    allowed_names: frozenset[str]
    """Common names that may; with none, every certificate of the authority."""


async def read(api: Kube) -> Trust:
    """What the API server says of itself to every server that extends it.

    Raises:
        errors.SettingsError: it says nothing: aggregation is not set up in this cluster.
        errors.KubeError: it could not be asked.
    """
    found = await api.find(kube.CONFIG_MAPS, _NAMESPACE, _CONFIG_MAP)
    data = (found or {}).get("data") or {}
    try:
        authority, names = str(data[_AUTHORITY]), json.loads(data.get(_NAMES) or "[]")
    except (KeyError, ValueError) as error:
        raise errors.SettingsError(
            f"the ConfigMap {_NAMESPACE}/{_CONFIG_MAP} names no request-header authority: "
            "the API server is started without --requestheader-client-ca-file"
        ) from error
    return Trust(authority=authority, allowed_names=frozenset(map(str, names)))


async def read_patiently(api: Kube) -> Trust:
    """The same, however long the API server is away.

    Raises:
        errors.SettingsError: aggregation is not set up in this cluster.
    """
    while True:
        try:
            return await read(api)
        except errors.KubeError as error:
            log.warning("kubernetes_awaited", why=error.message)
            await asyncio.sleep(1)


@dataclass(slots=True, kw_only=True)
class Certificate:
    """The certificate we show; `refresh` takes a renewed one into use."""

    context: ssl.SSLContext
    certificate: Path
    key: Path
    _shown: bytes = b""

    def __post_init__(self) -> None:
        self._shown = self.certificate.read_bytes()

    def refresh(self) -> bool:
        """Show what the files hold now; False where that is what was shown, or is not whole yet."""
        try:
            found = self.certificate.read_bytes()
            if found == self._shown:
                return False
            # elsewhere first: a pair that does not fit would take the good one out of use
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.certificate, self.key)
            self.context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            log.warning("certificate_not_reloaded", why=str(error))
            return False
        self._shown = found
        log.info("certificate_reloaded")
        return True


async def register(api: Kube, authority: bytes) -> bool:
    """Have the API server check us by this authority; False where it does already.

    Raises:
        errors.KubeError: it could not be asked, or refused.
    """
    found = await api.get(kube.API_SERVICES, "", registration.NAME)
    wanted = base64.b64encode(authority).decode()
    if found["spec"].get("caBundle") == wanted:
        return False
    await api.replace(kube.API_SERVICES, "", {**found, "spec": {**found["spec"], "caBundle": wanted}})
    log.info("registered", api_service=registration.NAME)
    return True


async def keep(api: Kube, trust: Trust | None, certificate: Certificate, authority: Path | None) -> None:
    """Follow all of it; never returns.

    Raises:
        TrustChangedError: end, and begin anew.
    """
    while True:
        certificate.refresh()
        try:
            if authority is not None:
                await register(api, await asyncio.to_thread(authority.read_bytes))
            if trust is not None and await read(api) != trust:
                raise TrustChangedError
        except (errors.KeelstepError, OSError) as error:
            log.warning("standing_not_checked", why=str(error))
        await asyncio.sleep(FOLLOW_SECONDS)
