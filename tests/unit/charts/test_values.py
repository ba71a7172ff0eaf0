"""Do values, schema, page and templates agree?"""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic
import pytest
import yaml

from hack.generate import charts, values

CHART = charts.ROOT / charts.CHART


def leaves(part: values.Values, path: str = "") -> Iterator[str]:
    """Every value, by its path."""
    for name, field in type(part).model_fields.items():
        value, key = getattr(part, name), f"{path}{field.alias or name}"
        if isinstance(value, values.Values):
            yield from leaves(value, f"{key}.")
        else:
            yield key


def test_values_yaml_says_the_defaults() -> None:
    """Read as Helm reads it, it is what the model says."""
    told = yaml.safe_load((CHART / "values.yaml").read_text())
    assert told == values.Chart().model_dump(by_alias=True, exclude_none=True, mode="json")
    assert values.Chart.model_validate(told) == values.Chart()


@pytest.mark.parametrize("path", sorted(leaves(values.Chart())))
def test_a_value_is_described(path: str) -> None:
    """In the schema, so that an editor says it too."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    found: Any = schema
    for key in path.split("."):
        found = _resolved(schema, found)["properties"][key]
    assert found.get("description") or _resolved(schema, found).get("description")


def _resolved(schema: Any, part: Any) -> Any:
    reference = part.get("$ref")
    return schema["$defs"][reference.rpartition("/")[2]] if reference else part


def test_the_schema_refuses_what_nobody_knows() -> None:
    """At every depth: a value that was misspelt is not ignored."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    parts = [schema, *schema["$defs"].values()]
    assert all(part["additionalProperties"] is False for part in parts)


def test_the_example_s_values_are_values() -> None:
    """What the example tells the chart is what the chart takes."""
    told = yaml.safe_load((charts.ROOT / charts.EXAMPLE / "keelstep.yaml").read_text())
    found = values.Chart.model_validate(told)
    assert found.tenants == ["refunds"]
    with pytest.raises(pydantic.ValidationError):
        values.Chart.model_validate({**told, "tenant": ["refunds"]})


def test_the_example_costs_what_its_price_table_says() -> None:
    """The chart's example and `make demo` speak of the same prices."""
    told = yaml.safe_load((charts.ROOT / charts.EXAMPLE / "keelstep.yaml").read_text())
    table = yaml.safe_load((charts.ROOT / "examples" / "refund" / "prices.yaml").read_text())
    assert told["gateway"]["prices"] == table


def test_charts_and_distribution_have_one_version() -> None:
    """An image's tag is the chart's appVersion."""
    project = tomllib.loads((charts.ROOT / "pyproject.toml").read_text())["project"]
    for name in (charts.CHART, charts.CRDS, charts.EXAMPLE):
        found = yaml.safe_load((charts.ROOT / name / "Chart.yaml").read_text())
        assert found["version"] == found["appVersion"] == project["version"], name


def test_what_jinja_means_is_given_back_by_helm() -> None:
    """Prompts hold `{{ slot }}`, which is no template of Helm's."""
    assert charts.escaped("Hello {{ name }}") == "Hello {{`{{`}} name }}"
    assert charts.escaped("no braces") == "no braces"


def test_every_kind_outlives_its_chart() -> None:
    """`helm uninstall` must not delete a CRD: with it would go every resource of that kind."""
    found = sorted((charts.ROOT / charts.CRDS / "templates").glob("*.yaml"))
    assert [path.name for path in found] == [
        f"{name}.yaml" for name in ("agentstrategy", "approvalgate", "execution", "toolcontract")
    ]
    for path in found:
        assert "helm.sh/resource-policy: keep" in path.read_text(), Path(path).name
