"""Which broker identity does an attempt have?

Its key is derived from the signing key of the runners' account, the run and the attempt: so it can be named again
(to check a Secret, to revoke it) from the log alone, without keeping it anywhere. Nothing here talks to a server.
"""

import functools
import hashlib
import hmac
from dataclasses import dataclass

import nkeys  # type: ignore[import-untyped]

from keelstep.domain.state import State
from keelstep.events import clock
from keelstep.log import identities, tokens
from keelstep.log.tokens import Credentials, Key

SETTLE_SECONDS = 30
"""An identity outlives the time to undo what its run did by so much."""
_PURPOSE = b"keelstep/attempt-key/v1\x00"


@dataclass(frozen=True, slots=True)
class Identities:
    """Mints and names the identities of attempts."""

    issuer: identities.AttemptIssuer

    def key(self, xid: str, attempt: int) -> Key:
        """The key pair of one attempt; the same each time."""
        return _derive(self.issuer.signing_key.seed, xid, attempt)

    def mint(self, state: State, attempt: int, now: int) -> Credentials:
        """The credentials of one attempt."""
        assert state.started is not None
        return self.issuer.attempt_user(
            state.tenant,
            state.xid,
            attempt,
            state.started.shard,
            expires_at(state),
            now=now,
            key=self.key(state.xid, attempt),
        )

    def is_own(self, text: str, xid: str, attempt: int) -> bool:
        """Whether a credentials file is one we minted for this attempt."""
        try:
            found = Credentials.parse(text)
            claims = tokens.read(found.jwt)
        except ValueError:
            return False
        key = self.key(xid, attempt)
        is_ours = claims["iss"] == self.issuer.signing_key.public and claims["sub"] == key.public
        return is_ours and hmac.compare_digest(found.seed, key.seed)


@functools.lru_cache(maxsize=8192)
def _derive(seed: str, xid: str, attempt: int) -> Key:
    raw = hmac.new(seed.encode(), _PURPOSE + f"{xid}.{attempt}".encode(), hashlib.sha256).digest()
    return Key.parse(nkeys.encode_seed(raw, nkeys.PREFIX_BYTE_USER).decode())


def expires_at(state: State) -> int:
    """When the identities of a run expire; nanoseconds since 1970."""
    assert state.started is not None
    ends_at = max(clock.parse(state.started.deadline), state.unwinding_at)
    return ends_at + (state.started.unwind_seconds + SETTLE_SECONDS) * clock.SECOND
