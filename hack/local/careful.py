"""Which agent undoes what it did? The example's, with contracts that say how a credit is found and revoked.

Manifests only; whoever applies them changes parts of them first.
"""

import copy
from collections.abc import Mapping
from typing import Any

from hack.local import world
from hack.local.world import AUTHOR, Tenant

AGENT = "careful-agent"
FIND = {
    "contract": "credits.find",
    "arguments": "{order_id: args.order_id, reference: key}",
    "performed": "size(output.credits) > 0",
    "output": "output.credits[0].{credit_id: id, status: state}",
    "settleSeconds": 1,
}
"""How a credit whose answer was lost is found in the shop's books."""
_CREDIT = {"credit_id": {"type": "string"}}
_WANTED = {"order_id": {"type": "string"}, "reference": {"type": "string"}}


def apply(tenant: Tenant, changes: Mapping[str, Mapping[str, Any]]) -> None:
    """Apply contracts and agent as their author; fields of a contract's `failurePolicy` may be changed by its name."""
    author = tenant.person(AUTHOR)
    contracts = _contracts(tenant)
    for name, policy in changes.items():
        spec = contracts[name]["spec"]
        spec["failurePolicy"] = {**spec["failurePolicy"], **policy}
    tenant.apply(author, list(contracts.values()))
    strategies = tenant.manifests("strategies.yaml")
    agent = copy.deepcopy(next(each for each in strategies if each["metadata"]["name"] == "support-agent"))
    agent["metadata"]["name"] = AGENT
    agent["spec"] |= {"tools": [{"contract": name} for name in contracts], "successCriteria": []}
    tenant.apply(author, [agent])
    tenant.until(f"{AGENT} to be ready", lambda: world.is_ready(tenant.get("agentstrategies", AGENT)))


def _contracts(tenant: Tenant) -> dict[str, Any]:
    """The example's, with a credit that can be undone, what undoes it and what finds it."""
    found = {each["metadata"]["name"]: copy.deepcopy(each) for each in tenant.manifests("contracts.yaml")}
    grant = found["credit.grant"]
    revoke, find = copy.deepcopy(grant), copy.deepcopy(found["orders.get"])
    grant["spec"]["compensation"] = {
        "contract": "credit.revoke",
        "arguments": "{credit_id: output.credit_id}",
    }
    revoke["metadata"]["name"] = "credit.revoke"
    revoke["spec"]["schema"] = {
        "input": {"type": "object", "required": [*_CREDIT], "properties": _CREDIT},
        "output": {"type": "object"},
    }
    revoke["spec"]["idempotency"] = {"mode": "Keyed"}
    http = revoke["spec"]["transport"]["http"]
    http |= {"url": f"{http['url']}/{{credit_id}}/revoke", "body": "null"}
    del http["response"]
    find["metadata"]["name"] = "credits.find"
    find["spec"]["schema"] = {
        "input": {"type": "object", "required": [*_WANTED], "properties": _WANTED},
        "output": {"type": "object", "required": ["credits"]},
    }
    find["spec"]["transport"]["http"]["url"] += "/credits?reference={reference}"
    find["spec"]["credentials"] = grant["spec"]["credentials"]
    for each in (grant, revoke, find, found["ticket.reply"]):
        each["spec"]["failurePolicy"]["backoffSeconds"] = 0
    return found | {"credit.revoke": revoke, "credits.find": find}
