"""Which object is looked at next, and what does the cache know?"""

import asyncio
from typing import Any

import pytest

from keelstep import errors
from keelstep.testing import eventually
from keelstep_operator import queue as queues
from keelstep_operator.cache import Cache, key_of
from keelstep_operator.queue import Key, Queue

A, B = Key("Execution", "shop", "a"), Key("Execution", "shop", "b")


class Works:
    """Workers over a queue, and what they did."""

    def __init__(self, queue: Queue, *, workers: int = 2) -> None:
        self.queue = queue
        self.done: list[Key] = []
        self.at_once = 0
        self._running: dict[Key, int] = {}
        self.hold = asyncio.Event()
        self.hold.set()
        self.fails = 0
        self._tasks = [asyncio.create_task(queue.work(self._one)) for _ in range(workers)]

    async def _one(self, key: Key) -> None:
        self._running[key] = self._running.get(key, 0) + 1
        self.at_once = max(self.at_once, self._running[key])
        await self.hold.wait()
        self._running[key] -= 1
        self.done.append(key)
        if self.fails:
            self.fails -= 1
            raise errors.KubeUnavailableError("down")

    async def __aenter__(self) -> "Works":
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def test_wishes_for_a_key_that_waits_are_one() -> None:
    """Coalesced: ten changes are one look."""
    queue = Queue()
    for _ in range(10):
        queue.wake(A)
    queue.wake(B)
    async with Works(queue, workers=1) as works:
        await eventually.true(lambda: len(works.done) == 2)
        assert works.done == [A, B]


async def test_what_has_ended_waits_behind_everything_else() -> None:
    """And once: a patient wish that becomes urgent is one look, in the first line."""
    queue = Queue()
    ended, urgent, late = Key("Execution", "shop", "old"), Key("Execution", "shop", "was-old"), A
    queue.wake(ended, is_patient=True)
    queue.wake(urgent, is_patient=True)
    queue.wake(late)
    queue.wake(urgent)
    queue.wake(late, is_patient=True)
    assert queue.depth == 3
    async with Works(queue, workers=1) as works:
        await eventually.true(lambda: len(works.done) == 3)
        assert works.done == [late, urgent, ended]
        queue.wake(B)  # what is left of the second line is empty
        await eventually.true(lambda: len(works.done) == 4)


async def test_a_kill_switch_is_looked_at_before_the_runs() -> None:
    """However many are busy: what it stops is more of the same."""
    queue = Queue()
    switch = Key("AgentStrategy", "shop", "support")
    for key in (A, B, switch):
        queue.wake(key)
    async with Works(queue, workers=1) as works:
        await eventually.true(lambda: len(works.done) == 3)
        assert works.done == [switch, A, B]


async def test_a_key_is_never_looked_at_twice_at_once() -> None:
    """Woken while it works, it is looked at again afterwards."""
    queue = Queue()
    async with Works(queue) as works:
        works.hold.clear()
        queue.wake(A)
        await eventually.true(lambda: works.at_once == 1)
        queue.wake(A)
        queue.wake(A)
        works.hold.set()
        await eventually.true(lambda: works.done == [A, A])
        assert works.at_once == 1


async def test_a_fault_is_tried_again() -> None:
    """Until it passes, with growing pauses."""
    queue = Queue()
    async with Works(queue) as works:
        works.fails = 2
        queue.wake(A)
        await eventually.true(lambda: works.done == [A, A, A])


async def test_the_earliest_of_several_moments_counts() -> None:
    """A later wish does not postpone an earlier one."""
    queue = Queue()
    queue.wake(A, 60)
    queue.wake(A, 0.01)
    queue.wake(A, 90)
    async with Works(queue) as works:
        await eventually.true(lambda: works.done == [A])


async def test_a_glance_is_saved_by_any_other_look() -> None:
    """Many wishes for one are one, and none is left once the key was looked at."""
    queue = Queue()
    queue.glance(A, 60)
    queue.wake(A)
    queue.glance(A, 0.01)  # it waits to be looked at anyway
    async with Works(queue) as works:
        await eventually.true(lambda: works.done == [A])
        queue.glance(B, 0.01)
        queue.glance(B, 0.01)
        await eventually.true(lambda: works.done == [A, B])
        queue.glance(A, 0.01)  # after the look it counts again
        await eventually.true(lambda: works.done == [A, B, A])


async def test_glances_keep_a_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are due at once; what is urgent passes between them."""
    monkeypatch.setattr(queues, "GLANCE_APART_SECONDS", 3600)
    queue = Queue()
    runs = [Key("Execution", "shop", f"at-work-{number}") for number in range(3)]
    for run in runs:
        queue.glance(run, 0.001)
    async with Works(queue) as works:
        await eventually.true(lambda: works.done == runs[:1])
        queue.wake(runs[2])
        await eventually.true(lambda: works.done == [runs[0], runs[2]])


def thing(version: int, uid: str = "u1", name: str = "a") -> dict[str, Any]:
    """An Execution of some version."""
    metadata = {"name": name, "namespace": "shop", "uid": uid, "resourceVersion": str(version)}
    return {"kind": "Execution", "apiVersion": "keelstep.io/v1alpha1", "metadata": metadata}


def test_an_older_version_never_replaces_a_newer_one() -> None:
    """Lists and watches overtake each other."""
    cache = Cache()
    assert cache.put(thing(5))
    assert not cache.put(thing(4))
    assert not cache.put(thing(5))
    assert cache.put(thing(6))


def test_what_was_seen_deleted_does_not_come_back_by_an_old_list() -> None:
    """Its UID is remembered."""
    cache = Cache()
    cache.put(thing(5))
    cache.remove(thing(6))
    assert not cache.put(thing(5))
    assert cache.get(key_of(thing(5))) is None
    assert cache.put(thing(7, uid="u2"))


def test_a_late_deletion_does_not_remove_the_successor() -> None:
    """The name has another object by then."""
    cache = Cache()
    cache.put(thing(5))
    cache.put(thing(8, uid="u2"))
    assert not cache.remove(thing(6))
    found = cache.get(A)
    assert found is not None
    assert found["metadata"]["uid"] == "u2"


def test_a_successor_waits_for_its_predecessors_deletion() -> None:
    """Replaced without a deletion seen: it may be on its way; seen, nobody waits."""
    cache = Cache()
    cache.put(thing(5))
    cache.put(thing(8, uid="u2"))
    assert cache.replaced_for(A, 60) > 0
    cache.remove(thing(6))
    assert cache.replaced_for(A, 60) == 0
