"""Does a contract's schema fit the builtin behind it? What can be said before any call.

A schema may be narrower than the function's own (fewer digits, a fixed pattern); it may not leave out an argument that
the function needs, nor invite one that it does not know. What slips through is refused call by call.
"""

from collections.abc import Mapping
from typing import Any

from keelstep.domain.builtins import registry
from keelstep.kinds.contract import ToolContractSpec
from keelstep.kinds.transport import Builtin


def problem(builtin: Builtin, spec: ToolContractSpec) -> str:
    """The first thing that does not fit, by its field; nothing where all does."""
    function = registry.FUNCTIONS[builtin.function]
    own, given = function.input, spec.schemas.input
    known, named = own["properties"], _dict(given.get("properties"))
    required = given.get("required")
    for name in named:
        if name not in known:
            return f"schema.input.properties.{name}: {builtin.function} knows only {', '.join(known)}"
    for name in own["required"]:
        if name not in named or not isinstance(required, list) or name not in required:
            return f"schema.input: {builtin.function} needs {name}; name it in properties and in required"
    for name, wanted in named.items():
        kind, stated = known[name].get("type"), _dict(wanted).get("type")
        if kind is not None and stated is not None and stated != kind:
            return f"schema.input.properties.{name}.type: {builtin.function} takes a {kind}"
    if given.get("additionalProperties") is not False:
        return (
            f"schema.input.additionalProperties: must be false; {builtin.function} takes no other arguments"
        )
    if spec.schemas.output.get("type", "object") != "object":
        return f"schema.output.type: {builtin.function} answers with an object"
    return ""


def _dict(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}
