"""How does an installation come to have everything its programs need, and keep it?

Each thing is made where it is missing and left alone where it is there; only the serving certificate is renewed. So it
may run at any time, twice at once, and be killed anywhere: whoever comes first wins, and the next run goes on.
"""

import argparse
import asyncio
import json
import secrets
import sys

import structlog

from keelstep import errors, kube, logs
from keelstep import settings as environment
from keelstep.events import clock
from keelstep.kube import Kube, Object
from keelstep.log import installation
from keelstep_operator.bootstrap import certificates, objects
from keelstep_operator.bootstrap.certificates import Pair
from keelstep_operator.bootstrap.settings import Settings

log = structlog.get_logger(__name__)

PROGRAM = "keelstep-bootstrap"
VIEWS_AUTHORITY = "keelstep-views-authority"
CERTIFICATE, KEY, AUTHORITY = "tls.crt", "tls.key", "ca.crt"
"""The keys of a Secret that holds a certificate, as cert-manager names them."""


def main() -> None:
    """Make what is missing; what is wrong is said in one line."""
    parser = argparse.ArgumentParser(
        prog="python -m keelstep_operator.bootstrap",
        description="Makes the Secrets and ConfigMaps of an installation, where they are missing.",
    )
    parser.add_argument(
        "--print",
        metavar="NAMESPACE",
        help="only print a new installation's Secret for this namespace, to keep it where you keep secrets",
    )
    only_for = parser.parse_args().print
    if only_for:
        print(json.dumps(_new(Settings.model_fields["installation_secret"].default, only_for), indent=2))  # noqa: T201
        return
    settings = environment.load(Settings, PROGRAM)
    logs.configure("bootstrap", settings.log_level)
    try:
        asyncio.run(run(settings))
    except errors.KeelstepError as error:
        print(f"{PROGRAM}: {error.reason}: {error.message}", file=sys.stderr)  # noqa: T201
        sys.exit(environment.EXIT_WRONG_SETTINGS if isinstance(error, errors.SettingsError) else 1)


async def run(settings: Settings) -> None:
    """Make everything that is missing and renew what expires.

    Raises:
        errors.SettingsError: there is no way to reach the API server.
        errors.InstallationError: what a person made is not there, or incomplete.
        errors.KubeError: the API server refused or was away; to run it again is right.
    """
    async with await Kube.connect(settings.kubeconfig) as api:
        if not settings.only_certificates:
            await _keys(api, settings)
        if settings.views_hosts:
            await _certificate(api, settings)
    log.info("ready", namespace=settings.namespace)


async def _keys(api: Kube, settings: Settings) -> None:
    whole = await _installation(api, settings)
    for part in objects.build_parts(settings.namespace, whole):
        await _ensure(api, part)
    if settings.postgres_host:
        password = secrets.token_urlsafe(24)
        await _ensure(api, objects.build_postgres(settings.namespace, settings.postgres_host, password))


async def _installation(api: Kube, settings: Settings) -> Object:
    if not settings.installation_given:
        return await _ensure(api, _new(settings.installation_secret, settings.namespace))
    found = await api.find(kube.SECRETS, settings.namespace, settings.installation_secret)
    if found is None:
        raise errors.InstallationError(
            f"there is no Secret {settings.installation_secret} in {settings.namespace}; make it, or let it be made"
        )
    return found


def _new(name: str, namespace: str) -> Object:
    return objects.build_installation(name, namespace, installation.Keys.generate(), clock.now())


async def _certificate(api: Kube, settings: Settings) -> None:
    """The views server's certificate, renewed in time; its authority is made anew only where it has none that lasts."""
    namespace, hosts, now = settings.namespace, settings.views_hosts, certificates.now()
    kept = await _ensure(api, _authority(namespace, certificates.new_authority(now)))
    authority = _read(kept)
    if not certificates.is_authority(authority, now):
        authority = certificates.new_authority(now)
        await _replace(api, {**kept, "data": _authority(namespace, authority)["data"]})
    found = await api.find(kube.SECRETS, namespace, settings.views_secret)
    if found is not None and not certificates.is_due(_read(found).certificate, authority, hosts, now):
        return
    pair = certificates.new_server(authority, hosts, now)
    content = {CERTIFICATE: pair.certificate, KEY: pair.key, AUTHORITY: authority.certificate}
    wanted = objects.build_tls(settings.views_secret, namespace, content)
    if found is None:
        await _ensure(api, wanted)
    else:
        await _replace(api, {**found, "data": wanted["data"]})


def _authority(namespace: str, authority: Pair) -> Object:
    content = {CERTIFICATE: authority.certificate, KEY: authority.key}
    return objects.build_tls(VIEWS_AUTHORITY, namespace, content)


def _read(found: Object) -> Pair:
    return Pair(certificate=objects.text(found, CERTIFICATE), key=objects.text(found, KEY))


async def _ensure(api: Kube, wanted: Object) -> Object:
    """The object of that name: made now, or whatever is there."""
    kind = kube.SECRETS if wanted["kind"] == kube.SECRETS.name else kube.CONFIG_MAPS
    metadata = wanted["metadata"]
    found = await api.find(kind, metadata["namespace"], metadata["name"])
    if found is not None:
        return found
    made, is_new = await api.create_or_get(kind, metadata["namespace"], wanted)
    log.info("made" if is_new else "found", kind=kind.name, name=metadata["name"])
    return made


async def _replace(api: Kube, wanted: Object) -> None:
    """Replace a Secret; another run that was quicker is as good."""
    metadata = wanted["metadata"]
    try:
        await api.replace(kube.SECRETS, metadata["namespace"], wanted)
    except errors.ConflictError:
        log.info("renewed_by_another", name=metadata["name"])
        return
    log.info("renewed", kind=kube.SECRETS.name, name=metadata["name"])
