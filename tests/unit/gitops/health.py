"""What do Argo CD and Flux make of an object? Their own rules, run on what `examples/gitops` configures.

It judges nothing itself. Argo CD runs Lua 5.1 with the basic functions and `table`, no more; Flux evaluates CEL over the
object's top-level fields, in the order in progress, failed, current.
"""

from pathlib import Path
from typing import Any

import lupa.lua51 as lua
import yaml

from keelstep.domain import cel

ROOT = Path(__file__).parents[3]
GITOPS = ROOT / "examples" / "gitops"
RECORDED = Path(__file__).parent / "recorded"
_ARGOCD = yaml.safe_load((GITOPS / "argocd" / "health.yaml").read_text())["data"]
_FLUX: list[dict[str, str]] = next(
    document["spec"]["healthCheckExprs"]
    for document in yaml.safe_load_all((GITOPS / "flux" / "kustomization.yaml").read_text())
    if document["kind"] == "Kustomization"
)
_FIELDS = ("apiVersion", "kind", "metadata", "spec", "status")
_MISSING_IN_ARGOCD = ("string", "math", "io", "debug", "coroutine", "python")

Object = dict[str, Any]


def recorded() -> dict[str, Object]:
    """Every recorded object, by the name of what it shows."""
    return {path.stem: yaml.safe_load(path.read_text()) for path in sorted(RECORDED.glob("*.yaml"))}


def argocd(found: Object) -> tuple[str, str]:
    """Health and message, as Argo CD shows them."""
    runtime = lua.LuaRuntime(unpack_returned_tuples=False)
    for name in _MISSING_IN_ARGOCD:
        runtime.globals()[name] = None
    runtime.globals()["obj"] = runtime.table_from(found, recursive=True)
    script = _ARGOCD[f"resource.customizations.health.keelstep.io_{found['kind']}"]
    answer: Any = runtime.execute(script)
    return str(answer["status"]), str(answer["message"])


def flux(found: Object) -> str:
    """InProgress, Failed or Current, as Flux waits for it; CEL that fails on the object fails the test."""
    status = found.get("status", {})
    if "observedGeneration" in status and status["observedGeneration"] != found["metadata"]["generation"]:
        return "InProgress"
    rules = next(
        rule for rule in _FLUX if rule["kind"] == found["kind"] and rule["apiVersion"] == found["apiVersion"]
    )
    for outcome in ("inProgress", "failed", "current"):
        source = rules.get(outcome)
        values = {name: found.get(name, {}) for name in _FIELDS}
        if source and cel.compile_expression(source, _FIELDS).holds(values):
            return outcome[0].upper() + outcome[1:]
    return "InProgress"
