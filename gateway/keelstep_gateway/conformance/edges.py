"""Which valid arguments may a caller think of? Those at the edges of a schema: least, most, empty, long, strange.

Each is checked against the schema before it counts, so that what is proposed here need only be likely to fit. The same
schema yields the same arguments every time.
"""

import math
import re
import warnings
from collections.abc import Mapping
from typing import Any

from hypothesis import HealthCheck, Phase, errors, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from keelstep.domain import canonical, schema
from keelstep.domain.schema import Schema
from keelstep_gateway.conformance import unfolded

Json = SearchStrategy[Any]

_MOST_LENGTH = 64
"""Of a text or list that has no bound of its own: longer ones are another test's matter."""
_LONGEST = 65_536
"""No text is made that must be longer: the schema may be somebody else's, and the memory is a person's."""
_MOST_ITEMS = 1_024
"""Nor a list or object that must have more of them."""
_MOST_INTEGER = 2**53 - 1
_MOST_TRIED = 20
"""Times as many proposals as arguments wanted."""
_TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")
_LETTERS = st.characters(codec="utf-8", exclude_characters="\x00")
_PLAIN = st.characters(codec="ascii", categories=("L", "N"))
_STRANGE = st.sampled_from(
    (
        "",
        " ",
        "0",
        "null",
        "'",
        '"',
        "../..",
        "%00",
        "{{x}}",
        "\u00e9\u4e2d\U0001f600",
        "\u202e",
        "a" * _MOST_LENGTH,
    )
)
_FORMATS: Mapping[str, Json] = {
    "date": st.dates().map(str),
    "date-time": st.datetimes(timezones=st.timezones()).map(lambda at: at.isoformat()),
    "time": st.times().map(lambda at: f"{at.isoformat('seconds')}Z"),
    "email": st.emails(),
    "uuid": st.uuids().map(str),
    "ipv4": st.ip_addresses(v=4).map(str),
    "ipv6": st.ip_addresses(v=6).map(str),
    "uri": st.sampled_from(("https://example.org/", "https://example.org/a?b=%20c#d", "urn:x:1")),
    "hostname": st.sampled_from(("example.org", "a", "xn--bcher-kva.example")),
    "money": st.sampled_from(("0", "0.000001", "0.01", "1", "12.25", "999999999")),
}


class _EnoughError(Exception):
    """As many were found as were wanted."""


def arguments(document: Mapping[str, Any], most: int) -> list[dict[str, Any]]:
    """At most so many different valid arguments for a schema, the simplest first; none where none was found."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Python thinks of a pattern that was not written for it
        return _found(schema.compile_schema(document), _of(unfolded.of(document)), most)


def _found(compiled: Schema, proposals: Json, most: int) -> list[dict[str, Any]]:
    found: dict[bytes, dict[str, Any]] = {}

    @settings(
        max_examples=most * _MOST_TRIED,
        database=None,
        derandomize=True,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        report_multiple_bugs=False,
    )
    @given(proposals)
    def collect(proposed: Any) -> None:
        if isinstance(proposed, dict) and _fits(compiled, proposed):
            found.setdefault(canonical.dumps(proposed), proposed)
        if len(found) >= most:
            raise _EnoughError  # the library knows no other way to end early

    try:
        collect()
    except _EnoughError:
        pass
    except (errors.Unsatisfiable, errors.InvalidArgument):
        pass  # no proposal at all could be made of it
    return sorted(found.values(), key=lambda each: len(canonical.dumps(each)))


def _fits(compiled: Schema, proposed: Any) -> bool:
    try:
        return not compiled.problems(canonical.loads(canonical.dumps(proposed)), 1)
    except (ValueError, TypeError):
        return False


def _of(node: Any) -> Json:
    """Proposals for a schema."""
    if not isinstance(node, Mapping):
        return _anything() if node is not False else st.nothing()
    if "const" in node:
        return st.just(node["const"])
    if isinstance(node.get("enum"), list):
        return st.sampled_from(node["enum"]) if node["enum"] else st.nothing()
    for choice in ("oneOf", "anyOf"):
        branches = node.get(choice)
        if isinstance(branches, list) and branches:
            rest = {key: value for key, value in node.items() if key != choice}
            return st.one_of([_of(unfolded.both(rest, branch)) for branch in branches])
    if isinstance(node.get("allOf"), list):
        merged: Any = {key: value for key, value in node.items() if key != "allOf"}
        for part in node["allOf"]:
            merged = unfolded.both(merged, part)
        return _of(merged)
    kinds = node.get("type")
    kinds = [kinds] if isinstance(kinds, str) else kinds if isinstance(kinds, list) else _implied(node)
    if not kinds:
        return _anything()
    return st.one_of([_of_type(str(kind), node) for kind in kinds])


def _implied(node: Mapping[str, Any]) -> list[str]:
    """The types that keywords speak of."""
    if node.keys() & {"properties", "required", "additionalProperties"}:
        return ["object"]
    if node.keys() & {"items", "prefixItems"}:
        return ["array"]
    if node.keys() & {"pattern", "minLength", "maxLength", "format"}:
        return ["string"]
    return ["number"] if node.keys() & {"minimum", "maximum"} else []


def _of_type(kind: str, node: Mapping[str, Any]) -> Json:
    match kind:
        case "object":
            return _object(node)
        case "array":
            return _array(node)
        case "string":
            return _string(node)
        case "integer" | "number":
            return _number(kind, node)
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
        case _:
            return st.nothing()


def _object(node: Mapping[str, Any]) -> Json:
    properties = node.get("properties")
    properties = properties if isinstance(properties, Mapping) else {}
    needed = [name for name in node.get("required", []) if isinstance(name, str)]
    required = {name: _of(properties.get(name, {})) for name in needed}
    optional = {name: _of(inner) for name, inner in properties.items() if name not in required}
    known = st.fixed_dictionaries(required, optional=optional)
    rest = node.get("additionalProperties", node.get("unevaluatedProperties", False if properties else {}))
    least = int(node.get("minProperties", 0))
    values = _of(rest)
    if values.is_empty or least > _MOST_ITEMS or (properties and least <= len(required)):
        return st.one_of(st.fixed_dictionaries(required), known)
    others = st.dictionaries(
        st.text(_LETTERS, min_size=1, max_size=8),
        values,
        min_size=max(0, least - len(required)),
        max_size=3 + least,
    )
    return st.builds(lambda more, own: {**more, **own}, others, known)


def _array(node: Mapping[str, Any]) -> Json:
    least = int(node.get("minItems", 0))
    most = min(int(node.get("maxItems", least + 3)), least + _MOST_LENGTH)
    if isinstance(node.get("prefixItems"), list):
        return st.tuples(*(_of(each) for each in node["prefixItems"])).map(list)
    items = _of(node.get("items", {}))
    if items.is_empty or least > _MOST_ITEMS:
        return st.just([])
    if node.get("uniqueItems") is True:
        return st.lists(items, min_size=least, max_size=most, unique_by=canonical.dumps)
    return st.lists(items, min_size=least, max_size=most)


def _string(node: Mapping[str, Any]) -> Json:
    least = int(node.get("minLength", 0))
    most = min(int(node.get("maxLength", least + _MOST_LENGTH)), least + 4096)
    if least > _LONGEST:
        return st.nothing()
    if isinstance(node.get("pattern"), str):
        return _matching(node["pattern"], least, most)
    if node.get("format") in _FORMATS:
        return _FORMATS[node["format"]]
    if node.get("contentEncoding") == "base64":
        return st.sampled_from(("", "AA==", "a2VlbA=="))
    longest = st.just("x" * most)
    return st.one_of(st.text(_LETTERS, min_size=least, max_size=min(most, least + 16)), longest, _STRANGE)


def _matching(pattern: str, least: int, most: int) -> Json:
    """Texts of a pattern; where Python cannot read it (`\\p{L}`), texts that many patterns let pass."""
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return st.text(_PLAIN, min_size=least, max_size=min(most, least + 16))
    # a pattern may end before a line's last break in Python, and nowhere else
    return st.from_regex(pattern, alphabet=_LETTERS).map(lambda text: text.removesuffix("\n"))


def _number(kind: str, node: Mapping[str, Any]) -> Json:
    least, most = (
        _bound(node, "minimum", "exclusiveMinimum", 1),
        _bound(node, "maximum", "exclusiveMaximum", -1),
    )
    whole_least = math.ceil(least) if least is not None else None
    whole_most = math.floor(most) if most is not None else None
    edges = [
        each
        for each in (0, 1, -1, whole_least, whole_most, _MOST_INTEGER, -_MOST_INTEGER)
        if each is not None
    ]
    step = node.get("multipleOf")
    if isinstance(step, int) and step > 0:
        edges = [each - each % step for each in edges] + [step]
    if whole_least is not None and whole_most is not None and whole_least > whole_most:
        whole: Json = st.nothing()
    else:
        low = whole_least if whole_least is not None else -_MOST_INTEGER
        whole = st.integers(low, max(low, whole_most if whole_most is not None else _MOST_INTEGER))
    if kind == "integer":
        return st.one_of(st.sampled_from(edges), whole)
    broken = st.floats(least, most, allow_nan=False, allow_infinity=False, width=32 if least is most else 64)
    return st.one_of(st.sampled_from(edges), whole, broken)


def _bound(node: Mapping[str, Any], inclusive: str, exclusive: str, inwards: int) -> float | None:
    if isinstance(node.get(inclusive), int | float):
        return float(node[inclusive])
    if isinstance(node.get(exclusive), int | float):
        bound = float(node[exclusive])
        return bound + inwards if bound.is_integer() else bound
    return None


def _anything() -> Json:
    """Where the schema says nothing."""
    return st.one_of(
        st.none(), st.booleans(), st.integers(-9, 9), st.sampled_from(("", "x")), st.just({}), st.just([])
    )
