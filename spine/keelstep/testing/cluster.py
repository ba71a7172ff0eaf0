"""How does a test get a real cluster of brokers? Three nats-servers of one installation, every stream kept three times.

Each server can be ended, frozen, wiped and started again by itself. Nothing here imitates a server.
"""

import asyncio
import contextlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TypeVar

import msgspec
import nats.errors
from nats.aio.client import Client

from keelstep import errors
from keelstep.log import installation, jetstream, streams, subjects
from keelstep.log.identities import Role
from keelstep.log.installation import Node
from keelstep.testing import eventually, natsserver, ports
from keelstep.testing.clients import Clients

REPLICAS = 3
STREAMS = (subjects.stream(0), subjects.OBJECTS_STREAM, subjects.CONTROL_STREAM, subjects.NAMES_STREAM)
ELECTION_SECONDS = 60.0
"""Far longer than the servers take to agree on a leader, on a busy machine too."""


class _Cluster(msgspec.Struct, frozen=True):
    leader: str = ""


class _Info(msgspec.Struct, frozen=True):
    cluster: _Cluster


class _Status(msgspec.Struct, frozen=True):
    status: str = ""


class _Named(msgspec.Struct, frozen=True):
    name: str


class _Health(msgspec.Struct, frozen=True):
    server: _Named
    data: _Status = _Status()


class _State(msgspec.Struct, frozen=True):
    messages: int
    last_seq: int


class _Stream(msgspec.Struct, frozen=True):
    name: str
    state: _State


class _Account(msgspec.Struct, frozen=True):
    stream_detail: list[_Stream] = []


class _Accounts(msgspec.Struct, frozen=True):
    account_details: list[_Account] = []


class _Holding(msgspec.Struct, frozen=True):
    server: _Named
    data: _Accounts = _Accounts()


Answer = TypeVar("Answer", _Health, _Holding)


@dataclass(slots=True)
class RunningCluster(Clients):
    """Three nats-servers in a folder; an async context manager that starts and stops them and closes connections."""

    nodes: Mapping[str, natsserver.Process] = field(init=False)

    def __post_init__(self) -> None:
        picked = ports.pick(2 * REPLICAS)
        nodes = [
            Node(name=f"nats-{number}", port=picked[2 * number], cluster_port=picked[2 * number + 1])
            for number in range(REPLICAS)
        ]
        self.installation = installation.create(self.folder / "installation", nodes=nodes)
        self.nodes = {
            node.name: natsserver.Process(
                self.installation.configuration_of(node.name), self.folder, node.port, node.name
            )
            for node in nodes
        }

    @property
    def url(self) -> str:
        """Every server's address."""
        return ",".join(self.url_of(name) for name in self.nodes)

    def url_of(self, node: str) -> str:
        """One server's address."""
        return f"nats://127.0.0.1:{self.nodes[node].port}"

    async def __aenter__(self) -> "RunningCluster":
        async with asyncio.TaskGroup() as group:
            for process in self.nodes.values():
                group.create_task(process.start())
        admin = await self.connect(Role.OPERATOR)
        await eventually.awaited(
            lambda: _made(admin), "the servers to agree on the streams", within_seconds=ELECTION_SECONDS
        )
        await self.settled()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
        for process in self.nodes.values():
            await process.kill()  # servers that end one after the other would wait for each other

    def others(self, *nodes: str) -> list[str]:
        """The servers that are none of these."""
        return [name for name in self.nodes if name not in nodes]

    async def leader_of(self, stream: str, nc: Client) -> str:
        """The server that leads a stream, as asked through a connection; waited for."""
        return await eventually.awaited(
            lambda: _leader(nc, stream), f"{stream} to have a leader", within_seconds=ELECTION_SECONDS
        )

    async def led_by_another(self, stream: str, former: str, nc: Client) -> str:
        """The server that leads a stream once it is not `former` any more."""

        async def other() -> str:
            leader = await _leader(nc, stream)
            return "" if leader == former else leader

        return await eventually.awaited(
            other, f"{stream} to have another leader", within_seconds=ELECTION_SECONDS
        )

    async def settled(self) -> None:
        """Return once every running server has the same of every stream, and says that it misses nothing."""
        nc = await self.connect(Role.SYSTEM)
        running = {name for name, process in self.nodes.items() if process.is_running}

        async def is_settled() -> bool:
            answers = await _everybody(nc, "HEALTHZ", b"", running, _Health)
            healthy = {answer.server.name for answer in answers if answer.data.status == "ok"}
            copies = await _copies(nc, running)
            held = {
                tuple(sorted(item for item in copies.get(name, {}).items() if item[0] in STREAMS))
                for name in running
            }
            return running <= healthy and len(held) == 1 and all(len(each) == len(STREAMS) for each in held)

        await eventually.awaited(
            is_settled, "every server to have every stream", within_seconds=ELECTION_SECONDS
        )
        await nc.close()

    async def mend(self) -> None:
        """Start what was ended and let go on what was frozen, whatever was done to it before."""
        for process in self.nodes.values():
            if process.is_running:
                process.thaw()
            else:
                await process.start()
        await self.settled()

    async def kill(self, node: str) -> None:
        """End a server without a chance to tidy up."""
        await self.nodes[node].kill()

    async def stop(self, node: str) -> None:
        """End a server as an administrator would."""
        await self.nodes[node].stop()

    async def start(self, node: str) -> None:
        """Start a server that was ended."""
        await self.nodes[node].start()

    async def restart(self, node: str) -> None:
        """End a server as an administrator would and start it again."""
        await self.stop(node)
        await self.start(node)

    def freeze(self, node: str) -> None:
        """Stop a server's clock for it: connections stay open and nothing answers."""
        self.nodes[node].freeze()

    def thaw(self, node: str) -> None:
        """Let a frozen server go on."""
        self.nodes[node].thaw()

    def wipe(self, node: str) -> None:
        """Lose the disk of a server that was ended."""
        assert not self.nodes[node].is_running
        shutil.rmtree(self.installation.folder / "state" / node)


async def _made(nc: Client) -> bool:
    with contextlib.suppress(errors.BrokerError):
        await streams.ensure(nc, replicas=REPLICAS)
        return True
    return False


async def _leader(nc: Client, stream: str) -> str:
    """The server that leads a stream; empty while there is none."""
    with contextlib.suppress(errors.BrokerError):
        return (await jetstream.call(nc, f"STREAM.INFO.{stream}", type=_Info, timeout=1)).cluster.leader
    return ""


async def _everybody(
    nc: Client, what: str, body: bytes, servers: set[str], type: type[Answer]
) -> list[Answer]:
    """What these servers say about themselves, as many of them as answer."""
    inbox = nc.new_inbox()
    subscription = await nc.subscribe(inbox)
    found: list[Answer] = []
    try:
        await nc.publish(f"$SYS.REQ.SERVER.PING.{what}", body, reply=inbox)
        while len(found) < len(servers):
            found.append(msgspec.json.decode((await subscription.next_msg(timeout=1)).data, type=type))
    except nats.errors.Error:
        pass  # somebody is not there yet
    finally:
        await subscription.unsubscribe()
    return found


async def _copies(nc: Client, servers: set[str]) -> dict[str, dict[str, tuple[int, int]]]:
    """How many messages each server itself holds of each stream, and the last sequence."""
    about = msgspec.json.encode({"accounts": True, "streams": True})
    return {
        answer.server.name: {
            stream.name: (stream.state.messages, stream.state.last_seq)
            for account in answer.data.account_details
            for stream in account.stream_detail
        }
        for answer in await _everybody(nc, "JSZ", about, servers, _Holding)
    }
