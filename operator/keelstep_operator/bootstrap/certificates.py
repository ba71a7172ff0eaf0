"""Which certificate does the views server show, and when is it renewed?

An authority of its own, for nothing else, signs it: ten years, so that what the API server was told stays true while
the certificate itself is renewed every two months. Pure but for drawing keys; `now` is an argument.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFETIME = timedelta(days=3_650)
LIFETIME = timedelta(days=90)
RENEWED_BEFORE = timedelta(days=30)
"""So long before its end a certificate is made anew."""
_EARLIER = timedelta(hours=1)
"""Clocks differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A certificate and its key, as PEM."""

    certificate: str
    key: str

    def __repr__(self) -> str:
        return "Pair(…)"


def new_authority(now: datetime) -> Pair:
    """An authority that signs servers' certificates and nothing else."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _named("keelstep-views authority")
    builder = _builder(name, name, key, now, AUTHORITY_LIFETIME)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs=True), critical=True)
    return _pair(builder.sign(key, hashes.SHA256()), key)


def new_server(authority: Pair, hosts: Sequence[str], now: datetime) -> Pair:
    """A certificate for a server of these names.

    Raises:
        ValueError: the authority is none.
    """
    issuer, signer = _load(authority)
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_named(hosts[0]), issuer.subject, key, now, LIFETIME)
    for extension, is_critical in (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(signs=False), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False),
    ):
        builder = builder.add_extension(extension, critical=is_critical)
    return _pair(builder.sign(signer, hashes.SHA256()), key)


def is_due(certificate: str, authority: Pair, hosts: Sequence[str], now: datetime) -> bool:
    """Whether a server needs a new one: this one ends soon, is another authority's, for other names, or unreadable."""
    try:
        found = x509.load_pem_x509_certificate(certificate.encode())
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found.verify_directly_issued_by(_load(authority)[0])
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return True
    ends_soon = now > found.not_valid_after_utc - RENEWED_BEFORE
    return ends_soon or set(names.get_values_for_type(x509.DNSName)) != set(hosts)


def is_authority(pair: Pair, now: datetime) -> bool:
    """Whether what was kept is an authority that outlives what it would sign now."""
    try:
        found, _ = _load(pair)
    except (ValueError, TypeError):
        return False
    return now + LIFETIME < found.not_valid_after_utc


def now() -> datetime:
    """This moment."""
    return datetime.now(UTC)


def _load(pair: Pair) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = serialization.load_pem_private_key(pair.key.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("not a key of ours")
    return x509.load_pem_x509_certificate(pair.certificate.encode()), key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _named(name: str) -> x509.Name:
    # a common name is 64 characters at most; the names that count stand in the extension
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    return Pair(
        certificate=certificate.public_bytes(serialization.Encoding.PEM).decode(),
        key=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
    )
