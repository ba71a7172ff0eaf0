"""Which streams are there, and what must hold of each?

`ensure` creates what is missing and refuses what differs: a stream that allowed roll-ups, schedules or per-message
lifetimes would let one header erase or forge history. One that is missing beside others that hold something was lost: an
empty one in its place would have forgotten every kill, or every run. Nothing here changes a stream that exists.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from nats.aio.client import Client

from keelstep import errors
from keelstep.events import clock
from keelstep.log import jetstream, subjects

log = structlog.get_logger(__name__)

Settings = Mapping[str, Any]
"""A stream's configuration as JetStream's API spells it."""

MAX_EVENT_BYTES = 64 * 1024
"""Headers included."""
CACHE_BYTES = 64 * 1024 * 1024
"""Of the broker's memory, for the results that may answer other runs."""
LIMITS_SECONDS = 7 * 24 * 3600
"""A limit that nobody asked about for so long stands where it began."""
CACHE_SECONDS = 30.0
"""So often the cache's stream is looked for: a broker that was started again has forgotten it."""
_NANOSECONDS_PER_MILLISECOND = 1_000_000
_DEDUPLICATION = 100 * _NANOSECONDS_PER_MILLISECOND
"""The shortest window the broker allows: we never send message ids, and its memory would only be an attack's."""

_EVERY: Settings = {
    "retention": "limits",
    "storage": "file",
    "discard": "new",
    "max_consumers": -1,
    "max_msgs": -1,
    "max_bytes": -1,
    "max_age": 0,
    "max_msgs_per_subject": -1,
    "max_msg_size": -1,
    "duplicate_window": _DEDUPLICATION,
    "allow_direct": True,
    "sealed": False,
    "deny_delete": True,
    "deny_purge": True,
    "allow_rollup_hdrs": False,
    "allow_msg_ttl": False,
    "allow_msg_schedules": False,
    "allow_msg_counter": False,
    "allow_atomic": False,
    "allow_batched": False,
    "discard_new_per_subject": False,
    "no_ack": False,
}
_FREE_TO_DIFFER = frozenset(
    {"max_consumers", "max_bytes", "max_msgs", "deny_purge", "deny_delete", "duplicate_window"}
)
"""Capacity and strictness that whoever runs the broker may choose without touching what we rely on."""
_UNWANTED = ("mirror", "sources", "republish", "subject_transform")
"""Each copies or renames messages behind our back."""


def spine(shard: int, replicas: int) -> Settings:
    """The log of a shard's executions: append-only, nothing that a header could bend.

    Purging stays possible, for retention after an archive exists, because denying it cannot be taken back; no
    identity of ours may ask for it.
    """
    return {
        **_EVERY,
        "name": subjects.stream(shard),
        "subjects": [subjects.whole(shard)],
        "max_msg_size": MAX_EVENT_BYTES,
        "deny_purge": False,
        "num_replicas": replicas,
    }


def objects(replicas: int) -> Settings:
    """Payloads: one message per address, and the first one stays. Whole subjects may be purged once archived."""
    return {
        **_EVERY,
        "name": subjects.OBJECTS_STREAM,
        "subjects": ["obj.>"],
        "max_msgs_per_subject": 1,
        "discard_new_per_subject": True,
        "deny_purge": False,
        "num_replicas": replicas,
    }


def control(replicas: int) -> Settings:
    """What is stopped: the last value counts, every one is kept."""
    return {
        **_EVERY,
        "name": subjects.CONTROL_STREAM,
        "subjects": ["control.>"],
        "max_msg_size": MAX_EVENT_BYTES,
        "num_replicas": replicas,
    }


def names(replicas: int) -> Settings:
    """Which log a name belongs to: kept for ever."""
    return {
        **_EVERY,
        "name": subjects.NAMES_STREAM,
        "subjects": ["names.>"],
        "max_msg_size": MAX_EVENT_BYTES,
        "num_replicas": replicas,
    }


def cache() -> Settings:
    """Results that may answer other runs: in memory, one for each key, the oldest go first. Nothing rests on it."""
    return {
        **_EVERY,
        "name": subjects.CACHE_STREAM,
        "subjects": ["cache.>"],
        "storage": "memory",
        "discard": "old",
        "max_age": 24 * 3600 * clock.SECOND,
        "max_bytes": CACHE_BYTES,
        "max_msgs_per_subject": 1,
        "max_msg_size": MAX_EVENT_BYTES,
        "num_replicas": 1,
    }


def limits(replicas: int) -> Settings:
    """How tools are paced and days are spent: last values, no fact about a run. Of a day that is over nobody asks."""
    return {
        **_EVERY,
        "name": subjects.LIMITS_STREAM,
        "subjects": ["limits.>"],
        "discard": "old",
        "max_age": LIMITS_SECONDS * clock.SECOND,
        "max_msgs_per_subject": 1,
        "max_msg_size": MAX_EVENT_BYTES,
        "num_replicas": replicas,
    }


RESTORED_AT = "keelstep.io/restored-at"
"""A stream that came from a backup says when; RFC 3339."""
_FIRST = frozenset(
    {subjects.stream(0), subjects.OBJECTS_STREAM, subjects.CONTROL_STREAM, subjects.NAMES_STREAM}
)
"""Those that are made together; another shard may come later."""


async def ensure(nc: Client, shards: Iterable[int] = (0,), *, replicas: int = 1) -> None:
    """Every stream exists and is what we rely on. Only the operator may create one.

    Raises:
        errors.StreamDiffersError: one exists and differs in a way that matters, or was lost.
        errors.BrokerError: the broker did not answer or refused.
    """
    all_wanted = _all(shards, replicas)
    there = {each["name"]: await _find(nc, each["name"]) for each in all_wanted}
    lost = sorted(name for name, found in there.items() if found is None and name in _FIRST)
    filled = sorted(name for name, found in there.items() if found is not None and found["last_seq"])
    if lost and filled:
        raise errors.StreamDiffersError(
            f"stream {', '.join(lost)} is gone, and {', '.join(filled)} hold messages: restore it from a backup"
        )
    for each in all_wanted:
        found = there[each["name"]]
        _check(each, found["config"] if found is not None else await _create(nc, each))


async def ensure_cache(nc: Client) -> None:
    """The cache's stream exists; where it is not what we would make, it is left as it is: nothing rests on it.

    Raises:
        errors.BrokerError: the broker did not answer or refused.
    """
    if await _find(nc, subjects.CACHE_STREAM) is None:
        await _create(nc, cache())


async def keep_cache(nc: Client) -> None:
    """See to it that the cache's stream exists; returns only when cancelled.

    Raises:
        errors.BrokerClosedError: the connection is closed for good.
    """
    while True:
        try:
            await ensure_cache(nc)
        except errors.BrokerClosedError:
            raise
        except errors.BrokerError as error:
            log.warning("cache_not_made", why=error.message)
        await asyncio.sleep(CACHE_SECONDS)


async def restored_at(nc: Client) -> int:
    """When the names last came from a backup, nanoseconds since 1970; 0 where they never did.

    Raises:
        errors.BrokerError: the broker did not answer.
    """
    found = await _find(nc, subjects.NAMES_STREAM)
    metadata = (found["config"].get("metadata") or {}) if found is not None else {}
    text = metadata.get(RESTORED_AT)
    return clock.parse(text) if text else 0


async def verify(nc: Client, shards: Iterable[int] = (0,), *, replicas: int = 1) -> None:
    """Every stream exists and is what we rely on; nothing is created.

    Raises:
        errors.StreamDiffersError: one is missing, or differs in a way that matters.
        errors.BrokerError: the broker did not answer or refused.
    """
    for wanted in _all(shards, replicas):
        found = await _find(nc, wanted["name"])
        if found is None:
            raise errors.StreamDiffersError(
                f"stream {wanted['name']} does not exist; the operator creates it"
            )
        _check(wanted, found["config"])


def settings_of(name: str, replicas: int = 1) -> Settings:
    """What must hold of the stream of this name.

    Raises:
        ValueError: it is none of ours.
    """
    found = {each["name"]: each for each in _all([0], replicas)}
    if name in found:
        return found[name]
    shard = name.removeprefix(subjects.stream(0)[:-1])
    if not shard.isdigit():
        raise ValueError(f"{name} is no stream of ours")
    return spine(int(shard), replicas)


def differences(wanted: Settings, found: Settings) -> list[str]:
    """How a stream differs from what we rely on, each as `setting is this, must be that`."""
    told = [
        f"{name} is {_plain(found.get(name))}, must be {_plain(value)}"
        for name, value in wanted.items()
        if name not in _FREE_TO_DIFFER and not _is_equal(found.get(name), value)
    ]
    return told + [f"{name} is set, must not be" for name in _UNWANTED if found.get(name)]


def _all(shards: Iterable[int], replicas: int) -> list[Settings]:
    return [
        *(spine(shard, replicas) for shard in shards),
        objects(replicas),
        control(replicas),
        names(replicas),
        limits(replicas),
    ]


def _check(wanted: Settings, found: Settings) -> None:
    told = differences(wanted, found)
    if told:
        raise errors.StreamDiffersError(f"stream {wanted['name']}: {'; '.join(told)}")


def _is_equal(found: object, value: object) -> bool:
    """Absent is false, and only false: the broker leaves out settings that are off."""
    return found == value or (found is None and value in (False, 0))


def _plain(value: object) -> str:
    return "not set" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


async def _find(nc: Client, name: str) -> Settings | None:
    """A stream's `config` and `last_seq`; None where there is no such stream."""
    try:
        info = await jetstream.call(nc, f"STREAM.INFO.{name}", type=dict[str, Any])
    except errors.BrokerError as error:
        if error.code == jetstream.STREAM_NOT_FOUND:
            return None
        raise
    return {"config": info["config"], "last_seq": info["state"]["last_seq"]}


async def _create(nc: Client, wanted: Settings) -> Settings:
    info = await jetstream.call(nc, f"STREAM.CREATE.{wanted['name']}", wanted, type=dict[str, Any])
    log.info("stream_created", stream=wanted["name"], replicas=wanted["num_replicas"])
    created: Settings = info["config"]
    return created
