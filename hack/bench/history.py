"""How does a namespace get a thousand finished runs without waiting for them? By retelling the log of a real one.

One real run is the pattern. Each copy is a log of its own, with its own xid and hash chain, appended under the fence by
the three writers' own identities and keys, and a name bound to it; then the Execution is applied, and the operator
adopts the log as it would after a restore. Only the Pods are missing that real runs leave behind.
"""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import nats.errors
from nats.aio.client import Client

from hack.cluster.node import client as kubernetes
from hack.local.platform import Platform
from hack.local.world import REQUESTER
from keelstep import errors
from keelstep.domain import execution
from keelstep.events import clock, envelope, signing
from keelstep.events.frame import Stored
from keelstep.log import connection, identities, jetstream, spine, subjects, tokens
from keelstep.log.identities import Role
from keelstep.log.names import Names
from keelstep.log.tokens import Credentials, Key

AT_ONCE = 16
"""Runs retold at the same time."""
_PAUSE_SECONDS = 0.05
_RUNNER_INBOX = "_INBOX.bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Writers:
    """A connection for each writer token, and who signs."""

    connections: dict[str, Client]
    signers: dict[str, signing.Signer]
    keyring: signing.Keyring


async def retell(
    platform: Platform, tenant: str, pattern: Sequence[Stored], manifests: Sequence[Any]
) -> None:
    """Make a finished run of each manifest; all manifests ask for what the pattern's did, under other names."""
    started = _started(pattern)
    kubeconfig = platform.plane.kubeconfig_for(REQUESTER)
    async with _writers(platform, tenant) as writers:
        api = await kubernetes.Client.connect(kubeconfig)
        names = Names(writers.connections["op"])
        waiting = asyncio.Semaphore(AT_ONCE)

        async def one(manifest: Any) -> None:
            async with waiting:
                name, xid = manifest["metadata"]["name"], str(uuid.uuid4())
                await _write(writers, tenant, xid, name, pattern)
                await names.bind(tenant, name, xid, str(started["spec_digest"]))
                path = f"/apis/keelstep.io/v1alpha1/namespaces/{tenant}/executions"
                await api.create(path, manifest)

        try:
            async with asyncio.TaskGroup() as group:
                for manifest in manifests:
                    group.create_task(one(manifest))
        finally:
            await api.close()


def _started(pattern: Sequence[Stored]) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(pattern[0].payload)["data"]
    return found


async def _write(writers: _Writers, tenant: str, xid: str, name: str, pattern: Sequence[Stored]) -> None:
    """The pattern's events as those of another run: its own ids, chain and signatures."""
    state = execution.begin(xid, tenant)
    vouch = spine.vouch_with(writers.keyring, tenant, xid, 0)
    for told in pattern:
        event = envelope.decode(told.payload)
        assert isinstance(event, envelope.Event), "the pattern is a run without void messages"
        data: Any = event.envelope.data
        if event.type == "exec.started":
            data = msgspec.Raw(msgspec.json.encode({**_started(pattern), "name": name}))
        payload = envelope.encode(
            msgspec.structs.replace(
                event.envelope,
                id=envelope.identifier(xid, event.type, event.seq),
                execution=xid,
                root=xid,
                prev=state.head,
                ts=clock.text(clock.now()),
                data=data,
            )
        )
        subject = subjects.spine(0, tenant, xid, told.writer)
        headers = {
            spine.EXPECTED: str(state.position),
            spine.EXPECTED_SUBJECT: subjects.spine(0, tenant, xid, "*"),
        }
        signer = writers.signers.get(told.writer)
        signature = signer.sign(subject, payload) if signer is not None else ""
        if signature:
            headers[signing.HEADER] = signature
        position = await _published(writers.connections[told.writer], subject, payload, headers)
        stored = msgspec.structs.replace(
            told, position=position, signature=signature, payload=payload, stored_at=clock.now()
        )
        state, outcome = execution.advance(state, stored, vouch)
        assert isinstance(outcome, envelope.Event), f"{event.type} is not valid in the copy: {outcome}"


async def _published(nc: Client, subject: str, payload: bytes, headers: dict[str, str]) -> int:
    """Stored; for a moment nobody hears the runners' account, whenever the broker takes over a new list of revocations."""
    while True:
        try:
            return await jetstream.publish(nc, subject, payload, headers)
        except errors.BrokerUnavailableError as error:
            if not isinstance(error.__cause__, nats.errors.NoRespondersError):
                raise
            await asyncio.sleep(_PAUSE_SECONDS)


@contextlib.asynccontextmanager
async def _writers(platform: Platform, tenant: str) -> AsyncIterator[_Writers]:
    installed, url = platform.installed, platform.places.broker_url
    connections: dict[str, Client] = {}
    try:
        for writer, role in (("op", Role.OPERATOR), ("gw", Role.GATEWAY)):
            file, inbox = installed.credentials_file(role), identities.inbox(role)
            connections[writer] = await connection.connect(url, file, "bench", inbox_prefix=inbox)
        runner = _every_runner(installed.attempt_issuer, tenant)
        connections["a1"] = await connection.connect(url, runner, "bench", inbox_prefix=_RUNNER_INBOX)
        yield _Writers(
            connections=connections,
            signers={"op": installed.signer(Role.OPERATOR), "gw": installed.signer(Role.GATEWAY)},
            keyring=installed.keyring,
        )
    finally:
        for nc in connections.values():
            await nc.close()


def _every_runner(issuer: identities.AttemptIssuer, tenant: str) -> Credentials:
    """First attempts of every run of the bench's namespace in one identity; no program has one like it."""
    key, now = Key.generate("user"), clock.now()
    about = {
        "type": "user",
        "version": 2,
        "issuer_account": issuer.account,
        "pub": {"allow": [subjects.spine(0, tenant, "*", "a1")]},
        "sub": {"allow": [f"{_RUNNER_INBOX}.>"]},
        "subs": -1,
        "data": -1,
        "payload": -1,
    }
    claims = {
        "name": "bench",
        "sub": key.public,
        "iat": now // clock.SECOND,
        "exp": now // clock.SECOND + 3600,
        "nats": about,
    }
    return Credentials(tokens.mint(claims, issuer.signing_key), key.seed, key.public)
