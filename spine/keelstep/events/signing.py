"""Who vouches for an event?

Operator and gateway sign what they write: Ed25519 over a domain string, the subject and the stored bytes. A keyring
says whose each public key is, old ones included, so that a rotated key still verifies. Nothing here reads a file.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from nacl import exceptions, signing

from keelstep.events import types

HEADER = "Keelstep-Signature"
"""The message header: `<kid>:<base64 signature>`."""
_DOMAIN = b"keelstep/event/v1\x00"


class KeyEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One public key."""

    writer: types.Writer
    public_key: str
    """Ed25519, base64."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """Whose key is it? Public keys by key id."""

    keys: Mapping[str, signing.VerifyKey]
    writers: Mapping[str, types.Writer]

    @classmethod
    def parse(cls, payload: bytes) -> "Keyring":
        """A keyring from its JSON: `{kid: {"writer": "op", "public_key": "<base64>"}}`.

        Raises:
            ValueError: it is no keyring.
        """
        try:
            entries = msgspec.json.decode(payload, type=dict[str, KeyEntry])
            keys = {
                kid: signing.VerifyKey(base64.b64decode(entry.public_key)) for kid, entry in entries.items()
            }
        except (ValueError, exceptions.TypeError) as error:
            raise ValueError(f"not a keyring: {error}") from error
        return cls(keys=keys, writers={kid: entry.writer for kid, entry in entries.items()})

    def knows(self, signer: "Signer", writer: types.Writer) -> bool:
        """True where what this signer signs as this writer counts."""
        return self.keys.get(signer.kid) == signer.key.verify_key and self.writers.get(signer.kid) is writer

    def vouches(self, header: str | None, writer: types.Writer, subject: str, payload: bytes) -> bool:
        """True where the signature is this writer's own, over this subject and these bytes."""
        kid, _, text = (header or "").partition(":")
        key = self.keys.get(kid)
        if key is None or self.writers[kid] is not writer:
            return False
        try:
            key.verify(_DOMAIN + subject.encode() + b"\x00" + payload, base64.b64decode(text, validate=True))
        except (
            exceptions.BadSignatureError,
            ValueError,
        ):  # not base64, not ASCII, not 64 bytes, or not this key's
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signer:
    """A program's signing key."""

    kid: str
    key: signing.SigningKey

    @classmethod
    def parse(cls, text: str) -> "Signer":
        """A signer from `<kid>:<base64 seed>`.

        Raises:
            ValueError: it is no signing key.
        """
        kid, _, seed = text.strip().partition(":")
        try:
            return cls(kid, signing.SigningKey(base64.b64decode(seed, validate=True)))
        except (ValueError, exceptions.TypeError) as error:
            raise ValueError("not a signing key: expected <kid>:<base64 of 32 bytes>") from error

    def text(self) -> str:
        """`<kid>:<base64 seed>`: secret."""
        return f"{self.kid}:{base64.b64encode(bytes(self.key)).decode()}"

    def entry(self, writer: types.Writer) -> KeyEntry:
        """Its entry in the keyring."""
        return KeyEntry(writer=writer, public_key=base64.b64encode(bytes(self.key.verify_key)).decode())

    def sign(self, subject: str, payload: bytes) -> str:
        """The header's value."""
        signed = self.key.sign(_DOMAIN + subject.encode() + b"\x00" + payload)
        return f"{self.kid}:{base64.b64encode(signed.signature).decode()}"
