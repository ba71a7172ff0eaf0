"""Does a prompt template use only what it declares, and what does it say?

Jinja2 in its immutable sandbox; an undeclared or missing variable is an error, never an empty string. The same values
give the same text in every process: nothing random is offered, and what Python would print with an address is refused.
"""

import functools
from collections.abc import Iterable, Mapping
from typing import Any

import jinja2
from jinja2 import meta, sandbox

GOAL = "goal"
"""The variable every template may use besides its slots."""


class TemplateError(ValueError):
    """The template is not valid or cannot be rendered; the message says why."""


_FAULTS = (
    jinja2.TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""What Jinja2 and the Python it compiles to raise over a template that is at fault."""
_PRINTABLE = (str, int, float, dict, list, tuple, type(None), jinja2.Undefined)


@jinja2.pass_context
def _printable(context: object, value: Any) -> Any:
    """What is printed; as it asks for the context, Jinja2 does not call it, nor work values out, while it compiles."""
    if not isinstance(value, _PRINTABLE):
        raise jinja2.TemplateRuntimeError(f"prints a {type(value).__name__}, which is no value")
    return value


def _environment() -> sandbox.ImmutableSandboxedEnvironment:
    environment = sandbox.ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
        finalize=_printable,
        # A template is only compiled where it is applied; what it works out is its run's to bear, however much it is.
        optimized=False,
    )
    del environment.filters["random"]
    del environment.globals["lipsum"]
    return environment


_ENVIRONMENT = _environment()


def check(source: str, slots: Iterable[str]) -> None:
    """Raises:
    TemplateError: it does not parse, or uses a variable that is neither a declared slot nor `goal`.
    """
    try:
        used = _undeclared(source)
        _compiled(source)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(f"line {error.lineno}: {error.message}") from error
    except _FAULTS as error:
        raise TemplateError(_why(error)) from error
    undeclared = sorted(used - set(slots) - {GOAL})
    if undeclared:
        raise TemplateError(f"uses {undeclared[0]!r}, which is not a declared slot")


def render(source: str, values: Mapping[str, Any]) -> str:
    """The text.

    Raises:
        TemplateError: a value is missing, or the template does what the sandbox forbids.
    """
    try:
        return _compiled(source).render(values)
    except _FAULTS as error:
        raise TemplateError(_why(error)) from error


def _undeclared(source: str) -> set[str]:
    """As `meta.find_undeclared_variables`, which would work out every value in passing."""
    found = meta.TrackingCodeGenerator(_ENVIRONMENT)
    found.optimizer = None
    found.visit(_ENVIRONMENT.parse(source))
    return found.undeclared_identifiers


def _why(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:300] if str(error) else type(error).__name__


@functools.lru_cache(maxsize=256)
def _compiled(source: str) -> jinja2.Template:
    return _ENVIRONMENT.from_string(source)
