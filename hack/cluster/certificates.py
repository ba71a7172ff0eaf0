"""Who is who in a local cluster? Authorities, certificates and keys, made here and never leaving it.

Kubernetes reads a client certificate's CN as the user and each O as a group. Nothing here knows
what those users may do.
"""

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hack.cluster import files

LIFETIME_DAYS = 365
"""A development cluster does not live longer; nothing is renewed."""

LOOPBACK = ("127.0.0.1", "localhost")
"""The names every server of a local cluster answers to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The files of one certificate and its key."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A certificate authority in a folder; whoever can read the folder is the cluster's master."""

    pair: Pair

    @classmethod
    def create_or_load(cls, folder: Path, name: str) -> "Authority":
        """Make the authority `name` in `folder`, or take the one an earlier run made."""
        pair = _pair(folder, name)
        if not pair.certificate.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            subject = _subject(f"keelstep {name}", ())
            unsigned = _builder(subject, subject, key.public_key())
            unsigned = unsigned.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
            unsigned = unsigned.add_extension(_usage(is_authority=True), True)
            _store(pair, unsigned.sign(key, hashes.SHA256()), key)
        return cls(pair=pair)

    def client(self, folder: Path, name: str, user: str, groups: Sequence[str] = ()) -> Pair:
        """Mint a certificate that says: this is `user`, in these groups."""
        return self._issue(folder, name, user, groups, ExtendedKeyUsageOID.CLIENT_AUTH, ())

    def server(self, folder: Path, name: str, hosts: Sequence[str] = LOOPBACK) -> Pair:
        """Mint a certificate for a server that answers to these host names and addresses."""
        return self._issue(folder, name, name, (), ExtendedKeyUsageOID.SERVER_AUTH, hosts)

    def _issue(
        self,
        folder: Path,
        name: str,
        user: str,
        groups: Sequence[str],
        purpose: x509.ObjectIdentifier,
        hosts: Sequence[str],
    ) -> Pair:
        pair = _pair(folder, name)
        if pair.certificate.exists():
            return pair
        issuer = x509.load_pem_x509_certificate(self.pair.certificate.read_bytes())
        signer = serialization.load_pem_private_key(self.pair.key.read_bytes(), password=None)
        assert isinstance(signer, ec.EllipticCurvePrivateKey)
        key = ec.generate_private_key(ec.SECP256R1())
        unsigned = _builder(_subject(user, groups), issuer.subject, key.public_key())
        unsigned = unsigned.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        unsigned = unsigned.add_extension(_usage(is_authority=False), True)
        unsigned = unsigned.add_extension(x509.ExtendedKeyUsage([purpose]), False)
        issued_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        unsigned = unsigned.add_extension(issued_by, False)
        if hosts:
            names = x509.SubjectAlternativeName([_host(host) for host in hosts])
            unsigned = unsigned.add_extension(names, False)
        _store(pair, unsigned.sign(signer, hashes.SHA256()), key)
        return pair


def signing_key(folder: Path, name: str) -> Pair:
    """Make (or load) a bare key pair, as service account tokens are signed with."""
    pair = Pair(certificate=folder / f"{name}.pub", key=folder / f"{name}.key")
    if not pair.certificate.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        files.write(pair.key, _pem(key))
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        files.write(pair.certificate, public, 0o644)
    return pair


def _pair(folder: Path, name: str) -> Pair:
    return Pair(certificate=folder / f"{name}.crt", key=folder / f"{name}.key")


def _subject(user: str, groups: Sequence[str]) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, user)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # An hour back: clocks of virtual machines jump when they wake.
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=LIFETIME_DAYS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
    )


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _store(pair: Pair, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    # The key first: the certificate's presence says that the pair is complete.
    files.write(pair.key, _pem(key))
    files.write(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
