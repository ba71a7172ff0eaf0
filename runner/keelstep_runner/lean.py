"""How does a runner start fast? By not importing what others' optional conveniences would bring.

A run waits for its runner's imports before its first event, so they are most of what a person feels after
`kubectl apply`. Three libraries look for extras that are of no use here, but found wherever more than the runner is
installed, as in the repository's own environment:

    nats       aiohttp, for WebSockets: we speak TCP and TLS
    structlog  rich, to colour stack traces: our logs are JSON
    cel        its own command line, with typer, rich and prompt_toolkit, imported whenever the library is

And pydantic reads the source of every kind again for its fields' descriptions, an eighth of all imports: only what
generates CRDs and reference pages wants those. (Settings keep theirs: they say what is wrong with one.)

Nothing here changes what a runner does; without this it only starts later.
"""

import contextlib
import gc
import sys
import types
from collections.abc import Iterator

ABSENT = ("aiohttp", "rich")
"""Optional to those who look for them: they go on without."""
EMPTY = ("cel.cli",)
"""Not optional to its own package, and never called by us."""


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Import inside the block: without those libraries, and without looking for garbage where there is none yet."""
    for name in ABSENT:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # the import system reads it as: not there
    for name in EMPTY:
        sys.modules.setdefault(name, types.ModuleType(name))
    gc.disable()
    _describe_no_kind()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _describe_no_kind() -> None:
    """Before pydantic's own modules take the function; a pydantic without it is as it was."""
    with contextlib.suppress(ImportError, AttributeError):
        from pydantic._internal import _docs_extraction

        described = _docs_extraction.extract_docstrings_from_cls

        def extract(cls: type[object], use_inspect: bool = False) -> dict[str, str]:
            return {} if cls.__module__.startswith("keelstep.kinds.") else described(cls, use_inspect)

        _docs_extraction.extract_docstrings_from_cls = extract
