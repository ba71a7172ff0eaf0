"""What can be said of a contract without asking its tool? Would a cluster accept it, and are its examples what it says?"""

from collections.abc import Iterator, Mapping
from typing import Any

from keelstep.domain import acceptance, admission, schema
from keelstep_gateway.conformance.cases import Contract
from keelstep_gateway.conformance.report import Checks

_NAMED = ("properties", "patternProperties", "$defs")
_ONE = ("items", "additionalProperties", "contains", "not")
_MANY = ("allOf", "anyOf", "oneOf", "prefixItems")


def check(contract: Contract, checks: Checks, arguments: Mapping[str, Any] | None) -> bool:
    """Ask these questions; False where nothing else can be asked."""
    refused = list(admission.broken(contract.spec))
    objection = acceptance.objection(contract.spec)
    if objection is not None:
        refused.append(": ".join(objection))
    if refused:
        checks.failed("Definition", "no cluster would accept it", *refused)
        return False
    checks.passed("Definition", "schemas, expressions and names fit together")
    _examples(contract, checks, arguments)
    return True


def _examples(contract: Contract, checks: Checks, arguments: Mapping[str, Any] | None) -> None:
    found, problems = 0, []
    for side, document in (
        ("input", contract.spec.schemas.input),
        ("output", contract.spec.schemas.output),
    ):
        for place, part, example in examples(document, f"schema.{side}"):
            found += 1
            problems += [f"{place}: {problem}" for problem in _problems(document, part, example)]
    if arguments is not None:
        found += 1
        problems += [
            f"the case's arguments: {problem}"
            for problem in schema.compile_schema(contract.spec.schemas.input).problems(dict(arguments))
        ]
    if problems:
        checks.failed(
            "Examples", f"{len(problems)} of what {found} examples say is not valid", *problems[:10]
        )
    elif found:
        checks.passed("Examples", f"{found} valid")
    else:
        checks.skipped("Examples", "there are none")


def examples(node: Any, place: str) -> Iterator[tuple[str, Mapping[str, Any], Any]]:
    """Every example of a schema, with its place and the part of the schema that it is one of."""
    if not isinstance(node, Mapping):
        return
    listed = node.get("examples")
    for number, example in enumerate(listed if isinstance(listed, list) else []):
        yield f"{place}.examples[{number}]", node, example
    for key in _NAMED:
        inner = node.get(key)
        for name, part in inner.items() if isinstance(inner, Mapping) else ():
            yield from examples(part, f"{place}.{key}.{name}")
    for key in _ONE:
        yield from examples(node.get(key), f"{place}.{key}")
    for key in _MANY:
        inner = node.get(key)
        for number, part in enumerate(inner if isinstance(inner, list) else ()):
            yield from examples(part, f"{place}.{key}[{number}]")


def _problems(document: Mapping[str, Any], part: Mapping[str, Any], example: Any) -> list[str]:
    whole = {**part, "$defs": document["$defs"]} if "$defs" in document else part
    try:
        return schema.compile_schema(whole).problems(example)
    except schema.SchemaError as error:
        return [f"cannot be checked: {error}"]
