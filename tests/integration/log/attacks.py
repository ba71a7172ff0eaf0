"""What a runner might try, each as a sentence: it has a valid identity and a client that sends anything."""

from collections.abc import Callable

from keelstep.log import identities, subjects
from keelstep.log.identities import Role
from tests.integration.log.stage import DIGEST, Scene

SAY: dict[str, Callable[[Scene], str]] = {
    "append to another execution": lambda s: s.event(s.victim),
    "append as the operator": lambda s: s.event(writer="op"),
    "append as the gateway": lambda s: s.event(writer="gw"),
    "append as the next attempt": lambda s: s.event(writer="a2"),
    "append in another tenant": lambda s: s.event(tenant="other"),
    "append in another shard": lambda s: s.event(shard=1),
    "call as another execution": lambda s: s.call(s.victim),
    "call as another attempt": lambda s: s.call(number=2),
    "store an object of another execution": lambda s: subjects.obj(s.tenant, s.victim, "1" * 64),
    "store a revision": lambda s: subjects.revision(s.tenant, DIGEST),
    "bind a name": lambda s: subjects.name(s.tenant, "refund"),
    "write control state": lambda s: subjects.control("tenant", s.tenant),
    "give back a day's money": lambda s: subjects.money(s.tenant, "2026-11-21"),
    "close a breaker": lambda s: subjects.breaker(s.tenant, "refund.issue"),
    "delete the stream": lambda s: "$JS.API.STREAM.DELETE.SPINE-0",
    "purge the stream": lambda s: "$JS.API.STREAM.PURGE.SPINE-0",
    "update the stream": lambda s: "$JS.API.STREAM.UPDATE.SPINE-0",
    "delete a message": lambda s: "$JS.API.STREAM.MSG.DELETE.SPINE-0",
    "ask about the stream": lambda s: "$JS.API.STREAM.INFO.SPINE-0",
    "get a message directly": lambda s: f"$JS.API.DIRECT.GET.SPINE-0.{s.event(s.victim, 'op')}",
    "get a message by the leader": lambda s: "$JS.API.STREAM.MSG.GET.SPINE-0",
    "create a consumer": lambda s: "$JS.API.CONSUMER.CREATE.SPINE-0",
    "ask the system account": lambda s: "$SYS.REQ.SERVER.PING",
    "change an account": lambda s: "$SYS.REQ.CLAIMS.UPDATE",
    "ping the services": lambda s: "$SRV.PING",
    "answer somebody's request": lambda s: "_R_.somebody.token",
    "write into another runner's inbox": lambda s: f"{subjects.inbox(s.victim, 1)}.token",
    "write into the operator's inbox": lambda s: f"{identities.inbox(Role.OPERATOR)}.private",
}
"""Publishes that the broker refuses outright."""

HEAR: dict[str, Callable[[Scene], str]] = {
    "everything": lambda s: ">",
    "every event": lambda s: "spine.>",
    "its own execution's events": lambda s: s.event(writer="*"),
    "every call": lambda s: "call.>",
    "its own calls, as a gateway would": lambda s: s.call(),
    "every object": lambda s: "obj.>",
    "every inbox": lambda s: "_INBOX.>",
    "another runner's inbox": lambda s: f"{subjects.inbox(s.victim, 1)}.>",
    "another attempt's inbox": lambda s: f"{subjects.inbox(s.own, 2)}.>",
    "replies to services": lambda s: "_R_.>",
    "the stream's own messages": lambda s: "$JS.>",
    "the system account's messages": lambda s: "$SYS.>",
    "control state": lambda s: "control.>",
    "what everybody has used of the limits": lambda s: "limits.>",
}
"""Subscriptions that the broker refuses outright."""

REPLY: dict[str, Callable[[Scene], str]] = {
    "delete the stream": lambda s: "$JS.API.STREAM.DELETE.SPINE-0",
    "delete the objects": lambda s: "$JS.API.STREAM.DELETE.OBJ",
    "purge the objects": lambda s: "$JS.API.STREAM.PURGE.OBJ",
    "append to another execution": lambda s: s.event(s.victim),
    "append as the operator": lambda s: s.event(writer="op"),
    "store an object of another execution": lambda s: subjects.obj(s.tenant, s.victim, "1" * 64),
    "write control state": lambda s: subjects.control("tenant", s.tenant),
    "bind a name": lambda s: subjects.name(s.tenant, "refund"),
    "give back a day's money": lambda s: subjects.money(s.tenant, "2026-11-21"),
    "call as another execution": lambda s: s.call(s.victim),
    "write into the operator's inbox": lambda s: f"{identities.inbox(Role.OPERATOR)}.private",
    "change an account": lambda s: "$SYS.REQ.CLAIMS.UPDATE",
}
"""Where a runner may ask to be answered: the broker publishes the answer without asking whether the runner could."""


HEADERS: dict[str, dict[str, str]] = {
    "roll up the whole stream": {"Nats-Rollup": "all"},
    "roll up its own subject": {"Nats-Rollup": "sub"},
    "let its event expire": {"Nats-TTL": "1"},
    "write on another execution by a schedule": {
        "Nats-Schedule": "@at 2020-01-01T00:00:00Z",
        "Nats-Schedule-Target": "spine.0.tenant.victim.a1",
    },
    "erase a schedule's subject": {"Nats-Schedule-Next": "purge"},
    "append in a batch": {"Nats-Batch-Id": "b", "Nats-Batch-Sequence": "1", "Nats-Batch-Commit": "1"},
    "count instead of append": {"Nats-Incr": "+1"},
    "pretend to be another stream's copy": {"Nats-Stream-Source": "SPINE-0 1 > > >"},
}
"""Headers on the runner's own subject that ask the broker for more than an append."""
