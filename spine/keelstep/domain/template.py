"""Does a prompt template use only what it declares, and what does it say?

Jinja2 in its immutable sandbox; an undeclared or missing variable is an error, never an empty string.
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


_ENVIRONMENT = sandbox.ImmutableSandboxedEnvironment(
    undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True
)


def check(source: str, slots: Iterable[str]) -> None:
    """Raises:
    TemplateError: it does not parse, or uses a variable that is neither a declared slot nor `goal`.
    """
    try:
        used = meta.find_undeclared_variables(_ENVIRONMENT.parse(source))
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(f"line {error.lineno}: {error.message}") from error
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
    except (
        jinja2.TemplateError,
        TypeError,
        ValueError,
        OverflowError,
        ArithmeticError,
    ) as error:
        raise TemplateError(str(error)) from error


@functools.lru_cache(maxsize=256)
def _compiled(source: str) -> jinja2.Template:
    return _ENVIRONMENT.from_string(source)
