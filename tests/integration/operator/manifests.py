"""What do people apply in these tests? One small strategy, its two contracts, and executions of it."""

from typing import Any

from keelstep import kinds
from tests.integration.kinds import api

REQUESTER = "ann"


def contract(namespace: str, name: str = "orders.get", **spec: Any) -> api.Object:
    """A contract that reads; any part of its spec may be changed."""
    base: api.Object = {
        "description": "Look up one order.",
        "sideEffect": "ReadOnly",
        "consequenceTier": 0,
        "schema": {
            "input": {"type": "object", "properties": {"order_id": {"type": "string"}}},
            "output": {"type": "object"},
        },
        "transport": {"http": {"method": "GET", "url": "http://shop.example/orders/{order_id}"}},
    }
    return _manifest("ToolContract", namespace, name, api.merge(base, spec))


def refund(namespace: str, name: str = "refund.issue", **spec: Any) -> api.Object:
    """A contract that pays money back: a person is always asked."""
    base: api.Object = {
        "description": "Pay money back.",
        "sideEffect": "Irreversible",
        "consequenceTier": 3,
        "schema": {
            "input": {
                "type": "object",
                "properties": {"order_id": {"type": "string"}, "amount": {"type": "string"}},
            },
            "output": {"type": "object"},
        },
        "idempotency": {"mode": "Keyed", "key": ["order_id"]},
        "budgets": {"estimatedCostUSD": "0.002"},
        "approval": {"required": 1, "deadlineSeconds": 600, "validForSeconds": 300},
        "transport": {"http": {"method": "POST", "url": "http://shop.example/refunds"}},
    }
    return _manifest("ToolContract", namespace, name, api.merge(base, spec))


def strategy(namespace: str, name: str = "support", **spec: Any) -> api.Object:
    """An agent that may use both contracts."""
    base: api.Object = {
        "version": "1.0.0",
        "model": {"name": "scripted/one"},
        "prompt": {
            "template": "You help {{ customer }}.",
            "slots": [{"name": "customer"}, {"name": "vip", "type": "boolean", "optional": True}],
        },
        "tools": [{"contract": "orders.get"}, {"contract": "refund.issue"}],
        "limits": {"costUSD": "0.50", "wallClockSeconds": 3600},
        "autonomy": {"maxTier": 2},
    }
    return _manifest("AgentStrategy", namespace, name, api.merge(base, spec))


def execution(namespace: str, name: str = "run", **spec: Any) -> api.Object:
    """One run of it."""
    base: api.Object = {
        "strategyRef": {"name": "support"},
        "goal": "Order 1042 arrived broken.",
        "inputs": {"customer": "Ada"},
        "requestedBy": REQUESTER,
        "budget": {"costUSD": "0.25"},
    }
    return _manifest("Execution", namespace, name, api.merge(base, spec))


def gate(namespace: str, name: str) -> api.Object:
    """A gate, to name it only."""
    return _manifest("ApprovalGate", namespace, name, {})


def core(kind: str, namespace: str, name: str, **rest: Any) -> api.Object:
    """An object of Kubernetes' own."""
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **rest}


def _manifest(kind: str, namespace: str, name: str, spec: api.Object) -> api.Object:
    return {
        "apiVersion": kinds.API_VERSION,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }
