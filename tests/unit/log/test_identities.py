"""Every identity may do what it is for, by what its token says."""

from typing import Any

import pytest

from keelstep.events import clock
from keelstep.log import identities, tokens
from keelstep.log.identities import Role
from keelstep.log.tokens import Key

NOW = 1_790_000_000 * clock.SECOND
ACCOUNT = Key.generate("account")
SIGNING = Key.generate("account")
OPERATOR = Key.generate("operator")
ISSUER = identities.AttemptIssuer(ACCOUNT.public, SIGNING)


def test_an_attempt_may_use_its_own_subjects_until_it_expires() -> None:
    """Its events, its objects, its calls, its inbox; the expiry is rounded up to the broker's whole seconds."""
    made = ISSUER.attempt_user("shop", "x1", 2, 0, NOW + 1, now=NOW, key=Key.generate("user"))
    claims = tokens.read(made.jwt)
    assert claims["nats"]["pub"] == {"allow": ["spine.0.shop.x1.a2", "obj.shop.x1.*", "call.0.shop.x1.a2.>"]}
    assert claims["nats"]["sub"] == {"allow": ["_INBOX.x1.a2.>"]}
    assert claims["exp"] == NOW // clock.SECOND + 1
    assert (claims["iss"], claims["nats"]["issuer_account"]) == (SIGNING.public, ACCOUNT.public)


@pytest.mark.parametrize("token", ["", "*", ">", "a.b", "a b", "x\n", "a" * 64, "ü"])
def test_a_name_that_would_widen_a_subject_gets_no_identity(token: str) -> None:
    """Tenant and xid are single tokens, or the permission would cover other executions."""
    for tenant, xid in ((token, "x1"), ("shop", token)):
        with pytest.raises(ValueError, match="subject token"):
            identities.attempt_permissions(tenant, xid, 1, 0)


@pytest.mark.parametrize(("attempt", "shard"), [(0, 0), (-1, 0), (1, -1)])
def test_numbers_out_of_range_get_no_identity(attempt: int, shard: int) -> None:
    """Attempts count from 1, shards from 0."""
    with pytest.raises(ValueError, match="out of range"):
        identities.attempt_permissions("shop", "x1", attempt, shard)


@pytest.mark.parametrize(
    ("role", "writes"),
    [
        (Role.OPERATOR, {"spine.*.*.*.op", "names.>", "control.>", "obj.>"}),
        (Role.GATEWAY, {"spine.*.*.*.gw", "obj.>"}),
        (Role.PROJECTOR, set()),
        (Role.READER, set()),
        (Role.ARCHIVIST, {"names.>"}),
        (Role.BACKUP, set()),
        (Role.SYSTEM, set()),
    ],
)
def test_each_program_may_write_its_own_records_only(role: Role, writes: set[str]) -> None:
    """One writer token each; control state is the operator's, and names too, but for what the archivist says of them."""
    ours = ("spine.", "obj.", "names.", "control.", "call.")
    published = identities.permissions(role).publish
    assert {subject for subject in published if subject.startswith(ours)} == writes


ALLOWED = {Role.ARCHIVIST: "PURGE", Role.BACKUP: "RESTORE SNAPSHOT"}
"""Those who run for a moment, when a person or a CronJob starts them."""


@pytest.mark.parametrize("role", list(Role))
def test_nobody_who_runs_all_the_time_may_change_or_empty_a_stream(role: Role) -> None:
    """No token carries an API call that updates, purges or deletes, but the archivist's purge and the backup's own."""
    forbidden = {"UPDATE", "PURGE", "STREAM.DELETE", "MSG.DELETE", "RESTORE", "SNAPSHOT"}
    forbidden -= set(ALLOWED.get(role, "").split())
    for subject in identities.permissions(role).publish:
        assert subject not in (">", "$JS.>", "$JS.API.>", "$JS.API.STREAM.>")
        assert not any(word in subject for word in forbidden)


def test_no_program_listens_to_anothers_inbox() -> None:
    """Each role's inbox is under its own name."""
    for role in Role:
        heard = [
            subject for subject in identities.permissions(role).subscribe if subject.startswith("_INBOX")
        ]
        assert heard == [f"_INBOX.{role.value}.>"]


def test_only_core_has_jetstream_and_run_imports_three_services() -> None:
    """The wall that keeps a runner's reply subjects away from the log."""
    core = _about(identities.core_account("C", SIGNING, OPERATOR, NOW))
    run = _about(identities.run_account("R", SIGNING, "C", OPERATOR, NOW))
    assert core["limits"]["disk_storage"] == -1
    assert not {"disk_storage", "mem_storage", "streams"} & set(run["limits"])
    assert {export["subject"]: export["response_type"] for export in core["exports"]} == {
        "spine.>": "Singleton",
        "obj.>": "Singleton",
        "call.>": "Stream",
    }
    assert {(one["subject"], one["account"], one["type"]) for one in run["imports"]} == {
        ("spine.>", "C", "service"),
        ("obj.>", "C", "service"),
        ("call.>", "C", "service"),
    }
    assert run["default_permissions"] == {"pub": {"deny": [">"]}, "sub": {"deny": [">"]}}


def test_a_renewed_account_is_always_newer_and_otherwise_the_same() -> None:
    """The broker keeps the newer of two tokens by whole seconds: also within one, and with a clock set back."""
    first = identities.run_account("R", SIGNING, "C", OPERATOR, NOW)
    second = identities.with_revocations(first, {"U1": 9}, OPERATOR, NOW)
    third = identities.with_revocations(second, {"U2": 9}, OPERATOR, NOW - 3600 * clock.SECOND)
    issued = [tokens.read(token)["iat"] for token in (first, second, third)]
    assert issued == sorted(set(issued))
    assert _about(third)["revocations"] == {"U2": 9}
    assert _about(third)["imports"] == _about(first)["imports"]


def _about(token: str) -> dict[str, Any]:
    found: dict[str, Any] = tokens.read(token)["nats"]
    return found
