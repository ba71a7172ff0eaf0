"""What is an installation made of, and when is its certificate renewed?"""

import base64
from datetime import timedelta

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from keelstep import errors
from keelstep.events import signing
from keelstep.kube import Object
from keelstep.log import installation
from keelstep.log.tokens import Credentials, Key
from keelstep_operator.bootstrap import certificates, objects

NOW = 1_700_000_000_000_000_000
HOSTS = ("keelstep-views.agents.svc", "keelstep-views.agents.svc.cluster.local")
WHEN = certificates.now()


def whole() -> Object:
    """A new installation's Secret."""
    return objects.build_installation("all", "agents", installation.Keys.generate(), NOW)


def part(parts: list[Object], name: str) -> dict[str, str]:
    """What one Secret or ConfigMap holds, in the clear."""
    (found,) = [each for each in parts if each["metadata"]["name"] == name]
    if found["kind"] == "ConfigMap":
        return dict(found["data"])
    return {key: base64.b64decode(value).decode() for key, value in found["data"].items()}


def test_each_program_gets_its_own_part_and_no_other() -> None:
    """A stolen gateway holds no key of the operator's."""
    secret = whole()
    parts = objects.build_parts("agents", secret)
    assert part(parts, "keelstep-operator").keys() == {
        *("nats.creds", "sys.creds", "operator.nk", "run.nk", "signing.key"),
    }
    assert part(parts, "keelstep-gateway").keys() == {"nats.creds", "signing.key"}
    assert part(parts, "keelstep-projector").keys() == {"nats.creds"}
    assert part(parts, "keelstep-reader").keys() == {"nats.creds"}
    offline = {objects.text(secret, key) for key in secret["data"] if key.startswith("offline.")}
    given = {value for each in parts for value in part(parts, each["metadata"]["name"]).values()}
    assert len(offline) == 3
    assert not offline & given


def test_the_parts_are_what_programs_read() -> None:
    """Keys, credentials and the keyring parse, and belong together."""
    parts = objects.build_parts("agents", whole())
    operator, gateway = part(parts, "keelstep-operator"), part(parts, "keelstep-gateway")
    keyring = signing.Keyring.parse(part(parts, "keelstep-public")["keyring.json"].encode())
    for own in (operator, gateway):
        assert signing.Signer.parse(own["signing.key"].strip()).kid in str(keyring)
        assert Credentials.parse(own["nats.creds"])
    assert Key.parse(operator["run.nk"]).public != Key.parse(operator["operator.nk"]).public


def test_a_broker_of_somebody_else_is_told_whom_to_trust_and_nothing_more() -> None:
    """Ports, folders and storage are its own business."""
    told = part(objects.build_parts("agents", whole()), "keelstep-server")
    lines = dict(line.split(": ", 1) for line in told["trust.conf"].splitlines())
    assert lines.keys() == {"operator", "system_account", "resolver_preload"}
    configured = msgspec.json.decode(told["server.conf"])
    assert {name: msgspec.json.decode(text) for name, text in lines.items()} == {
        name: configured[name] for name in lines
    }


def test_an_incomplete_secret_is_refused_by_what_it_lacks() -> None:
    """A person made it, so a person is told."""
    secret = whole()
    del secret["data"]["gateway.signing.key"]
    with pytest.raises(errors.InstallationError, match=r"the Secret all .*gateway\.signing\.key missing"):
        objects.build_parts("agents", secret)


def test_a_secret_whose_configuration_is_none_is_refused() -> None:
    """Not with a stack trace."""
    secret = whole()
    secret["data"]["server.server.conf"] = base64.b64encode(b"port: 4222").decode()
    with pytest.raises(errors.InstallationError, match=r"server\.server\.conf of the Secret all"):
        objects.build_parts("agents", secret)


def test_a_certificate_is_renewed_in_its_last_month_and_not_before() -> None:
    """90 days, of which the last 30 are for renewing."""
    authority = certificates.new_authority(WHEN)
    shown = certificates.new_server(authority, HOSTS, WHEN).certificate
    assert not certificates.is_due(shown, authority, HOSTS, WHEN + timedelta(days=59))
    assert certificates.is_due(shown, authority, HOSTS, WHEN + timedelta(days=61))


def test_a_certificate_of_another_authority_or_for_other_names_is_replaced() -> None:
    """And so is what is no certificate at all."""
    authority = certificates.new_authority(WHEN)
    shown = certificates.new_server(authority, HOSTS, WHEN).certificate
    assert certificates.is_due(shown, certificates.new_authority(WHEN), HOSTS, WHEN)
    assert certificates.is_due(shown, authority, ("views.elsewhere.svc",), WHEN)
    assert certificates.is_due("", authority, HOSTS, WHEN)


def test_an_authority_that_ends_before_what_it_would_sign_is_none() -> None:
    """A certificate that outlives its authority is not believed."""
    authority = certificates.new_authority(WHEN)
    assert certificates.is_authority(authority, WHEN + timedelta(days=3_500))
    assert not certificates.is_authority(authority, WHEN + timedelta(days=3_600))
    assert not certificates.is_authority(certificates.Pair(certificate="", key=""), WHEN)


def test_the_authority_signs_and_the_server_does_not() -> None:
    """What is stolen with the server's Pod makes no other server."""
    authority = certificates.new_authority(WHEN)
    for pair, signs in ((authority, True), (certificates.new_server(authority, HOSTS, WHEN), False)):
        found = x509.load_pem_x509_certificate(pair.certificate.encode())
        assert isinstance(found.public_key(), ec.EllipticCurvePublicKey)
        assert found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is signs
        assert found.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign is signs
