"""How does a test let a process die in the middle of a wait, at every one of them in turn?

Work that dies is simply not gone on with: no `finally` of it runs, no task is cancelled, and what it had asked of a server
happens all the same. That is what SIGKILL does, without a process.
"""

import asyncio
import ctypes
import types
from collections.abc import Awaitable, Generator
from typing import Any, TypeVar

Found = TypeVar("Found")


class _DiedError(BaseException):
    """It is gone."""


async def at(work: Awaitable[Any], moment: int) -> bool:
    """True where the work died at its n-th wait, False where it ended before that."""
    # in a task of its own: a deadline that it had set ends that one, later, and not who looks on
    return await asyncio.create_task(_died(work, moment))


async def _died(work: Awaitable[Any], moment: int) -> bool:
    try:
        await _dying(work, moment)
    except _DiedError:
        return True
    return False


@types.coroutine
def _dying(work: Awaitable[Found], moment: int) -> Generator[Any, Any, Found]:
    steps: Any = work.__await__()
    fault: BaseException | None = None
    for _ in range(moment):
        try:
            awaited = steps.throw(fault) if fault is not None else steps.send(None)
        except StopIteration as done:
            found: Found = done.value
            return found
        fault = None
        try:
            yield awaited
        except BaseException as error:  # noqa: BLE001 what was awaited failed: the work is told, as it would be
            fault = error
    # one reference that nobody ever gives back: not even the interpreter's end tidies it up
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(steps))
    raise _DiedError
