"""The resource kinds a person applies, as pydantic models: the single source of the CRD YAML in `crds/`.

What is here: one module per kind, `resource` (what they share) and `names` (every name and label we give).
What is not: any decision about them (`keelstep.domain`). Start with `execution`.
"""

from keelstep.kinds.contract import ToolContract
from keelstep.kinds.execution import Execution
from keelstep.kinds.gate import ApprovalGate
from keelstep.kinds.resource import API_VERSION, GROUP, VERSION, Resource
from keelstep.kinds.strategy import AgentStrategy

KINDS: tuple[type[Resource], ...] = (AgentStrategy, ToolContract, Execution, ApprovalGate)
"""All our kinds, in the order a person meets them."""

__all__ = [
    "API_VERSION",
    "GROUP",
    "KINDS",
    "VERSION",
    "AgentStrategy",
    "ApprovalGate",
    "Execution",
    "Resource",
    "ToolContract",
]
