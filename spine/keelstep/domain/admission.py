"""What would the API server refuse of a spec, besides what its schema says? The CEL rules of the kind, asked without one.

The same rules that stand in the CRD, with the defaults filled in as the API server does before it asks. Pure.
"""

from collections.abc import Iterator

import pydantic

from keelstep.domain import cel

_KEYWORD = "x-kubernetes-validations"


def broken(spec: pydantic.BaseModel) -> Iterator[str]:
    """The message of every rule that it breaks, its own and those of its parts."""
    extra = type(spec).model_config.get("json_schema_extra")
    rules = extra.get(_KEYWORD, []) if isinstance(extra, dict) else []
    values = {"self": spec.model_dump(mode="json", by_alias=True, exclude_none=True)}
    assert isinstance(rules, list)
    for each in rules:
        assert isinstance(each, dict)
        if cel.compile_expression(str(each["rule"]), ("self",)).evaluate(values) is not True:
            yield str(each["message"])
    for part in vars(spec).values():
        for inner in part if isinstance(part, list) else [part]:
            if isinstance(inner, pydantic.BaseModel):
                yield from broken(inner)
