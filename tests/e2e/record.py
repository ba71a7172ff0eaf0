"""Is an execution's log sound? Judged by hand from the stored bytes: this shares no code with the fold."""

import asyncio
import hashlib
import json
from typing import Any

from hack.local.platform import Platform
from hack.local.world import Tenant
from keelstep.log import connection, identities
from keelstep.log.identities import Role
from keelstep.log.reader import StreamReader

GENESIS = "0" * 64


def events(platform: Platform, tenant: str, xid: str) -> list[tuple[Any, bytes]]:
    """Every stored message of an execution, decoded and as it is stored."""
    return asyncio.run(_read(platform, tenant, xid))


async def _read(platform: Platform, tenant: str, xid: str) -> list[tuple[Any, bytes]]:
    credentials = platform.installed.credentials_file(Role.READER)
    nc = await connection.connect(
        platform.places.broker_url, credentials, "test", inbox_prefix=identities.inbox(Role.READER)
    )
    try:
        stored = await StreamReader(nc, 0).read(tenant, xid, 0)
        return [(json.loads(each.payload), each.payload) for each in stored]
    finally:
        await nc.close()


def assert_sound(tenant: Tenant, run: str) -> list[Any]:
    """One chain without a gap or a stray message, that ends as the status says; its events."""
    status = tenant.status(run)
    found = events(tenant.platform, tenant.name, status["executionID"])
    before = GENESIS
    for place, (event, payload) in enumerate(found, start=1):
        assert event["seq"] == place, f"message {place} of {run} is no event: {event['type']}"
        assert event["prev"] == before, f"event {place} of {run} does not follow the one before"
        before = hashlib.sha256(payload).hexdigest()
    log = [event for event, _ in found]
    endings = [event["type"] for event in log if event["type"] in ("exec.finished", "exec.killed")]
    assert len(endings) == 1, f"{run} ended {len(endings)} times"
    claims = {event["seq"] for event in log if event["type"] == "tool.called"}
    closed = [
        event["data"]["claim_seq"]
        for event in log
        if event["type"] == "tool.result" and "claim_seq" in event["data"]
    ]
    assert sorted(closed) == sorted(claims), f"claims of {run}: {claims}, closed: {closed}"
    assert (status["observedSeq"], status["observedHash"]) == (len(log), before)
    return log
