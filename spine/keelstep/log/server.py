"""What does nats-server read: one server alone, or one of several that keep every stream together?

What all servers of an installation share is its trust: who vouches for accounts and which accounts there are. What is
a server's own is where it listens and keeps its state. Pure: keys and times are arguments. Nothing here writes a file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from keelstep.log import identities
from keelstep.log.tokens import Key

MAX_PAYLOAD_BYTES = 8 * 1024 * 1024
"""The largest message: an object."""
ROUTES_USER = "keelstep"
"""Under which servers of a cluster greet each other."""
_SYNC = "5s"
"""How often a server compares its accounts with another's: so long may one that was away answer a revoked runner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """The keys that accounts and their vouching hang on."""

    operator: Key
    operator_signing: Key
    system: Key
    system_signing: Key
    core: Key
    core_signing: Key
    run: Key
    run_signing: Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """How a server finds the others; every server of a cluster is given the same routes."""

    routes: Sequence[str]
    """`host:port` of every server's cluster port, its own among them."""
    port: int
    password: str
    """Only who knows it becomes a server; whoever does may read and write everything."""
    host: str = "127.0.0.1"
    name: str = "keelstep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where one nats-server listens and keeps its state."""

    state: Path
    """A folder of its own."""
    host: str = "127.0.0.1"
    port: int = 4222
    """-1 lets the server choose a free one."""
    name: str = "keelstep"
    """Its own in a cluster: streams remember their servers by name."""
    cluster: Cluster | None = None


def configuration(trust: Trust, server: Server, now: int) -> dict[str, object]:
    """What one server reads: nats-server's configuration language includes JSON."""
    vouching = trust.operator_signing
    found: dict[str, object] = {
        "server_name": server.name,
        "host": server.host,
        "port": server.port,
        "max_payload": MAX_PAYLOAD_BYTES,
        "ping_interval": "10s",
        "ping_max": 2,
        "operator": identities.operator_token(trust.operator, vouching, trust.system.public, now),
        "system_account": trust.system.public,
        # the memory resolver would forget revocations at a restart
        "resolver": {
            "type": "full",
            "dir": str(server.state / "accounts"),
            "allow_delete": False,
            "interval": _SYNC,
        },
        "resolver_preload": {
            trust.system.public: identities.system_account(
                trust.system.public, trust.system_signing, vouching, now
            ),
            trust.core.public: identities.core_account(trust.core.public, trust.core_signing, vouching, now),
            trust.run.public: identities.run_account(
                trust.run.public, trust.run_signing, trust.core.public, vouching, now
            ),
        },
        # without it an acknowledged append may be lost with the machine: the default flushes every two minutes
        "jetstream": {"store_dir": str(server.state / "jetstream"), "sync_interval": "always"},
    }
    if server.cluster is not None:
        found["cluster"] = _cluster(server.cluster)
    return found


def _cluster(cluster: Cluster) -> dict[str, object]:
    greeting = f"{ROUTES_USER}:{cluster.password}"
    return {
        "name": cluster.name,
        "host": cluster.host,
        "port": cluster.port,
        "authorization": {"user": ROUTES_USER, "password": cluster.password, "timeout": 5},
        "routes": [f"nats://{greeting}@{route}" for route in cluster.routes],
        # clients go where they are told to: what a server calls itself may mean nothing to them
        "no_advertise": True,
    }
