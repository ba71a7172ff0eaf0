"""How fast do the views follow the log, and how long does it take to make them again from all of it?

A stream is filled with runs of the example's two commonest kinds, retold under other ids with chains and signatures of
their own, many at a time as they would come; then an empty database is filled from it. Every event is read from the
broker, its signature verified, folded, and written in a transaction with the position.
"""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import uvloop

from hack.bench import samples
from hack.bench.place import Place
from hack.bench.result import Figure, Result
from keelstep.events import clock, envelope, signing
from keelstep.events.frame import Stored
from keelstep.log import subjects, tail, tokens
from keelstep.log.identities import Role
from keelstep.log.installation import Installation
from keelstep.log.tokens import Credentials, Key
from keelstep.store import rebuild
from keelstep.testing import builders, eventually
from keelstep.testing.broker import RunningBroker
from keelstep.testing.postgres import RunningPostgres

TENANTS = 20
AT_ONCE = 50
"""Runs whose events come in turns."""
_ALWAYS, _SELDOM = '"sync_interval": "always"', '"sync_interval": "2m"'
_FLUSHED = 2_000
"""Messages published before the broker is waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many events, how often."""

    events: int
    repetitions: int


FULL = Sizes(events=1_000_000, repetitions=1)
SMOKE = Sizes(events=2_000, repetitions=1)


def run(place: Place) -> Result:
    """Fill a stream once, then the tables from it."""
    return uvloop.run(_run(place, place.choose(FULL, SMOKE)))


async def _run(place: Place, sizes: Sizes) -> Result:
    folder = place.folder / "projector"
    last = await fill(folder, sizes.events, lambda done: place.step.update(f"{done:,} events written"))
    seconds: list[float] = []
    async with RunningBroker(folder) as broker:
        for _ in range(sizes.repetitions):
            async with RunningPostgres() as postgres:
                place.calm.wait()
                dsn = await postgres.new_database()
                seconds.append(await rebuilt(broker, dsn, lambda at: place.step.update(_text(at))))
    return Result(
        figures=[
            Figure(
                subject="keelstep projector",
                measure="rebuild, rate",
                unit="events/s",
                values={"value": samples.spread([last / each for each in seconds])},
                samples=last,
                repetitions=sizes.repetitions,
                target={"at least": 12_000.0},
            ),
            Figure(
                subject="keelstep projector",
                measure=f"rebuild of {last:,} events",
                unit="s",
                values={"value": samples.spread(seconds)},
                samples=last,
                repetitions=sizes.repetitions,
                target={"at most": 90.0} if sizes is FULL else {},
            ),
        ],
        sizes={"events": last, "repetitions": sizes.repetitions, "runs_at_once": AT_ONCE},
        notes=["broker, Postgres and projector share the machine; Postgres syncs every transaction to disk"],
    )


async def rebuilt(broker: RunningBroker, dsn: str, told: rebuild.OnReport | None = None) -> float:
    """Fill an empty database from the stream, as `keelstep rebuild views` does; how many seconds it took."""
    nc = await broker.connect(Role.PROJECTOR)
    began = time.perf_counter()
    done = await rebuild.rebuild(nc, dsn, broker.installation.keyring, on_report=told)
    took = time.perf_counter() - began
    assert done.position == done.goal > 0, f"only {done.position} of {done.goal} are in the tables"
    await nc.close()
    return took


async def fill(folder: Path, events: int, told: Callable[[int], None]) -> int:
    """Write at least so many events into a new broker's stream; how many are in it then.

    The broker does not sync each message to disk meanwhile: that is not what is measured here.
    """
    broker = RunningBroker(folder)
    configuration = broker.installation.server_configuration
    synced = configuration.read_text()
    assert _ALWAYS in synced, "the broker is configured in another way than this bench knows"
    configuration.write_text(synced.replace(_ALWAYS, _SELDOM))
    async with broker:
        nc = await broker.connect_as(_anybody(broker.installation), "_INBOX.bench")
        published = 0
        for subject, payload, signature in messages(broker.installation, events):
            await nc.publish(subject, payload, headers={signing.HEADER: signature} if signature else None)
            published += 1
            if published % _FLUSHED == 0:
                await nc.flush(timeout=60)
                told(published)
        await nc.flush(timeout=60)
        reader = await broker.connect(Role.PROJECTOR)

        async def are_stored() -> bool:
            return (await tail.place(reader, subjects.stream(0))).last >= published

        await eventually.awaited(are_stored, "every message to be stored", within_seconds=60)
    configuration.write_text(synced)
    return published


def _text(at: rebuild.Report) -> str:
    return f"{at.position:,} of {at.goal:,} in the tables"


def messages(installed: Installation, events: int) -> Iterator[tuple[str, bytes, str]]:
    """Subject, payload and signature of whole runs, some at a time in turns, until there are so many."""
    signers = {"op": installed.signer(Role.OPERATOR), "gw": installed.signer(Role.GATEWAY)}
    patterns = [credit().messages, refund().messages]
    told = number = 0
    while told < events:
        runs = []
        for _ in range(AT_ONCE):
            pattern = patterns[number % len(patterns)]
            runs.append(retold(pattern, f"tenant-{number % TENANTS}", str(uuid.uuid4()), signers))
            told += len(pattern)
            number += 1
        while runs:
            going = []
            for each in runs:
                message = next(each, None)
                if message is not None:
                    going.append(each)
                    yield message
            runs = going


def retold(
    pattern: Sequence[Stored], tenant: str, xid: str, signers: dict[str, signing.Signer]
) -> Iterator[tuple[str, bytes, str]]:
    """A run's events as those of another: its own ids, chain and signatures."""
    head = envelope.GENESIS
    for told in pattern:
        event = envelope.decode(told.payload)
        assert isinstance(event, envelope.Event)
        payload = envelope.encode(
            msgspec.structs.replace(
                event.envelope,
                id=envelope.identifier(xid, event.type, event.seq),
                tenant=tenant,
                execution=xid,
                root=xid,
                trace_id=xid.replace("-", ""),
                prev=head,
            )
        )
        head = envelope.digest(payload)
        subject = subjects.spine(0, tenant, xid, told.writer)
        signer = signers.get(told.writer)
        yield subject, payload, signer.sign(subject, payload) if signer is not None else ""


def credit() -> builders.LogBuilder:
    """A store credit: a read, a claim of tier 1, a claim of tier 2."""
    run = _begun("a chipped mug").plan("credit.grant").claim().result(latency_ms=40)
    return run.model().plan("ticket.reply").claim().result(latency_ms=30).model().finished()


def refund() -> builders.LogBuilder:
    """A refund: a read, a question to a person, a claim of tier 3, a claim of tier 2."""
    run = _begun("a leaking kettle").plan("refund.issue").gate().decided(latency_ms=60_000)
    run.attempt(reason="Decided").claim().result(latency_ms=90)
    return run.model().plan("ticket.reply").claim().result(latency_ms=30).model().finished()


def _begun(about: str) -> builders.LogBuilder:
    run = builders.log(str(uuid.UUID(int=0)), "tenant-0").started().attempt()
    return run.model({"content": about}).plan("orders.get").result(latency_ms=20).model({"content": about})


def _anybody(installed: Installation) -> Credentials:
    """An identity that may write as anybody: no program has it, it is minted from the offline key."""
    issuer, key = Key.parse((installed.folder / "offline" / "core.nk").read_text()), Key.generate("user")
    about = {
        "type": "user",
        "version": 2,
        "issuer_account": installed.accounts.core,
        "pub": {"allow": ["spine.>"]},
        "sub": {"allow": ["_INBOX.bench.>"]},
        "subs": -1,
        "data": -1,
        "payload": -1,
    }
    claims: tokens.Claims = {
        "name": "bench",
        "sub": key.public,
        "iat": clock.now() // clock.SECOND,
        "nats": about,
    }
    return Credentials(tokens.mint(claims, issuer), key.seed, key.public)
