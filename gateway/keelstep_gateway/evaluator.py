"""Where are expressions evaluated that meet others' data? What is surely quick at once, all else where it may be killed.

    no macro, little data ──► at once
    else ──► a worker, in whose place another is started where it took too long or too much memory ─► EvaluationError

A worker is waited for, so whoever may need one asks from a thread (`apart`). Where nobody may wait, as in the middle of an
append, only what was evaluated a moment ago is `known`.
"""

import asyncio
import contextlib
import contextvars
import hashlib
import os
import pickle
import queue
import socket
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

import msgspec
import structlog

from keelstep.domain import canonical, cel
from keelstep_gateway import evaluating

log = structlog.get_logger(__name__)

QUICK_BYTES = 64 * 1024
"""An expression without a macro over less is evaluated at once: it can make a hundred times as much of it at most."""
MOST_BYTES = 4 * 1024 * 1024
"""Over more nothing is evaluated."""
WORKERS = 2
WAIT_SECONDS = 30.0
"""For a free worker: each has its next expression within a fraction of a second."""
START_SECONDS = 30.0
"""A worker takes a tenth of a second to start on a machine that has nothing else to do."""
ANSWER_SECONDS = 10.0
"""A worker that says nothing for so long is ended, whatever it does: its own bound is on processor time."""
_REMEMBERED = 1024
_THREADS = 16
_PAUSE_SECONDS = 0.5
_P = ParamSpec("_P")
_T = TypeVar("_T")


class NotEvaluatedError(Exception):
    """Nobody has evaluated this yet: ask from where one may wait."""


@dataclass(slots=True)
class _Worker:
    """One process."""

    process: "subprocess.Popen[bytes]"
    socket: socket.socket

    @property
    def is_there(self) -> bool:
        """False once its process ended: the machine may have ended it while nobody asked."""
        return self.process.poll() is None

    def ask(self, asked: bytes) -> bytes | None:
        """Its answer; None where it is gone, or says nothing."""
        with contextlib.suppress(OSError):
            evaluating.send(self.socket, asked)
            return self.said()
        return None

    def said(self) -> bytes | None:
        """What it says next; None where it is gone, or says nothing."""
        with contextlib.suppress(OSError):
            return evaluating.receive(self.socket)
        return None

    def end(self) -> None:
        """End it."""
        self.socket.close()
        self.process.kill()
        self.process.wait()


@dataclass(slots=True)
class Evaluator:
    """Evaluates expressions; everything but `known` may be called from any thread, and blocks it."""

    workers: int = WORKERS
    _free: "queue.LifoQueue[_Worker | None]" = field(default_factory=queue.LifoQueue)
    """One entry for each worker there may be; None where it is not there yet."""
    _known: OrderedDict[bytes, "bool | _Failed"] = field(default_factory=OrderedDict)
    """Whether a condition held a moment ago, or why it failed."""
    _running: list[_Worker] = field(default_factory=list)
    _is_closed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(_THREADS, thread_name_prefix="evaluator")
    )

    def __post_init__(self) -> None:
        for _ in range(self.workers):
            self._free.put(None)

    async def apart(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Do work in which something may be evaluated that takes a while; others' go on meanwhile."""
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: context.run(work, *args, **kwargs)
        )

    def evaluate(
        self, expression: cel.Expression, values: Mapping[str, Any], functions: cel.Functions
    ) -> Any:
        """What an expression yields.

        Raises:
            cel.CostError: it takes too long, or too much memory.
            cel.EvaluationError: it fails.
        """
        message = _message(expression, values, functions)
        if expression.is_plain and len(message) <= QUICK_BYTES:
            return cel.here(expression, values, functions)
        if len(message) > MOST_BYTES:
            raise cel.CostError(f"{expression.source}: it is asked about more than {MOST_BYTES} bytes")
        answer = self._ask(message)
        if answer is None:
            said: Any = _Failed(cel.CostError, f"{expression.source}: it takes too long, or too much memory")
        else:
            is_fine, said = msgspec.msgpack.decode(answer)
            said = said if is_fine else _Failed(cel.EvaluationError, said)
        self._remember(_digest(expression, values), _as_condition(expression, said))
        return _unless_failed(said)

    def known(self, expression: cel.Expression, values: Mapping[str, Any], functions: cel.Functions) -> Any:
        """Whether a condition holds, where that is known at once; blocks nobody.

        Raises:
            cel.EvaluationError: it fails.
            NotEvaluatedError: `evaluate` was not asked lately.
        """
        if expression.is_plain and len(_message(expression, values, functions)) <= QUICK_BYTES:
            return cel.here(expression, values, functions)
        with self._lock:
            said = self._known.get(_digest(expression, values))
        if said is None:
            raise NotEvaluatedError
        return _unless_failed(said)

    def close(self) -> None:
        """End every worker, whatever it is at; from now on nothing is evaluated apart."""
        self._is_closed = True
        places = []
        with contextlib.suppress(queue.Empty):
            while True:
                places.append(self._free.get_nowait())
        for worker in places:
            if worker is not None:
                self._end(worker)
            self._free.put(None)
        with self._lock:
            busy = list(self._running)
        for worker in busy:
            worker.process.kill()  # whoever waits for it ends it
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ask(self, message: bytes) -> bytes | None:
        with self._worker() as place:
            worker = place.worker
            place.worker = None
            if worker is not None and not worker.is_there:
                self._end(worker)
                worker = None
            worker = worker or self._started()
            answer = worker.ask(message)
            if answer is not None:
                place.worker = worker
                return answer
            self._end(worker)
            log.warning("expression_stopped", exit=worker.process.returncode)
            return None

    def _end(self, worker: _Worker) -> None:
        worker.end()
        with self._lock:
            self._running.remove(worker)

    def _started(self) -> _Worker:
        if not self._is_closed:
            worker = _start()
            with self._lock:  # not around the start: `known` must not wait
                self._running.append(worker)
            if not self._is_closed:
                return worker
            self._end(worker)
        raise cel.EvaluationError("this gateway ends")

    @contextlib.contextmanager
    def _worker(self) -> "Iterator[_Place]":
        """A place of one worker, while the context lasts.

        Raises:
            cel.EvaluationError: there is none for too long.
        """
        try:
            place = _Place(self._free.get(timeout=WAIT_SECONDS))
        except queue.Empty as error:
            raise cel.EvaluationError("this gateway evaluates too much at once") from error
        try:
            yield place
        finally:
            self._free.put(place.worker)

    def _remember(self, digest: bytes, said: "bool | _Failed") -> None:
        with self._lock:
            self._known[digest] = said
            self._known.move_to_end(digest)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _Failed:
    """Why an expression yielded nothing."""

    kind: type[cel.EvaluationError]
    message: str


def _unless_failed(said: Any) -> Any:
    if isinstance(said, _Failed):
        raise said.kind(said.message)
    return said


def _as_condition(expression: cel.Expression, said: Any) -> "bool | _Failed":
    """What was said of it, for whoever asks whether it holds."""
    try:
        return said if isinstance(said, _Failed) else cel.boolean(expression, said)
    except cel.EvaluationError as error:
        return _Failed(cel.EvaluationError, str(error))


@dataclass(slots=True)
class _Place:
    worker: _Worker | None


def is_quick(size_bytes: int, sources: Iterable[str | None]) -> bool:
    """Is what these expressions yield over so many bytes of JSON known at once? Else they are asked from a thread."""
    # a list of floats becomes a bit more than twice as long on its way to a worker
    return all(
        source is None or (cel.is_plain(source) and size_bytes * 4 <= QUICK_BYTES) for source in sources
    )


def _message(expression: cel.Expression, values: Mapping[str, Any], functions: cel.Functions) -> bytes:
    try:
        return pickle.dumps((expression.source, tuple(values), bool(functions), dict(values)))
    except RecursionError as error:
        raise cel.EvaluationError(f"{expression.source}: the values are nested too deeply") from error


def _digest(expression: cel.Expression, values: Mapping[str, Any]) -> bytes:
    """The same for equal values, whichever objects they are; what JSON has no form for is not asked about twice."""
    try:
        payload = canonical.dumps(dict(values))
    except (TypeError, ValueError, OverflowError):
        payload = pickle.dumps(dict(values))
    return hashlib.sha256(expression.source.encode() + b"\0" + payload).digest()


def _start() -> _Worker:
    """A new process.

    Raises:
        cel.EvaluationError: there can be none now.
    """
    ours, its = socket.socketpair()
    try:
        process = subprocess.Popen(  # noqa: S603 our own program
            [sys.executable, "-P", "-B", "-m", evaluating.__name__],
            stdin=its.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,
        )
    except OSError as error:
        ours.close()
        time.sleep(_PAUSE_SECONDS)  # whoever asks will ask again
        raise cel.EvaluationError(f"no process can be started to evaluate it: {error.strerror}") from error
    finally:
        its.close()
    worker = _Worker(process, ours)
    ours.settimeout(START_SECONDS)
    if worker.said() != evaluating.READY:
        worker.end()
        log.error("evaluator_not_started", exit=process.returncode)
        time.sleep(_PAUSE_SECONDS)
        raise cel.EvaluationError("no process can be started to evaluate it")
    ours.settimeout(ANSWER_SECONDS)
    return worker
