"""What of the charts is written by us? CRDs, policies, alerts, the example, and the values with their schema and page.

    crds/                      → charts/keelstep-crds/templates/      kept when the chart goes
    policies/, policies/alerts → charts/keelstep/files/               as they are; templates put the namespace in
    examples/refund            → charts/keelstep-example/             what Jinja and shell mean by `{{` escaped
    hack/generate/values.py    → values.yaml, values.schema.json, docs/values.md

Pure: the same sources give the same text.
"""

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic
import yaml

from examples.refund import render as example
from hack.generate import crd, values

ROOT = Path(__file__).resolve().parents[2]
CHART, CRDS, EXAMPLE = "charts/keelstep", "charts/keelstep-crds", "charts/keelstep-example"
PAGE = "docs/values.md"
WIDTH = 110
_BY = "Written by `python -m hack.generate`"
_ELSEWHERE = "operator-everywhere.yaml"
"""Whom the roles are bound to is for the chart's own templates."""
_ENDLESS = "name: runaway\n"
"""A run that ends when somebody kills it, which `make demo` does."""
_SHOP = "http://shop.{{ .Release.Namespace }}.svc.cluster.local:8080"
_PAGE_ABOUT = """\
Every value of the chart `keelstep`, with its default; `values.yaml` says the same. A value that is not in this table is
refused. How they go together stands in [install.md](install.md)."""


def render_all() -> dict[str, str]:
    """Every generated file of the charts, and the page of values."""
    return dict([*_definitions(), *_files(), *_example(), *_values()])


def escaped(text: str) -> str:
    """The text so that Helm's templates give it back as it is."""
    return text.replace("{{", "{{`{{`}}")


def _definitions() -> Iterator[tuple[str, str]]:
    for path, text in crd.render_all().items():
        kept = "  annotations:\n    helm.sh/resource-policy: keep\n"
        head, found, rest = text.partition("metadata:\n")
        assert found, path
        yield f"{CRDS}/templates/{Path(path).name}", escaped(f"{head}{found}{kept}{rest}")


def _files() -> Iterator[tuple[str, str]]:
    policies = ROOT / "policies"
    for path in sorted((policies / "admission").glob("*.yaml")):
        yield f"{CHART}/files/admission/{path.name}", path.read_text(encoding="utf-8")
    for path in sorted((policies / "rbac").glob("*.yaml")):
        if path.name != _ELSEWHERE:
            yield f"{CHART}/files/rbac/{path.name}", path.read_text(encoding="utf-8")
    yield f"{CHART}/files/alerts.yaml", (policies / "alerts" / "keelstep.yaml").read_text(encoding="utf-8")


def _example() -> Iterator[tuple[str, str]]:
    folder = ROOT / "examples" / "refund"
    for name in example.FILES:
        if name == "namespace.yaml":
            continue  # Helm's own business
        text = escaped((folder / "manifests" / name).read_text(encoding="utf-8"))
        text = text.replace("${SHOP_URL}", _SHOP)
        text = text.replace(f"namespace: {example.NAMESPACE}", "namespace: {{ .Release.Namespace }}")
        text = text.replace("namespace: keelstep-system", "namespace: {{ .Values.installation.namespace }}")
        if name == "executions.yaml":
            asked = [each for each in text.split("---\n") if _ENDLESS not in each]
            text = "{{- if .Values.executions }}\n" + "---\n".join(asked) + "{{- end }}\n"
        yield f"{EXAMPLE}/templates/{name}", text
    yield f"{EXAMPLE}/files/script.yaml", (folder / "script.yaml").read_text(encoding="utf-8")


def _values() -> Iterator[tuple[str, str]]:
    yield f"{CHART}/values.yaml", _defaults()
    yield f"{CHART}/values.schema.json", json.dumps(_schema(), indent=2) + "\n"
    yield PAGE, _page()


def _schema() -> dict[str, Any]:
    schema = values.Chart.model_json_schema(by_alias=True)
    # Helm merges what it calls global into every chart's values.
    schema["properties"]["global"] = {"type": "object", "description": "Helm's own; nothing of it is read."}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _defaults() -> str:
    lines = [f"# The values of the chart `keelstep`. {_BY} from hack/generate/values.py; edit it there."]
    return "\n".join([*lines, *_commented(values.Chart(), 0)]) + "\n"


def _commented(part: values.Values, depth: int) -> Iterator[str]:
    """A model as YAML, each value under its description."""
    indent = "  " * depth
    for name, field in type(part).model_fields.items():
        value, key = getattr(part, name), field.alias or name
        if depth == 0:
            yield ""
        for line in textwrap.wrap(_said(field, value), WIDTH - len(indent)):
            yield f"{indent}# {line}"
        if isinstance(value, values.Values):
            yield f"{indent}{key}:"
            yield from _commented(value, depth + 1)
        else:
            yield f"{indent}{key}: {_flow(value)}"


def _said(field: pydantic.fields.FieldInfo, value: object) -> str:
    """Its own description; of a part that only changes defaults what the part is."""
    described = field.description or (type(value).__doc__ if isinstance(value, values.Values) else "") or ""
    return " ".join(described.split())


def _flow(value: object) -> str:
    plain = json.loads(
        json.dumps(value, default=lambda each: each.model_dump(by_alias=True, exclude_none=True))
    )
    return (
        yaml.safe_dump(plain, default_flow_style=True, width=10_000, sort_keys=False)
        .removesuffix("...\n")
        .strip()
    )


def _page() -> str:
    parts = [
        "# Values",
        f"<!-- {_BY} from hack/generate/values.py; edit the docstrings there. -->",
        _PAGE_ABOUT,
    ]
    rows = ["| value | default | meaning |", "|---|---|---|", *_rows(values.Chart(), "")]
    return "\n\n".join([*parts, "\n".join(rows)]) + "\n"


def _rows(part: values.Values, path: str) -> Iterator[str]:
    for name, field in type(part).model_fields.items():
        value, key = getattr(part, name), f"{path}{field.alias or name}"
        if isinstance(value, values.Values):
            yield from _rows(value, f"{key}.")
        else:
            said = _said(field, value).replace("|", r"\|")
            yield f"| `{key}` | `{_flow(value)}` | {said} |"
