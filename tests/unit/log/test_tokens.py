"""Keys, tokens and credentials files are what the broker expects, and a forged one is noticed."""

import base64

import msgspec
import pytest

from keelstep.log import tokens
from keelstep.log.tokens import Credentials, Key


def test_a_key_is_found_again_by_its_seed() -> None:
    """The seed is the whole secret; the public key names its owner's kind."""
    for owner, letter in (("operator", "O"), ("account", "A"), ("user", "U")):
        key = Key.generate(owner)  # type: ignore[arg-type]
        assert Key.parse(f"{key.seed}\n") == key
        assert key.public.startswith(letter)
        assert key.seed not in repr(key)


@pytest.mark.parametrize("text", ["", "S", "not a seed", "SUAAAAAA", "ü" * 58])
def test_what_is_no_seed_is_refused(text: str) -> None:
    """A damaged file is a ValueError, whatever is in it."""
    with pytest.raises(ValueError, match="seed"):
        Key.parse(text)


def test_a_token_says_what_was_minted() -> None:
    """Claims, issuer and an id that follows from them."""
    issuer = Key.generate("account")
    claims = tokens.read(tokens.mint({"sub": "U", "nats": {"type": "user"}}, issuer))
    assert (claims["sub"], claims["iss"], claims["nats"]) == ("U", issuer.public, {"type": "user"})
    assert claims["jti"]


def test_a_token_with_other_claims_is_refused() -> None:
    """The signature covers every byte."""
    header, body, signature = tokens.mint({"sub": "U", "nats": {}}, Key.generate("account")).split(".")
    claims = msgspec.json.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    forged = base64.urlsafe_b64encode(msgspec.json.encode({**claims, "sub": "V"})).rstrip(b"=").decode()
    with pytest.raises(ValueError, match="token"):
        tokens.read(f"{header}.{forged}.{signature}")


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c", "e30.e30.e30", "e30.e30.!!"])
def test_what_is_no_token_is_refused(text: str) -> None:
    """A broker that answers nonsense is a ValueError."""
    with pytest.raises(ValueError, match="token"):
        tokens.read(text)


def test_a_credentials_file_comes_back_as_it_was() -> None:
    """The broker's own format: a token and a seed, in two blocks."""
    key = Key.generate("user")
    made = Credentials(
        tokens.mint({"sub": key.public, "nats": {}}, Key.generate("account")), key.seed, key.public
    )
    assert Credentials.parse(made.text()) == made
    assert key.seed not in repr(made)


@pytest.mark.parametrize("text", ["", "-----BEGIN NATS USER JWT-----\nabc\n------END NATS USER JWT------\n"])
def test_half_a_credentials_file_is_refused(text: str) -> None:
    """Both blocks, or it is no credentials file."""
    with pytest.raises(ValueError, match="credentials"):
        Credentials.parse(text)
