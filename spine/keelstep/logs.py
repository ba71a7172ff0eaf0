"""How do programs log? One JSON object a line on standard error: past tense, key-values, never a payload.

A line about a run says which: `execution` (its id, the same in every program, view and trace), `tenant`, and, once it
has begun, `trace_id`. Whoever works on a run says so once, and every later line of that task carries it.
"""

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import Any

import structlog


def configure(program: str, level: str = "INFO") -> None:
    """Set up logging for a whole process; libraries' own records go the same way, from WARNING up."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    bind(program=program)


def bind(**values: object) -> None:
    """Add key-values to every later line of this task and those it starts."""
    structlog.contextvars.bind_contextvars(**values)


def concern(execution: str, trace_id: str) -> None:
    """From here on this task works on one run; it has no trace before it has begun."""
    bind(execution=execution, **({"trace_id": trace_id} if trace_id else {}))


@contextlib.contextmanager
def about(**values: object) -> Iterator[None]:
    """Add key-values to every line within; with the block ends also what is bound in it."""
    before = structlog.contextvars.get_contextvars()
    bind(**values)
    try:
        yield
    finally:
        structlog.contextvars.clear_contextvars()
        bind(**before)
