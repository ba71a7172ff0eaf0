"""Do the four CRDs hold to what we promise about every kind?"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from hack.generate import crd
from keelstep import kinds

ROOT = Path(__file__).resolve().parents[3]
NAMES = tuple(kind.crd.singular for kind in kinds.KINDS)

Schema = dict[str, Any]


class Place(NamedTuple):
    """One node of a schema: where, what, and whether it must be given."""

    path: str
    node: Schema
    is_required: bool


def read(name: str) -> Schema:
    """A CRD as it lies in `crds/`."""
    definition: Schema = yaml.safe_load((ROOT / "crds" / f"{name}.yaml").read_text(encoding="utf-8"))
    return definition


def places(name: str, *parts: str) -> Iterator[Place]:
    """Every node below the named parts (spec, status) of a CRD."""
    schema = read(name)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for part in parts:
        yield from _walk(Place(f"{name}.{part}", schema["properties"][part], True))


def _walk(place: Place) -> Iterator[Place]:
    yield place
    path, node, _ = place
    for name, child in node.get("properties", {}).items():
        yield from _walk(Place(f"{path}.{name}", child, name in node.get("required", ())))
    for keyword, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if keyword in node:
            yield from _walk(Place(f"{path}{mark}", node[keyword], True))


@pytest.mark.parametrize("name", NAMES)
def test_every_string_list_and_map_has_a_bound(name: str) -> None:
    """What is unbounded makes CEL rules too dear and one object able to fill the store."""
    for path, node, _ in places(name, "spec", "status"):
        match node["type"]:
            case "string":
                assert "maxLength" in node or "enum" in node, path
            case "array":
                assert "maxItems" in node, path
            case "object":
                assert "properties" in node or "maxProperties" in node, path


@pytest.mark.parametrize("name", NAMES)
def test_no_number_is_a_float(name: str) -> None:
    """Money is a decimal string, all else an integer; nothing is an integer or a string by turns."""
    for path, node, _ in places(name, "spec", "status"):
        assert node["type"] in ("string", "integer", "boolean", "array", "object"), path
        assert "x-kubernetes-int-or-string" not in node, path


@pytest.mark.parametrize("name", NAMES)
def test_every_field_explains_itself(name: str) -> None:
    """Every field has a description, for `kubectl explain`."""
    for path, node, _ in places(name, "spec", "status"):
        assert path.endswith("[]") or node.get("description"), path


WRITTEN_BY_PEOPLE = (
    "agentstrategy.spec",
    "toolcontract.spec",
    "execution.spec",
    "approvalgate.spec.decisions",
)


@pytest.mark.parametrize("prefix", WRITTEN_BY_PEOPLE)
def test_what_a_person_writes_says_unit_default_and_example(prefix: str) -> None:
    """What may be left out says what then holds; an amount says its unit; a free text shows an example."""
    for path, node, is_required in places(prefix.split(".")[0], "spec"):
        is_leaf = "properties" not in node and "properties" not in node.get("items", {})
        if not path.startswith(prefix) or path.endswith("[]") or not is_leaf:
            continue
        said = node["description"]
        assert "Default:" in said or (is_required and "default" not in node), path
        if re.search(r"Seconds$|USD$|[tT]okens$", path):
            assert "Unit:" in said, path
        is_free_text = node["type"] == "string" and "enum" not in node and not node.get("default")
        if is_free_text or "x-kubernetes-preserve-unknown-fields" in node:
            assert "Example:" in said, path


@pytest.mark.parametrize("name", NAMES)
def test_every_status_field_names_its_writer(name: str) -> None:
    """A status field says who writes it, and nothing but its writer fills it in; only a new object's phase is given."""
    for path, node, _ in places(name, "status"):
        assert path == f"{name}.status" or "default" not in node, path
        assert set(node.get("default", {"phase"})) == {"phase"}, path
        if path.count(".") == 2 and not path.endswith("[]"):
            assert "Writer: operator" in node["description"], path


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_has_what_we_promise_of_all(name: str) -> None:
    """Namespaced, category keelstep, a status subresource, columns with a reason, conditions by type."""
    spec = read(name)["spec"]
    (version,) = spec["versions"]
    assert (spec["group"], spec["scope"], version["name"]) == ("keelstep.io", "Namespaced", "v1alpha1")
    assert spec["names"]["categories"] == ["keelstep"]
    assert spec["names"]["shortNames"]
    assert version["subresources"] == {"status": {}}
    columns = [column["name"] for column in version["additionalPrinterColumns"]]
    assert "Reason" in columns
    assert "Age" in columns
    status = version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
    assert status["conditions"]["x-kubernetes-list-map-keys"] == ["type"]
    assert "observedGeneration" in status["conditions"]["items"]["properties"]
    assert "observedGeneration" in status


@pytest.mark.parametrize(
    ("name", "may_change"),
    [
        ("execution", {"suspend", "cancel", "discard", "killSwitch", "ttlSecondsAfterFinished"}),
        ("approvalgate", {"decisions"}),
    ],
)
def test_the_rule_of_immutability_names_every_other_field(name: str, may_change: set[str]) -> None:
    """A field added to the spec is immutable unless it is listed as one that may change."""
    spec = next(places(name, "spec")).node
    (rule,) = (r["rule"] for r in spec["x-kubernetes-validations"] if "immutable" in r["message"])
    held = {field for field in spec["properties"] if f"self.{field} == oldSelf.{field}" in rule}
    assert held == spec["properties"].keys() - may_change


@pytest.mark.parametrize("name", NAMES)
def test_a_message_begins_with_the_field_it_is_about(name: str) -> None:
    """A refusal names a path that exists, then says what is wrong with it."""
    whole = read(name)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    known = {path.rsplit(".", 1)[-1] for path, _, _ in places(name, "spec", "status")} | {"metadata", "name"}
    rules = list(whole.get("x-kubernetes-validations", []))
    rules += [
        rule
        for _, node, _ in places(name, "spec", "status")
        for rule in node.get("x-kubernetes-validations", [])
    ]
    assert rules
    for rule in rules:
        place, colon, problem = rule["message"].partition(": ")
        assert colon
        assert problem
        assert set(place.split(".")) <= known, rule["message"]


def test_the_same_models_give_the_same_bytes() -> None:
    """Generating twice changes nothing, so a difference always means a change."""
    assert crd.render_all() == crd.render_all()
