"""Which subject does a message go to? Every subject we use is spelled here and nowhere else.

spine.<shard>.<tenant>.<xid>.<writer>          events; writer is op, gw or a<attempt>
obj.<tenant>.<xid>.<sha256>                    payloads, write-once
obj.<tenant>.rev.<sha256>                      revisions of strategies and contracts
names.<tenant>.<name>                          which log a name belongs to
control.<scope>.<tenant>.<name>                what is stopped, last value
control.policy.<tenant>                        the platform's rules, last value
control.budget.<tenant>                        what a tenant may spend in a day, last value
cache.<tenant>.<key>                           results that may answer other runs, last value, forgotten
limits.calls.<tenant>.<contract>               how a tenant's calls of a contract are paced, last value
limits.tool.<key>                              how all tenants' calls of a tool are paced, last value
limits.breaker.<tenant>.<contract>             a circuit breaker, last value
limits.money.<tenant>.<day>                    what gateways may spend of a tenant's day, last value
limits.drift.<tenant>.<key>                    what gateways met of a reviewed tool, last value
call.<shard>.<tenant>.<xid>.a<attempt>.<verb>  a runner asks a gateway
"""

REVISIONS = "rev"
"""Stands where an xid would: revisions belong to the tenant."""
CALL_VERBS = ("model", "tool", "undo", "log", "object")
"""What a runner may ask a gateway."""


def spine(shard: int, tenant: str, xid: str, writer: str) -> str:
    """One writer's subject of one execution; writer `*` is every writer."""
    return f"spine.{shard}.{tenant}.{xid}.{writer}"


def whole(shard: int) -> str:
    """Every writer's subject of every execution of a shard: what its stream takes."""
    return f"spine.{shard}.>"


def attempt(number: int) -> str:
    """A runner's writer token."""
    return f"a{number}"


def obj(tenant: str, xid: str, digest: str) -> str:
    """A payload of an execution, by digest."""
    return f"obj.{tenant}.{xid}.{digest}"


def revision(tenant: str, digest: str) -> str:
    """A revision of a strategy or contract, by digest."""
    return f"obj.{tenant}.{REVISIONS}.{digest}"


def name(tenant: str, execution: str) -> str:
    """The record of which log an Execution's name belongs to."""
    return f"names.{tenant}.{execution}"


def control(scope: str, tenant: str, target: str = "") -> str:
    """What is stopped at one scope: tenant, strategy, tool or execution; or the rules (policy) or the daily budget of a
    tenant, which like the tenant itself have no target."""
    return f"control.{scope}.{tenant}.{target}" if target else f"control.{scope}.{tenant}"


def cached(tenant: str, key: str) -> str:
    """A result that may answer equal calls of a tenant's other runs."""
    return f"cache.{tenant}.{key}"


def paced(tenant: str, contract: str) -> str:
    """How a tenant's calls of a contract are paced."""
    return f"limits.calls.{tenant}.{contract}"


def paced_tool(key: str) -> str:
    """How all tenants' calls of a tool are paced."""
    return f"limits.tool.{key}"


def breaker(tenant: str, contract: str) -> str:
    """A tenant's circuit breaker of a contract."""
    return f"limits.breaker.{tenant}.{contract}"


def money(tenant: str, day: str) -> str:
    """What gateways may spend of a tenant's day, `2026-11-21`."""
    return f"limits.money.{tenant}.{day}"


def drift(tenant: str, key: str) -> str:
    """What gateways met of a tool that was reviewed (`domain.drift.key`)."""
    return f"limits.drift.{tenant}.{key}"


def call(shard: int, tenant: str, xid: str, number: int, verb: str) -> str:
    """An attempt's request to the gateways."""
    return f"call.{shard}.{tenant}.{xid}.{attempt(number)}.{verb}"


def call_of_all(shard: int, verb: str) -> str:
    """Every attempt's requests of one verb: what gateways listen to."""
    return f"call.{shard}.*.*.*.{verb}"


def inbox(xid: str, number: int) -> str:
    """The prefix of an attempt's private inbox."""
    return f"_INBOX.{xid}.{attempt(number)}"


def stream(shard: int) -> str:
    """The stream of a shard's executions."""
    return f"SPINE-{shard}"


OBJECTS_STREAM = "OBJ"
CONTROL_STREAM = "CONTROL"
NAMES_STREAM = "NAMES"
CACHE_STREAM = "CACHE"
LIMITS_STREAM = "LIMITS"
