"""How does a draft look on the page? YAML that kubectl reads, each inference in a comment beside its line or above it."""

import re
import textwrap
from collections.abc import Mapping
from typing import Any

import yaml

from keelstep.imports.draft import Draft
from keelstep.kinds import resource

WIDTH = 110
_INDENT = "  "


class _Dumper(yaml.CSafeDumper):
    """Quotes what some reader would take for something else, and writes everything out where it stands."""

    def ignore_aliases(self, data: Any) -> bool:
        """Called by the library for each value."""
        return True


# What Kubernetes' own reader takes for a boolean or number and this library does not; a property may well be called `y`.
_Dumper.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^[yYnN]$"), list("yYnN"))
_Dumper.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?0o[0-7]+$"), list("-+0"))
_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


def render(draft: Draft, namespace: str = "") -> str:
    """One YAML document."""
    lines = ["---", *_comment(f"{draft.source}. Review each line before you apply it.", "")]
    if "" in draft.notes:
        lines += _comment(draft.notes[""], "")
    lines += [f"apiVersion: {resource.API_VERSION}", "kind: ToolContract", "metadata:"]
    metadata = {"name": draft.name} | ({"namespace": namespace} if namespace else {})
    lines += _mapping(metadata, "metadata", draft.notes, _INDENT)
    lines += ["spec:", *_mapping(draft.spec, "", draft.notes, _INDENT)]
    return "\n".join(lines) + "\n"


def _mapping(content: Mapping[str, Any], path: str, notes: Mapping[str, str], indent: str) -> list[str]:
    lines: list[str] = []
    for key, value in content.items():
        inner = f"{path}.{key}" if path else key
        why = _plain(notes.get(inner, ""))
        if isinstance(value, Mapping) and value and any(place.startswith(f"{inner}.") for place in notes):
            lines += [*_comment(why, indent), f"{indent}{_key(key)}:"]
            lines += _mapping(value, inner, notes, indent + _INDENT)
            continue
        why = "; ".join(filter(None, (why, _unseen({key: value}))))
        written = _written({key: value}, indent)
        beside = f"{written[0]}  # {why}"
        if why and len(written) == 1 and len(beside) <= WIDTH:
            lines.append(beside)
        else:
            lines += [*_comment(why, indent), *written]
    return lines


def _written(content: Mapping[str, Any], indent: str) -> list[str]:
    text = yaml.dump(
        content,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=not _unseen(content),
        width=WIDTH - len(indent),
        indent=2,
    )
    return textwrap.indent(text.rstrip("\n"), indent).split("\n")


def _unseen(content: Any) -> str:
    """What to say of content with characters that nobody sees: a model reads them all the same."""
    match content:
        case str():
            is_seen = all(letter.isprintable() or letter in "\n\r\t" for letter in content)
            return "" if is_seen else "it holds characters that nobody sees, written as escapes"
        case Mapping():
            return next(filter(None, map(_unseen, (*content, *content.values()))), "")
        case list():
            return next(filter(None, map(_unseen, content)), "")
        case _:
            return ""


def _key(key: str) -> str:
    text: str = yaml.dump(key, Dumper=_Dumper, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def _comment(text: str, indent: str) -> list[str]:
    """The text as comment lines."""
    lead = f"{indent}# "
    return textwrap.wrap(
        _plain(text), WIDTH, initial_indent=lead, subsequent_indent=lead, break_on_hyphens=False
    )


def _plain(text: str) -> str:
    """The text on one line, without anything that could end a comment."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())
