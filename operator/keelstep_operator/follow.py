"""What happened at the broker? Events of logs and changes of CONTROL wake the keys they concern; nothing is decided.

A run at work makes many events that change nothing but numbers in its status. It is looked at now and then: hundreds of
runs at work leave time for what is urgent. Everything else about it is looked at as it is stored.
"""

from keelstep.domain.state import State
from keelstep.events import registry, types
from keelstep.kinds import names
from keelstep.log import control, follow
from keelstep_operator.context import Context
from keelstep_operator.queue import Key

GLANCE_SECONDS = 2.0
"""A run at work is looked at so often."""
FIRST_SECONDS = 0.2
"""So long after the first event of its work: a short one is over by then, and shown as that at once."""
_AT_WORK = frozenset(
    registry.NAMES[each]
    for each in (
        types.ModelCalled,
        types.ModelReplied,
        types.PlanProposed,
        types.PolicyEvaluated,
        types.ToolCalled,
        types.ToolRetried,
        types.ToolResult,
    )
)
"""Types of events by which a run goes on as before. A runner may say anything of its own: then it is looked at later."""


async def run(ctx: Context) -> None:
    """Wake for every event of a run that we know; returns only when cancelled.

    Raises:
        errors.BrokerClosedError: the connection is closed for good.
    """

    def wake(heard: follow.Heard) -> None:
        key = ctx.runs.by_xid.get(heard.xid)
        if key is None or heard.writer == types.Writer.OPERATOR:
            return
        seconds = pause(heard, ctx.logs.peek(heard.xid))
        if seconds:
            ctx.queue.glance(key, seconds)
        else:
            ctx.queue.wake(key)

    await follow.follow(ctx.nc, ctx.settings.shard, wake)


def pause(heard: follow.Heard, known: State | None) -> float:
    """How soon a run is worth a glance, as far as we know it, seconds; 0 where it is to be looked at now."""
    if heard.type not in _AT_WORK or known is None or known.is_unwinding:
        return 0
    return GLANCE_SECONDS if known.worked else FIRST_SECONDS


def woken_by_limits(ctx: Context, subject: str) -> None:
    """Whose breaker changed."""
    _, kind, tenant, contract = subject.split(".", 3)
    if kind == "breaker":
        ctx.queue.wake(Key("ToolContract", tenant, contract))


def woken_by_control(ctx: Context, record: control.Record) -> None:
    """Whom a change of what is stopped concerns."""
    match record.scope:
        case "execution":
            key = ctx.runs.by_xid.get(record.target)
            if key is not None:
                ctx.queue.wake(key)
        case "tool":
            ctx.queue.wake(Key("ToolContract", record.tenant, record.target))
        case "strategy":
            ctx.queue.wake(Key("AgentStrategy", record.tenant, record.target))
            _wake_tenant(ctx, record.tenant)
        case "budget":
            ctx.queue.wake(Key("Namespace", "", record.tenant))
        case "policy":
            ctx.queue.wake(Key("ConfigMap", record.tenant, names.POLICY_CONFIG_MAP))
        case "tenant":
            ctx.queue.wake(Key("Namespace", "", record.tenant))
            _wake_tenant(ctx, record.tenant)


def _wake_tenant(ctx: Context, tenant: str) -> None:
    """Every run of a tenant that may not be over, those included whose resource is gone.

    Of what has ended there are thousands, more than we hold logs of: each would be read again, and keep the others waiting.
    """
    for key in {*ctx.cache.keys("Execution", tenant), *ctx.runs.by_key}:
        if key.namespace == tenant and not ctx.is_over(key):
            ctx.queue.wake(key)
