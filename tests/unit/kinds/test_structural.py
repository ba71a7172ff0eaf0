"""Does a pydantic model become the structural schema it means, or a refusal that names the place?"""

from typing import Annotated, Any, Literal

import pydantic
import pytest

from hack.generate import structural
from keelstep.kinds import resource

Short = Annotated[str, pydantic.Field(max_length=8)]
Shorts = Annotated[list[Short], pydantic.Field(max_length=4)]


def convert(model: type[pydantic.BaseModel], **options: bool) -> dict[str, Any]:
    """The model's properties as they would stand in a CRD."""
    schema = model.model_json_schema(mode="validation", by_alias=True)
    properties: dict[str, Any] = structural.convert(schema, path="spec", **options)["properties"]
    return properties


class Inner(resource.Model):
    """An inner object."""

    name: Short
    """Its name."""
    size: Annotated[int, pydantic.Field(ge=0, le=9)] = 3
    """Its size."""


def test_a_reference_is_inlined_and_the_fields_own_words_win() -> None:
    """`$ref` disappears; a description beside it stands before the one of the class."""

    class Outer(resource.Model):
        own: Inner
        """Words of the field."""
        plain: Inner

    found = convert(Outer)
    assert found["own"]["description"] == "Words of the field."
    assert found["plain"]["description"] == "An inner object."
    assert found["own"]["properties"]["name"] == {
        "description": "Its name.",
        "type": "string",
        "maxLength": 8,
    }
    assert found["own"]["required"] == ["name"]


def test_or_none_means_may_be_absent() -> None:
    """Null is no value of ours: the field is optional and its type plain."""

    class Outer(resource.Model):
        text: Short | None = None
        inner: Inner | None = None

    found = convert(Outer)
    assert found["text"] == {"type": "string", "maxLength": 8}
    assert "default" not in found["inner"]
    assert found["inner"]["type"] == "object"


def test_unknown_fields_are_left_to_the_api_server() -> None:
    """`additionalProperties: false` has no counterpart; pruning and strict validation do its work."""
    assert "additionalProperties" not in structural.convert(Inner.model_json_schema(), path="spec")


def test_a_description_is_one_line() -> None:
    """A docstring's line breaks are the source's, not the reader's."""

    class Outer(resource.Model):
        text: Short
        """First line
        and second line."""

    assert convert(Outer)["text"]["description"] == "First line and second line."


def test_noise_is_dropped() -> None:
    """Titles and examples do not reach the CRD."""

    class Outer(resource.Model):
        text: Annotated[str, pydantic.Field(max_length=8, title="T", examples=["x"])]

    assert convert(Outer)["text"] == {"type": "string", "maxLength": 8}


def test_one_literal_becomes_an_enum_of_one() -> None:
    """`const` is not structural."""

    class Outer(resource.Model):
        only: Literal["A"]

    assert convert(Outer)["only"] == {"type": "string", "enum": ["A"]}


def test_integers_say_how_wide_they_are() -> None:
    """A bounded integer that fits is int32, any other int64."""

    class Outer(resource.Model):
        small: Annotated[int, pydantic.Field(ge=0, le=10)]
        large: Annotated[int, pydantic.Field(ge=0, le=2**31)]
        endless: Annotated[int, pydantic.Field(ge=0)]

    assert {name: node["format"] for name, node in convert(Outer).items()} == {
        "small": "int32",
        "large": "int64",
        "endless": "int64",
    }


def test_exclusive_limits_become_flags() -> None:
    """JSON Schema's number is a boolean in a CRD."""

    class Outer(resource.Model):
        count: Annotated[int, pydantic.Field(gt=0, lt=10)]

    found = convert(Outer)["count"]
    assert (found["minimum"], found["exclusiveMinimum"]) == (0, True)
    assert (found["maximum"], found["exclusiveMaximum"]) == (10, True)


def test_a_set_is_a_list_without_repeats() -> None:
    """`uniqueItems` is forbidden; the list type says the same."""

    class Outer(resource.Model):
        names: Annotated[set[Short], pydantic.Field(max_length=4)]

    assert convert(Outer)["names"]["x-kubernetes-list-type"] == "set"


def test_a_map_keeps_the_type_of_its_values() -> None:
    """`additionalProperties` with a schema is converted like any other place."""

    class Outer(resource.Model):
        labels: Annotated[dict[str, Inner], pydantic.Field(max_length=4)]

    found = convert(Outer)["labels"]
    assert found["maxProperties"] == 4
    assert found["additionalProperties"]["properties"]["size"]["default"] == 3


def test_a_free_object_keeps_what_it_is_given() -> None:
    """`JsonObject` is preserved as it comes."""

    class Outer(resource.Model):
        anything: resource.JsonObject

    assert convert(Outer)["anything"] == {
        "type": "object",
        "maxProperties": 256,
        "x-kubernetes-preserve-unknown-fields": True,
    }


def test_kubernetes_extensions_stay() -> None:
    """List types, map keys and CEL rules pass through."""
    rules = resource.rules(("self.name != ''", "name: say it"))

    class Ruled(resource.Model, json_schema_extra=rules):
        name: Short
        conditions: resource.Conditions

    schema = structural.convert(Ruled.model_json_schema(), path="spec")
    assert schema["x-kubernetes-validations"] == rules["x-kubernetes-validations"]
    assert schema["properties"]["conditions"]["x-kubernetes-list-map-keys"] == ["type"]


def test_a_default_says_only_what_the_fields_inside_do_not() -> None:
    """The API server defaults outside in, so an object's default repeats nothing and holds no null."""

    class Middle(resource.Model):
        inner: Inner = Inner(name="a")
        note: Short | None = None
        names: Shorts = pydantic.Field(default=[])

    class Outer(resource.Model):
        plain: Middle = Middle()
        other: Middle = Middle(inner=Inner(name="b"))

    found = convert(Outer)
    assert found["plain"]["default"] == {}
    assert found["plain"]["properties"]["inner"]["default"] == {"name": "a"}
    assert found["plain"]["properties"]["names"]["default"] == []
    assert found["other"]["default"] == {"inner": {"name": "b", "size": 3}}


def test_defaults_can_be_left_out() -> None:
    """A status shows what was written and nothing else."""

    class Outer(resource.Model):
        inner: Inner = Inner(name="a")
        count: Annotated[int, pydantic.Field(ge=0)] = 0

    found = convert(Outer, keep_defaults=False)
    assert "default" not in found["inner"]
    assert "default" not in found["inner"]["properties"]["size"]
    assert "default" not in found["count"]


class Recursive(resource.Model):
    """A model that contains itself."""

    inner: "Recursive | None" = None


REFUSED: dict[str, tuple[Any, str]] = {
    "a float": (float, "spec.field: a float; use an integer or a decimal string"),
    "an unbounded string": (str, "spec.field: this string has no upper bound"),
    "an unbounded list": (list[Short], "spec.field: this array has no upper bound"),
    "an unbounded string in a list": (
        Annotated[list[str], pydantic.Field(max_length=2)],
        "spec.field[]: this string has no upper bound",
    ),
    "an unbounded map": (dict[str, Short], "spec.field: this object has no upper bound"),
    "an unbounded string in a map": (
        Annotated[dict[str, str], pydantic.Field(max_length=2)],
        "spec.field{}: this string has no upper bound",
    ),
    "anything at all": (Any, "spec.field: no type"),
    "only null": (None, "spec.field: only null is allowed"),
    "a union": (Short | int, "spec.field: a union of several types"),
    "a map of anything": (
        Annotated[dict[str, Any], pydantic.Field(max_length=2)],
        "spec.field: any property is allowed",
    ),
    "a tuple": (
        Annotated[tuple[Short, Short], pydantic.Field()],
        "spec.field: no counterpart for the keyword 'prefixItems'",
    ),
    "an unknown keyword": (
        Annotated[Short, pydantic.Field(json_schema_extra={"contentMediaType": "text/html"})],
        "spec.field: no counterpart for the keyword 'contentMediaType'",
    ),
    "itself": (Recursive, "spec.field.inner: Recursive contains itself"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_crd_cannot_say_is_refused_with_its_place(case: str) -> None:
    """The generator stops and names the field rather than writing something looser than the model."""
    annotation, problem = REFUSED[case]
    model = pydantic.create_model("Outer", field=(annotation, ...))
    with pytest.raises(structural.SchemaError) as raised:
        convert(model)
    assert problem in str(raised.value)
