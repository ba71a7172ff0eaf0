"""Who may say what to the broker?

Two accounts (with one, a runner could destroy the log through a reply subject: the server publishes replies without
asking whether the requester may):

    CORE  JetStream; operator, gateway, projector, reader, each with its own writer token; archivist and backup
      │ exports three services
      ▼
    RUN   no JetStream; one user per attempt, imports `spine.>`, `obj.>` and `call.>`

Every user of CORE must be trusted with the log for that same reason: their permissions stop mistakes, not malice.
Pure: keys and times are arguments. Nothing here talks to the broker (`revocation` does) or reads a file.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from keelstep.events import clock
from keelstep.log import subjects, tokens
from keelstep.log.tokens import Claims, Credentials, Key

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,63}")
"""One token of a subject: neither a dot nor a wildcard."""
_UNLIMITED = -1


class Role(StrEnum):
    """A program of ours, or the system account."""

    OPERATOR = "operator"
    GATEWAY = "gateway"
    PROJECTOR = "projector"
    READER = "reader"
    ARCHIVIST = "archivist"
    BACKUP = "backup"
    SYSTEM = "sys"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """The public names of an installation's accounts."""

    operator: str
    system: str
    core: str
    run: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """What a user may publish and subscribe to; nothing else."""

    publish: Sequence[str]
    subscribe: Sequence[str]


def inbox(role: Role) -> str:
    """The prefix of a role's inboxes: other programs may not listen to them."""
    return f"_INBOX.{role.value}"


_STREAM_READS = (
    "$JS.API.INFO",
    "$JS.API.STREAM.INFO.*",
    "$JS.API.STREAM.MSG.GET.*",
    "$JS.API.DIRECT.GET.>",
)
_CONSUMERS = (
    "$JS.API.CONSUMER.CREATE.>",
    "$JS.API.CONSUMER.INFO.>",
    "$JS.API.CONSUMER.DELETE.>",
    "$JS.API.CONSUMER.MSG.NEXT.>",
    "$JS.ACK.>",
    "$JS.FC.>",
)
_PUBLISH: Mapping[Role, tuple[str, ...]] = {
    Role.OPERATOR: (
        "spine.*.*.*.op",
        "names.>",
        "control.>",
        "obj.>",
        "$SRV.>",
        "$JS.API.STREAM.CREATE.*",
        *_STREAM_READS,
        *_CONSUMERS,
    ),
    # a runner's request arrives with a reply subject of the server's making, `_R_.…`
    Role.GATEWAY: (
        "spine.*.*.*.gw",
        "obj.>",
        "cache.>",
        "limits.>",
        "$SRV.>",
        "_R_.>",
        "_INBOX.>",
        *_STREAM_READS,
        *_CONSUMERS,
    ),
    Role.PROJECTOR: (*_STREAM_READS, *_CONSUMERS),
    Role.READER: (*_STREAM_READS, "$SRV.>"),
    # which subjects it purges is in the request, where the broker does not look: it is trusted with the whole log
    Role.ARCHIVIST: ("names.>", "$JS.API.STREAM.PURGE.*", *_STREAM_READS, *_CONSUMERS),
    Role.BACKUP: (
        "$JS.API.STREAM.SNAPSHOT.*",
        "$JS.API.STREAM.RESTORE.*",
        "$JS.API.STREAM.NAMES",
        "$JS.SNAPSHOT.>",
        *_STREAM_READS,
    ),
    Role.SYSTEM: ("$SYS.REQ.>",),
}
_SUBSCRIBE: Mapping[Role, tuple[str, ...]] = {
    Role.GATEWAY: ("call.>", "$SRV.>"),
    Role.SYSTEM: ("$SYS.>",),
}


def permissions(role: Role) -> Permissions:
    """What a program of ours may say and hear. None that runs all the time may update, purge or delete a stream."""
    return Permissions(publish=_PUBLISH[role], subscribe=(f"{inbox(role)}.>", *_SUBSCRIBE.get(role, ())))


def attempt_permissions(tenant: str, xid: str, attempt: int, shard: int) -> Permissions:
    """What the runner of one attempt may say and hear: its own subjects and its own inbox.

    Raises:
        ValueError: a name is no single token, so that it could widen a subject.
    """
    for token in (tenant, xid):
        if not _TOKEN.fullmatch(token):
            raise ValueError(f"not a subject token: {token!r}")
    if attempt < 1 or shard < 0:
        raise ValueError(f"attempt {attempt} and shard {shard} are out of range")
    return Permissions(
        publish=(
            subjects.spine(shard, tenant, xid, subjects.attempt(attempt)),
            subjects.obj(tenant, xid, "*"),
            subjects.call(shard, tenant, xid, attempt, ">"),
        ),
        subscribe=(f"{subjects.inbox(xid, attempt)}.>",),
    )


def operator_token(identity: Key, signing_key: Key, system: str, now: int) -> str:
    """The installation's root token: only its signing key may vouch for accounts."""
    about: Claims = {
        "type": "operator",
        "version": 2,
        "signing_keys": [signing_key.public],
        "system_account": system,
        "strict_signing_key_usage": True,
    }
    return tokens.mint(_claims("keelstep", identity.public, now, about), identity)


def system_account(public: str, signing_key: Key, operator: Key, now: int) -> str:
    """The account that may change other accounts' tokens."""
    about = _account(signing_key, has_jetstream=False)
    return tokens.mint(_claims("SYS", public, now, about), operator)


def core_account(public: str, signing_key: Key, operator: Key, now: int) -> str:
    """The account of our programs: JetStream, and the three services that runners may use."""
    about = _account(signing_key, has_jetstream=True)
    about["exports"] = [
        {"name": "spine", "subject": "spine.>", "type": "service", "response_type": "Singleton"},
        {"name": "obj", "subject": "obj.>", "type": "service", "response_type": "Singleton"},
        # a gateway answers a call with several messages: heartbeats, chunks, the reply
        {"name": "call", "subject": "call.>", "type": "service", "response_type": "Stream"},
    ]
    return tokens.mint(_claims("CORE", public, now, about), operator)


def run_account(public: str, signing_key: Key, core: str, operator: Key, now: int) -> str:
    """The account of runners: no JetStream, and by itself a user of it may do nothing."""
    about = _account(signing_key, has_jetstream=False)
    about["imports"] = [
        {
            "name": name,
            "account": core,
            "subject": f"{name}.>",
            "local_subject": f"{name}.>",
            "type": "service",
        }
        for name in ("spine", "obj", "call")
    ]
    about["default_permissions"] = {"pub": {"deny": [">"]}, "sub": {"deny": [">"]}}
    return tokens.mint(_claims("RUN", public, now, about), operator)


def with_revocations(account_token: str, revocations: Mapping[str, int], operator: Key, now: int) -> str:
    """The same account's next token, with exactly these revocations.

    Its time of issue is always later than the one before: the broker keeps the newer of two tokens, by whole seconds.
    """
    claims = tokens.read(account_token)
    about = {**claims["nats"], "revocations": dict(revocations)}
    claims = {**claims, "iat": max(now // clock.SECOND, int(claims["iat"]) + 1), "nats": about}
    return tokens.mint(claims, operator)


def user(role: Role, account: str, signing_key: Key, now: int, key: Key) -> Credentials:
    """A program's credentials. They do not expire; a new signing key of the account ends them."""
    return _user(f"keelstep-{role.value}", account, signing_key, now, key, permissions(role), 0)


@dataclass(frozen=True, slots=True)
class AttemptIssuer:
    """Mints runner identities: pure, no round trip."""

    account: str
    """RUN's public name."""
    signing_key: Key

    def attempt_user(
        self, tenant: str, xid: str, attempt: int, shard: int, expires_at: int, *, now: int, key: Key
    ) -> Credentials:
        """The identity of one attempt's runner until `expires_at` (nanoseconds since 1970).

        Raises:
            ValueError: a name would widen a subject.
        """
        allowed = attempt_permissions(tenant, xid, attempt, shard)
        name = f"{xid}.{subjects.attempt(attempt)}"
        return _user(name, self.account, self.signing_key, now, key, allowed, _seconds_up(expires_at))


def _user(
    name: str, account: str, signing_key: Key, now: int, key: Key, allowed: Permissions, expires: int
) -> Credentials:
    about: Claims = {
        "type": "user",
        "version": 2,
        "issuer_account": account,
        "pub": {"allow": list(allowed.publish)},
        "sub": {"allow": list(allowed.subscribe)},
        "subs": _UNLIMITED,
        "data": _UNLIMITED,
        "payload": _UNLIMITED,
    }
    claims = _claims(name, key.public, now, about)
    if expires:
        claims["exp"] = expires
    return Credentials(tokens.mint(claims, signing_key), key.seed, key.public)


def _account(signing_key: Key, *, has_jetstream: bool) -> Claims:
    limits: Claims = dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn"), _UNLIMITED)
    limits |= {"wildcards": True, "leaf": 0}
    if has_jetstream:
        limits |= dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), _UNLIMITED)
    return {"type": "account", "version": 2, "signing_keys": [signing_key.public], "limits": limits}


def _claims(name: str, subject: str, now: int, about: Claims) -> Claims:
    return {"name": name, "sub": subject, "iat": now // clock.SECOND, "nats": about}


def _seconds_up(nanoseconds: int) -> int:
    return -(-nanoseconds // clock.SECOND)
