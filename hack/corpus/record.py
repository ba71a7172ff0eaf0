"""Which runs are kept, and how is each played? Real ones of the example, on a keelstep of their own.

Each function of `RUNS` brings one execution to where its log is worth keeping; then the log is read as the broker holds
it, and what it comes to is computed by this version.
"""

import asyncio
import base64
import dataclasses
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from nats.aio.client import Client

from hack.corpus import expectation, kept
from hack.local import careful, world
from hack.local.platform import Platform
from hack.local.world import REQUESTER, Tenant
from keelstep.events import signing
from keelstep.log import connection, identities, jetstream, reader, subjects
from keelstep.log.identities import Role
from keelstep.log.tokens import Credentials

Found = TypeVar("Found")

TENANT = "corpus"
SUPPORT, RUNAWAY = "support-agent", "runaway-agent"
CREDIT = "Order 1042 arrived with a chipped mug. The customer would like something for it."
REFUND = "The kettle of order 1071 leaks. The customer wants the money back."
MALFORMED = "One of three towels of order 1063 came in the wrong colour."
AGAIN = "Check all open orders again and again."
"""Goals of the example's scripted model."""


def record(folder: Path, names: Sequence[str]) -> Iterator[tuple[str, kept.Log]]:
    """Play these runs one after the other; their logs.

    Raises:
        AssertionError: a run did not come to where it must.
    """
    with world.running(folder) as platform:
        platform.start_operator()
        platform.start_gateway()
        tenant = Tenant(platform=platform, name=TENANT)
        tenant.furnish()
        for name in names:
            about, play = RUNS[name]
            play(tenant, name)
            yield name, _log(tenant, name, about)


def _succeeded(tenant: Tenant, name: str) -> None:
    _ask(tenant, name, CREDIT)
    tenant.until_phase(name, "Succeeded")


def _malformed(tenant: Tenant, name: str) -> None:
    _ask(tenant, name, MALFORMED)
    tenant.until_phase(name, "Succeeded")


def _approved(tenant: Tenant, name: str) -> None:
    _ask(tenant, name, REFUND)
    tenant.answer(tenant.until_gate(name), "Approved")
    tenant.until_phase(name, "Succeeded")


def _rejected(tenant: Tenant, name: str) -> None:
    _ask(tenant, name, REFUND)
    tenant.answer(tenant.until_gate(name), "Rejected")
    tenant.until_phase(name, "Succeeded")


def _asked_by_a_rule(tenant: Tenant, name: str) -> None:
    rule = {"name": "seen", "when": "true", "effect": "Escalate", "message": "A person must see this."}
    _patch(tenant, "toolcontract", "refund.issue", json.dumps({"spec": {"policy": [rule]}}))
    _approved(tenant, name)
    _patch(tenant, "toolcontract", "refund.issue", '{"spec":{"policy":[]}}')


def _suspended(tenant: Tenant, name: str) -> None:
    _ask(tenant, name, REFUND)
    gate = tenant.until_gate(name)
    _patch(tenant, "execution", name, '{"spec":{"suspend":true}}')
    tenant.until_phase(name, "Suspended")
    _patch(tenant, "execution", name, '{"spec":{"suspend":false}}')
    tenant.until_phase(name, "WaitingForApproval")
    tenant.answer(gate, "Approved")
    tenant.until_phase(name, "Succeeded")


def _cancelled(tenant: Tenant, name: str) -> None:
    _ask(tenant, name, REFUND)
    tenant.until_gate(name)
    _patch(tenant, "execution", name, '{"spec":{"cancel":true}}')
    tenant.until_phase(name, "Cancelled")


def _unknown(tenant: Tenant, name: str) -> None:
    tenant.platform.shop("POST", "/faults", {"path": "/credits", "mode": "cut-after-commit"})
    _ask(tenant, name, CREDIT)
    tenant.until_phase(name, "Succeeded")


def _undone(tenant: Tenant, name: str) -> None:
    """Nobody knows of the credit; the reply fails for good; then the credit is found and revoked."""
    careful.apply(
        tenant,
        {
            "credit.grant": {"retryable": [], "reconcile": careful.FIND},
            "credits.find": {"retryable": []},
            "ticket.reply": {"retryable": [], "onExhaust": "Compensate"},
        },
    )
    shop = tenant.platform.shop
    shop("POST", "/faults", {"path": "/credits", "mode": "cut-after-commit"})
    shop("POST", "/faults", {"path": "/orders/1042/credits", "mode": "fail", "status": 500, "times": 2})
    shop("POST", "/faults", {"path": "/tickets", "mode": "fail", "status": 422})
    _ask(tenant, name, CREDIT, strategy=careful.AGENT)
    tenant.until_phase(name, "Failed")


def _taken_over(tenant: Tenant, name: str) -> None:
    platform = tenant.platform
    platform.shop("POST", "/faults", {"path": "/credits", "mode": "hold"})
    _ask(tenant, name, CREDIT)
    tenant.until("the shop to hold its answer", lambda: platform.shop("GET", "/faults/state")["waiting"] > 0)
    world.kill(platform, "gateway")
    platform.start_gateway()
    tenant.until_phase(name, "Succeeded")
    platform.shop("POST", "/faults/release")


def _killed_among_voids(tenant: Tenant, name: str) -> None:
    """While its model thinks, somebody with its runner's token writes what is no event."""
    _ask(tenant, name, AGAIN, strategy=RUNAWAY)
    tenant.until("its model to think for long", lambda: _types(tenant, name).count("model.called") == 5)
    token = tenant.get("secrets", f"{name}-a1-identity")["data"]["identity.creds"]
    xid = _xid(tenant, name)
    thief = Credentials.parse(base64.b64decode(token).decode())
    head = {"type": "exec.killed", "data": {"by": "mallory", "reason": "because", "scope": "execution"}}
    said = [
        b"\xff\x00 not an event",
        _next(tenant, name, **head),
        _next(tenant, name, **head, seq=99),
        _next(tenant, name, **head, prev="a" * 64),
        _next(tenant, name, **head, attempt=0),
        _next(tenant, name, **{**head, "type": "exec.dreamt"}),
        _next(tenant, name, **head, execution="0" * 32),
    ]
    _connected(
        tenant.platform, thief, subjects.inbox(xid, 1), lambda nc: _publish(nc, tenant.name, xid, "a1", said)
    )
    unsigned = [_next(tenant, name, **head)]
    _as(tenant.platform, Role.OPERATOR, lambda nc: _publish(nc, tenant.name, xid, "op", unsigned))
    engaged = '{"spec":{"killSwitch":{"engaged":true,"reason":"it loops"}}}'
    _patch(tenant, "execution", name, engaged)
    tenant.until_phase(name, "Killed")
    tenant.until("the last model call to be settled", lambda: _types(tenant, name)[-1] == "model.replied")


def _newer(tenant: Tenant, name: str) -> None:
    """An event that a later version's gateway would write: signed, in its place, and not for us to judge."""
    _ask(tenant, name, REFUND)
    tenant.until_gate(name)
    xid = _xid(tenant, name)
    said = [_next(tenant, name, v=2, type="memory.recalled", data={"about": "the customer"}, actor="gateway")]
    signer = tenant.platform.installed.signer(Role.GATEWAY)
    _as(tenant.platform, Role.GATEWAY, lambda nc: _publish(nc, tenant.name, xid, "gw", said, signer))
    tenant.until("the operator to say so", lambda: tenant.status(name).get("reason") == "Undecidable")


RUNS: dict[str, tuple[str, Callable[[Tenant, str], None]]] = {
    "succeeded": ("A store credit: a free read, a claim of tier 1, a claim of tier 2, the end.", _succeeded),
    "malformed-arguments": ("The model's first arguments do not fit; it is told, and does better.", _malformed),
    "approved-refund": ("A person approves a refund; it is made once, under a second attempt.", _approved),
    "rejected-refund": ("A person rejects a refund; the run tells the customer and ends.", _rejected),
    "asked-by-a-rule": ("A rule of the contract asks for a person, who approves.", _asked_by_a_rule),
    "suspended": ("Held and let go on while a person is asked.", _suspended),
    "cancelled": ("Cancelled while a person is asked.", _cancelled),
    "unknown-outcome": ("The tool's answer is lost after it has booked; nobody knows, nothing is repeated.", _unknown),
    "undone": ("Nobody knows of a credit; the run fails; a read finds the credit, and it is revoked.", _undone),
    "taken-over": ("A gateway dies in mid-call; another performs it again under the same key.", _taken_over),
    "killed-among-voids": ("Killed in mid-call, after messages of a stolen token and an unsigned one.", _killed_among_voids),
    "newer-version": ("A signed event of a version that version 1 does not know: nothing is decided past it.", _newer),
}  # fmt: skip
"""What happened in each run, and how it is brought about."""


def _ask(tenant: Tenant, name: str, goal: str, strategy: str = SUPPORT) -> None:
    spec: dict[str, Any] = {"strategyRef": {"name": strategy}, "goal": goal, "requestedBy": REQUESTER}
    if strategy in (SUPPORT, careful.AGENT):
        spec["inputs"] = {"customer_name": "Lena Brandt"}
    asked = {
        "apiVersion": "keelstep.io/v1alpha1",
        "kind": "Execution",
        "metadata": {"name": name, "namespace": tenant.name},
        "spec": spec,
    }
    tenant.apply(tenant.person(REQUESTER), [asked])


def _patch(tenant: Tenant, kind: str, name: str, patch: str) -> None:
    tenant.admin.run("patch", kind, name, "-n", tenant.name, "--type=merge", "-p", patch)


def _xid(tenant: Tenant, name: str) -> str:
    return str(tenant.status(name)["executionID"])


def _log(tenant: Tenant, name: str, about: str) -> kept.Log:
    xid, installed = _xid(tenant, name), tenant.platform.installed
    messages = _as(tenant.platform, Role.PROJECTOR, lambda nc: _read(nc, tenant.name, xid))
    keyring = json.loads((installed.folder / "public" / "keyring.json").read_bytes())
    log = kept.Log(about=about, tenant=tenant.name, xid=xid, shard=0, keyring=keyring, messages=messages)
    came_to = expectation.expectation(log.stored(), log.keys(), tenant=tenant.name, xid=xid, shard=0)
    return dataclasses.replace(log, expected=came_to)


def _types(tenant: Tenant, name: str) -> list[str]:
    """The types of what is stored, as far as it can be read."""
    if "executionID" not in tenant.status(name):
        return []
    found = _as(tenant.platform, Role.PROJECTOR, lambda nc: _read(nc, tenant.name, _xid(tenant, name)))
    return [json.loads(each.payload)["type"] for each in found if each.payload.startswith(b"{")]


def _next(tenant: Tenant, name: str, **changes: Any) -> bytes:
    """The event that would come next, with any field changed."""
    found = _as(tenant.platform, Role.PROJECTOR, lambda nc: _read(nc, tenant.name, _xid(tenant, name)))
    payload = [
        each.payload for each in found if each.payload.startswith(b"{") and b"mallory" not in each.payload
    ][-1]
    last = json.loads(payload)
    new = {
        "id": "f" * 32,
        "seq": last["seq"] + 1,
        "prev": hashlib.sha256(payload).hexdigest(),
        "actor": "mallory",
    }
    return json.dumps({**last, **new, **changes}).encode()


async def _read(nc: Client, tenant: str, xid: str) -> list[kept.Message]:
    """Every message of a log with its headers, from the leader."""
    positions = [each.position for each in await reader.StreamReader(nc, 0).read(tenant, xid, 0)]
    found = []
    for position in positions:
        got = await jetstream.call(nc, f"STREAM.MSG.GET.{subjects.stream(0)}", {"seq": position}, type=_Got)
        found.append(got.message.kept())
    return found


class _Raw(msgspec.Struct, frozen=True):
    subject: str
    seq: int
    time: str
    hdrs: str = ""
    data: str = ""

    def kept(self) -> kept.Message:
        """As it is kept."""
        lines = base64.b64decode(self.hdrs).decode().split("\r\n")[1:]
        pairs = (line.partition(":") for line in lines if line)
        return kept.Message(
            subject=self.subject,
            position=self.seq,
            stored_at=self.time,
            headers={header: value.strip() for header, _, value in pairs},
            payload=base64.b64decode(self.data),
        )


class _Got(msgspec.Struct, frozen=True):
    message: _Raw


async def _publish(
    nc: Client,
    tenant: str,
    xid: str,
    writer: str,
    said: Sequence[bytes],
    signer: signing.Signer | None = None,
) -> None:
    subject = subjects.spine(0, tenant, xid, writer)
    for payload in said:
        headers = {signing.HEADER: signer.sign(subject, payload)} if signer is not None else None
        await jetstream.publish(nc, subject, payload, headers)


def _as(platform: Platform, role: Role, does: Callable[[Client], Awaitable[Found]]) -> Found:
    """Do something over a connection of a program's own identity."""
    return _connected(platform, platform.installed.credentials_file(role), identities.inbox(role), does)


def _connected(
    platform: Platform, who: Credentials | Path, inbox: str, does: Callable[[Client], Awaitable[Found]]
) -> Found:
    async def connected() -> Found:
        nc = await connection.connect(platform.places.broker_url, who, "corpus", inbox_prefix=inbox)
        try:
            return await does(nc)
        finally:
            await nc.close()

    return asyncio.run(connected())
