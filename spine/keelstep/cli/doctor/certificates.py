"""How long do certificates last? The broker's and the views server's, as far as they can be seen from here."""

import base64
import binascii
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from keelstep import errors, kube
from keelstep.cli.doctor import broker, check
from keelstep.cli.doctor.check import Check
from keelstep.cli.doctor.cluster import PART_OF
from keelstep.cli.session import Session
from keelstep.events import clock

FEW_DAYS = 14
"""Left: from here on somebody must look why it was not renewed."""
_DAY = 86_400 * clock.SECOND
_VIEWS = "v1alpha1.views.keelstep.io"
_TLS = "kubernetes.io/tls"


async def look(session: Session, nats_url: str | None, authority: Path | None) -> AsyncIterator[Check]:
    """Everything about certificates."""
    if nats_url is not None:
        yield await _broker(nats_url, authority)
    yield await _views_authority(session)
    async for each in _secrets(session):
        yield each


async def _broker(url: str, authority: Path | None) -> Check:
    about = "certificate of the broker"
    try:
        ends = await broker.certificate_ends(url, authority)
    except (OSError, ValueError, errors.SettingsError) as error:
        return check.fail(
            about, f"not to be trusted: {error}", "give its authority with --nats-ca, or renew it"
        )
    if ends is None:
        return check.warn(
            about, "it speaks without TLS", "give it a certificate, unless nobody else hears it"
        )
    return _lasts(about, ends)


async def _views_authority(session: Session) -> Check:
    """Of the bundle by which the API server knows the views server."""
    about = "authority of the views API"
    try:
        found = await session.person.get(kube.API_SERVICES, "", _VIEWS)
        bundle = base64.b64decode(found["spec"].get("caBundle", "")).decode()
    except errors.NotFoundError:
        return check.warn(about, "not checked: there is no APIService")
    except errors.ForbiddenError:
        return check.warn(about, "not checked: you may not read the APIService")
    except (binascii.Error, UnicodeDecodeError):
        bundle = ""
    if not bundle:
        return check.warn(about, "its APIService names none", "set caBundle")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=bundle)
    ends = [ssl.cert_time_to_seconds(str(each["notAfter"])) for each in context.get_ca_certs()]
    if not ends:
        return check.warn(about, "its APIService names no authority", "set caBundle")
    return _lasts(about, min(ends) * clock.SECOND)


async def _secrets(session: Session) -> AsyncIterator[Check]:
    """Of serving certificates in Secrets: only who may read those sees them."""
    about = "serving certificates"
    try:
        found = (await session.person.list(kube.SECRETS, "", labels=PART_OF)).items
    except errors.ForbiddenError:
        yield check.warn(about, "not checked: you may not list Secrets")
        return
    pairs = [each for each in found if each.get("type") == _TLS]
    if not pairs:
        yield check.warn(about, f"not checked: no Secret here is labelled {PART_OF}")
        return
    try:
        from cryptography import x509  # no part of the extra `cli`
    except ModuleNotFoundError:
        yield check.warn(about, "not checked: install keelstep[operator]")
        return
    for each in pairs:
        metadata = each["metadata"]
        name = f"certificate {metadata['namespace']}/{metadata['name']}"
        try:
            pem = base64.b64decode(each["data"]["tls.crt"])
            ends = x509.load_pem_x509_certificate(pem).not_valid_after_utc
        except (KeyError, ValueError) as error:
            yield check.fail(name, f"unreadable: {error}", "delete it, and run the bootstrap job")
            continue
        yield _lasts(name, int(ends.timestamp()) * clock.SECOND)


def _lasts(about: str, until: int) -> Check:
    left = (until - clock.now()) // _DAY
    when = datetime.fromtimestamp(until // clock.SECOND, UTC).date().isoformat()
    if left < 0:
        return check.fail(about, f"ended on {when}", "renew it")
    if left < FEW_DAYS:
        return check.warn(about, f"{left} days left, until {when}", "see why it was not renewed")
    return check.ok(about, f"{left} days left, until {when}")
