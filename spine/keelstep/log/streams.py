"""Which streams are there, and what must hold of each?

`ensure` creates what is missing and refuses what differs: a stream that allowed roll-ups, schedules or per-message
lifetimes would let one header erase or forge history. Nothing here changes a stream that exists.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from nats.aio.client import Client

from keelstep import errors
from keelstep.log import jetstream, subjects

log = structlog.get_logger(__name__)

Settings = Mapping[str, Any]
"""A stream's configuration as JetStream's API spells it."""

MAX_EVENT_BYTES = 64 * 1024
"""Headers included."""
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


async def ensure(nc: Client, shards: Iterable[int] = (0,), *, replicas: int = 1) -> None:
    """Every stream exists and is what we rely on. Only the operator may create one.

    Raises:
        errors.StreamDiffersError: one exists and differs in a way that matters.
        errors.BrokerError: the broker did not answer or refused.
    """
    for wanted in _all(shards, replicas):
        found = await _find(nc, wanted["name"])
        if found is None:
            found = await _create(nc, wanted)
        _check(wanted, found)


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
        _check(wanted, found)


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
    try:
        info = await jetstream.call(nc, f"STREAM.INFO.{name}", type=dict[str, Any])
    except errors.BrokerError as error:
        if error.code == jetstream.STREAM_NOT_FOUND:
            return None
        raise
    found: Settings = info["config"]
    return found


async def _create(nc: Client, wanted: Settings) -> Settings:
    info = await jetstream.call(nc, f"STREAM.CREATE.{wanted['name']}", wanted, type=dict[str, Any])
    log.info("stream_created", stream=wanted["name"], replicas=wanted["num_replicas"])
    created: Settings = info["config"]
    return created
