"""How is a broker identity written down? Key pairs, signed claims (JWT) and credentials files, as NATS defines them.

Pure but for `Key.generate`, which draws randomness. Nothing here knows which identities we have or what they may do.
"""

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import nkeys  # type: ignore[import-untyped]
from nacl import exceptions, signing

Claims = dict[str, Any]
"""What a token says, as JSON."""
Owner = Literal["operator", "account", "user"]
"""Whom a key identifies."""

_PREFIX: Mapping[Owner, int] = {
    "operator": nkeys.PREFIX_BYTE_OPERATOR,
    "account": nkeys.PREFIX_BYTE_ACCOUNT,
    "user": nkeys.PREFIX_BYTE_USER,
}
_HEADER = {"typ": "JWT", "alg": "ed25519-nkey"}
_BLOCK = re.compile(r"-----BEGIN ([A-Z ]+)-----\s+([A-Za-z0-9_.=-]+)\s+-+END \1-+")
_JWT_BLOCK, _SEED_BLOCK = "NATS USER JWT", "USER NKEY SEED"


@dataclass(frozen=True, slots=True)
class Key:
    """A key pair: its seed is the secret."""

    seed: str
    public: str

    @classmethod
    def generate(cls, owner: Owner) -> "Key":
        """A new key pair."""
        return cls.parse(nkeys.encode_seed(os.urandom(32), _PREFIX[owner]).decode())

    @classmethod
    def parse(cls, seed: str) -> "Key":
        """The key pair of a seed.

        Raises:
            ValueError: it is no seed.
        """
        seed = seed.strip()
        try:
            return cls(seed, nkeys.from_seed(seed.encode()).public_key.decode())
        except (nkeys.NkeysError, ValueError, IndexError) as error:
            raise ValueError("not a NATS key seed") from error

    def sign(self, content: bytes) -> bytes:
        """The signature over these bytes."""
        signed: bytes = nkeys.from_seed(self.seed.encode()).sign(content)
        return signed

    def __repr__(self) -> str:
        return f"Key({self.public})"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a program shows the broker: a user's token and the seed that proves it is the user."""

    jwt: str
    seed: str
    public_key: str

    def text(self) -> str:
        """The content of a credentials file: secret."""
        return (
            f"-----BEGIN {_JWT_BLOCK}-----\n{self.jwt}\n------END {_JWT_BLOCK}------\n\n"
            f"-----BEGIN {_SEED_BLOCK}-----\n{self.seed}\n------END {_SEED_BLOCK}------\n"
        )

    @classmethod
    def parse(cls, text: str) -> "Credentials":
        """Credentials from the content of a credentials file.

        Raises:
            ValueError: it is no credentials file.
        """
        blocks = dict(_BLOCK.findall(text))
        if set(blocks) != {_JWT_BLOCK, _SEED_BLOCK}:
            raise ValueError("not a credentials file: expected a user JWT and a user seed")
        return cls(blocks[_JWT_BLOCK], blocks[_SEED_BLOCK], Key.parse(blocks[_SEED_BLOCK]).public)

    def __repr__(self) -> str:
        return f"Credentials({self.public_key})"


def mint(claims: Claims, issuer: Key) -> str:
    """The token of these claims, signed by their issuer."""
    stated = {**claims, "iss": issuer.public, "jti": ""}
    stated["jti"] = (
        base64.b32encode(hashlib.sha256(msgspec.json.encode(stated)).digest()).decode().rstrip("=")
    )
    content = f"{_part(_HEADER)}.{_part(stated)}"
    return f"{content}.{_text(issuer.sign(content.encode()))}"


def read(token: str) -> Claims:
    """What a token says, once its signature is the one of the issuer it names. Whether to trust that issuer is not asked.

    Raises:
        ValueError: it is no token, or its signature is wrong.
    """
    try:
        header, body, signature = token.strip().split(".")
        claims = msgspec.json.decode(_bytes(body), type=dict[str, Any])
        verify_key = signing.VerifyKey(_raw_public(claims["iss"]))
        verify_key.verify(f"{header}.{body}".encode(), _bytes(signature))
    except (ValueError, KeyError, TypeError, exceptions.CryptoError, msgspec.DecodeError) as error:
        raise ValueError("not a valid NATS token") from error
    return claims


def _raw_public(public: str) -> bytes:
    """The 32 bytes of a public key: without its prefix and checksum."""
    return base64.b32decode(public + "=" * (-len(public) % 8))[1:-2]


def _part(content: Claims | dict[str, str]) -> str:
    return _text(msgspec.json.encode(content))


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
