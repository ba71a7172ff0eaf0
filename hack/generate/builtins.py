"""What does `docs/builtins.md` say? Every function with its schemas, an example, and a contract to copy.

Pure: the same functions give the same text.
"""

from typing import Any

import yaml

from keelstep.domain import canonical
from keelstep.domain.builtins import registry
from keelstep.domain.builtins.function import Function
from keelstep.kinds import resource

PATH = "docs/builtins.md"
_NOTE = "<!-- Written by `python -m hack.generate` from spine/keelstep/domain/builtins; edit the docstrings there. -->"
_ABOUT = """\
A ToolContract may name a **builtin** instead of a server: `spec.transport.builtin.function`. The runner evaluates it
itself, so a call costs one durable event and nothing else: no network, no credentials, no clock, no money. The same
arguments give the same answer for ever. Allow-list, call limits and schemas hold as for every other tool; the contract is
`ReadOnly`, tier 0.

Below is each function with an example and the contract of it that lets the model use all of it. Copy it, give it a
description in your agent's words, and narrow its schema if you like: fewer digits, one pattern, one expression. The
operator accepts a schema that names the function's arguments and no others. What a function has no answer for is told to
the model, with a reason of [reasons.md](reasons.md#divisionbyzero).\
"""


def render_all() -> dict[str, str]:
    """The page: its path in the repository → its text."""
    parts = ["# Builtins", _NOTE, _ABOUT, *map(_section, registry.FUNCTIONS.values())]
    return {PATH: "\n\n".join(parts) + "\n"}


def contract(function: Function) -> dict[str, Any]:
    """A ToolContract of a function, whole."""
    return {
        "apiVersion": resource.API_VERSION,
        "kind": "ToolContract",
        "metadata": {"name": function.name.value},
        "spec": {
            "description": function.summary,
            "sideEffect": "ReadOnly",
            "consequenceTier": 0,
            "schema": {"input": function.input, "output": function.output},
            "transport": {"builtin": {"function": function.name.value}},
        },
    }


def _section(function: Function) -> str:
    given, answer = (canonical.dumps(each).decode() for each in function.example)
    manifest = _yaml(contract(function))
    return f"## `{function.name}`\n\n{function.summary}\n\n`{given}` gives `{answer}`\n\n```yaml\n{manifest}\n```"


def _yaml(document: Any) -> str:
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=100)
    return text.rstrip()


class _Dumper(yaml.SafeDumper):
    """Writes every value where it stands: no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        """Never refer to an earlier value."""
        return True
