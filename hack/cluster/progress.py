"""How does a person see what a long command is doing? A live line on a terminal, plain lines elsewhere.

Decides nothing and never writes to standard output: that belongs to results such as `--output json`.
"""

import contextlib
import time
from collections.abc import Iterator
from typing import Protocol

from rich import console
from rich import status as spinner

PLAIN_EVERY_SECONDS = 20.0
"""Without a terminal, a step that lasts longer says so this often: a CI log shows it is alive."""


class Step(Protocol):
    """One thing being done; tells how far it is."""

    def update(self, detail: str) -> None:
        """Show how far this step is."""


class Progress:
    """Shows steps on standard error, with the time each takes."""

    def __init__(self, out: console.Console | None = None, *, is_quiet: bool = False) -> None:
        self._out = out or console.Console(stderr=True, highlight=False, soft_wrap=True)
        self._is_quiet = is_quiet

    def note(self, text: str) -> None:
        """Say one thing that needs no time."""
        if not self._is_quiet:
            self._out.print(f"· {text}", markup=False)

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Show `title` while the block runs and how long it took when it is done."""
        began = time.monotonic()
        if self._is_quiet:
            yield _Silent()
            return
        if self._out.is_terminal:
            with self._out.status(title) as status:
                yield _Live(title, began, status)
        else:
            self._out.print(f"· {title} …", markup=False)
            yield _Plain(title, began, self._out)
        took = _elapsed(began)
        self._out.print(f"✓ {title} ({took})", markup=False)


def quiet() -> Progress:
    """Give a progress that shows nothing, for tests and libraries."""
    return Progress(is_quiet=True)


class _Silent:
    def update(self, detail: str) -> None:
        pass


class _Live:
    def __init__(self, title: str, began: float, status: spinner.Status) -> None:
        self._title, self._began, self._status = title, began, status

    def update(self, detail: str) -> None:
        self._status.update(f"{self._title} · {_elapsed(self._began)} · {detail}")


class _Plain:
    def __init__(self, title: str, began: float, out: console.Console) -> None:
        self._title, self._began, self._out = title, began, out
        self._told = began

    def update(self, detail: str) -> None:
        now = time.monotonic()
        if now - self._told >= PLAIN_EVERY_SECONDS:
            self._told = now
            self._out.print(f"  {self._title} · {_elapsed(self._began)} · {detail}", markup=False)


def _elapsed(began: float) -> str:
    seconds = time.monotonic() - began
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"
