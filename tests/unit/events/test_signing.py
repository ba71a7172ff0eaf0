"""Operator and gateway vouch for what they write: over the subject and the stored bytes, with a key of their own."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl import signing as ed25519

from keelstep.events import signing, types

OPERATOR = signing.Signer("op-1", ed25519.SigningKey.generate())
GATEWAY = signing.Signer("gw-1", ed25519.SigningKey.generate())
KEYRING = signing.Keyring(
    keys={each.kid: each.key.verify_key for each in (OPERATOR, GATEWAY)},
    writers={"op-1": types.Writer.OPERATOR, "gw-1": types.Writer.GATEWAY},
)
SUBJECT, PAYLOAD = "spine.0.shop.x1.op", b'{"v":1}'


def is_vouched(header: str | None, subject: str = SUBJECT, payload: bytes = PAYLOAD) -> bool:
    """Is this the operator's signature?"""
    return KEYRING.vouches(header, types.Writer.OPERATOR, subject, payload)


def test_a_writers_own_signature_over_subject_and_bytes_is_believed() -> None:
    """Signed by the operator, written by the operator."""
    assert is_vouched(OPERATOR.sign(SUBJECT, PAYLOAD))


def test_a_signature_is_worth_nothing_elsewhere() -> None:
    """Another subject, other bytes, another writer's key, an unknown key: none is believed."""
    own = OPERATOR.sign(SUBJECT, PAYLOAD)
    assert not is_vouched(own, subject="spine.0.shop.x2.op")
    assert not is_vouched(own, payload=PAYLOAD + b" ")
    assert not is_vouched(GATEWAY.sign(SUBJECT, PAYLOAD))
    assert not is_vouched("op-2" + own.removeprefix("op-1"))
    assert not is_vouched("gw-1" + own.removeprefix("op-1"))
    assert not is_vouched(None)


@given(
    st.one_of(
        st.text(),
        st.text().map("op-1:".__add__),
        st.binary().map(lambda b: "op-1:" + base64.b64encode(b).decode()),
    )
)
def test_no_header_whatever_raises(header: str) -> None:
    """A header that is no signature is no signature: not base64, not ASCII, not 64 bytes."""
    assert not is_vouched(header)


def test_a_rotated_keys_old_signatures_still_verify() -> None:
    """The keyring keeps old public keys: a log is read years later."""
    fresh = signing.Signer("op-2", ed25519.SigningKey.generate())
    ring = signing.Keyring(
        keys={**KEYRING.keys, "op-2": fresh.key.verify_key},
        writers={**KEYRING.writers, "op-2": types.Writer.OPERATOR},
    )
    for signer in (OPERATOR, fresh):
        assert ring.vouches(signer.sign(SUBJECT, PAYLOAD), types.Writer.OPERATOR, SUBJECT, PAYLOAD)


def test_a_signer_and_a_keyring_survive_being_written_down() -> None:
    """What the installation stores is what the programs load."""
    again = signing.Signer.parse(OPERATOR.text() + "\n")
    entry = again.entry(types.Writer.OPERATOR)
    ring = signing.Keyring.parse(f'{{"op-1":{{"writer":"op","public_key":"{entry.public_key}"}}}}'.encode())
    assert ring.vouches(again.sign(SUBJECT, PAYLOAD), types.Writer.OPERATOR, SUBJECT, PAYLOAD)


@pytest.mark.parametrize("text", ["", "op-1", "op-1:", "op-1:!!", "op-1:AAAA", "op-1:\u00e9"])
def test_what_is_no_signing_key_is_refused(text: str) -> None:
    """A program does not start with half a key."""
    with pytest.raises(ValueError, match="signing key"):
        signing.Signer.parse(text)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"k":{}}',
        b'{"k":{"writer":"op","public_key":"!"}}',
        b'{"k":{"writer":"op","public_key":"AAAA"}}',
        b'{"k":{"writer":"me","public_key":"AAAA"}}',
    ],
)
def test_what_is_no_keyring_is_refused(payload: bytes) -> None:
    """A keyring that cannot be read vouches for nobody."""
    with pytest.raises(ValueError, match="not a keyring"):
        signing.Keyring.parse(payload)
