"""What can be said of a contract without asking its tool? Whether it compiles, and whether its examples are what it says."""

from collections.abc import Iterator, Mapping
from typing import Any

from keelstep.domain import cel, failure, schema
from keelstep_gateway.conformance.cases import Contract
from keelstep_gateway.conformance.report import Checks

_NAMED = ("properties", "patternProperties", "$defs")
_ONE = ("items", "additionalProperties", "contains", "not")
_MANY = ("allOf", "anyOf", "oneOf", "prefixItems")


def check(contract: Contract, checks: Checks, arguments: Mapping[str, Any] | None) -> bool:
    """Ask these questions; False where nothing else can be asked."""
    problems = list(_definition(contract))
    if problems:
        checks.failed("Definition", "the contract cannot be worked with", *problems)
        return False
    checks.passed("Definition", "schemas and expressions compile")
    _examples(contract, checks, arguments)
    return True


def _definition(contract: Contract) -> Iterator[str]:
    spec = contract.spec
    for side, document in (("input", spec.schemas.input), ("output", spec.schemas.output)):
        try:
            schema.compile_schema(document)
        except schema.SchemaError as error:
            yield f"schema.{side}: {error}"
    http, mcp = spec.transport.http, spec.transport.mcp
    expressions: list[tuple[str, str | None, tuple[str, ...]]] = []
    if http is not None:
        expressions = [
            ("http.body", http.body, ("args",)),
            ("http.response", http.response, ("status", "body")),
        ]
    if mcp is not None:
        expressions = [("mcp.response", mcp.response, ("structured", "text", "content"))]
    for place, source, variables in expressions:
        try:
            if source is not None:
                cel.compile_expression(source, variables)
        except cel.CompileError as error:
            yield f"transport.{place}: {error}"
    problem = failure.problem(spec)
    if problem:
        yield problem


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
