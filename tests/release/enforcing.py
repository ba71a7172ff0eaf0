"""What do NetworkPolicies let through? They are made iptables rules of a containerd node, so that what they say is so.

The node's own network plugin enforces none, and no policy controller is among the modules that can be had, so this stands
in their place, for tests: level-triggered, a whole table at a time. `render` is pure.
"""

import ipaddress
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from hack.release import Scene
from tests.integration.kinds import api

Object = Mapping[str, Any]

LOOK_SECONDS = 0.2
CHAIN = "KS-POLICIES"
_PATHS = ("/api/v1/pods", "/api/v1/namespaces", "/apis/networking.k8s.io/v1/networkpolicies")
_HOOKS = ("FORWARD", "INPUT")
"""Where what comes from a Pod or goes to one passes; a node may always speak to its own Pods. Service addresses have been
replaced by Pods' there, and `mangle` comes before whatever kube-proxy accepts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """All that policies are about, as the API server has it."""

    pods: Sequence[Object]
    labels: Mapping[str, Mapping[str, str]]
    """Of each namespace."""
    policies: Sequence[Object]


@dataclass(slots=True)
class Enforcer:
    """A thread that looks and writes."""

    scene: Scene
    known: set[str] = field(default_factory=set)
    """Addresses of Pods that the rules in force were made of."""
    failure: str = ""
    _ended: threading.Event = field(default_factory=threading.Event)

    def work(self) -> None:
        """Until it is told to end."""
        person = api.Persona(self.scene.admin.kubeconfig)
        written = ""
        while not self._ended.wait(LOOK_SECONDS):
            world = _read(person)
            wanted = render(world)
            if wanted != written:
                self.failure = self._write(wanted)
                written = wanted
            self.known = {_address(pod) for pod in world.pods}
        person.close()

    def end(self) -> None:
        """Stop looking; the rules stay as they are."""
        self._ended.set()

    def _write(self, table: str) -> str:
        failure = self._in_node("iptables-restore", "--noflush", stdin=table)
        for hook in _HOOKS:
            jump = ("iptables", "-t", "mangle")
            if self._in_node(*jump, "-C", hook, "-j", CHAIN):
                failure += self._in_node(*jump, "-I", hook, "-j", CHAIN)
        return failure

    def _in_node(self, *command: str, stdin: str = "") -> str:
        done = subprocess.run(
            [*self.scene.into_node(), *command], input=stdin, capture_output=True, text=True, check=False
        )
        return "" if done.returncode == 0 else f"{command[0]}: {done.stderr}"


@contextmanager
def enforced(scene: Scene) -> Iterator[Enforcer]:
    """NetworkPolicies hold on the scene's node, in the block."""
    enforcer = Enforcer(scene)
    # else Pods of one node speak through the bridge, and no rule is asked
    bridged = "echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables"
    subprocess.run([*scene.into_node(), "sh", "-c", bridged], check=True)
    thread = threading.Thread(target=enforcer.work, daemon=True)
    thread.start()
    try:
        yield enforcer
        assert not enforcer.failure, enforcer.failure
    finally:
        enforcer.end()
        thread.join()


def render(world: World) -> str:
    """The rules, as `iptables-restore` reads them: what no chain of a Pod lets through is dropped there."""
    chains, rules = [CHAIN], [f"-A {CHAIN} -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"]
    for number, pod in enumerate(world.pods):
        for way, address in (("Egress", "-s"), ("Ingress", "-d")):
            chosen = [each for each in world.policies if _selects(each, pod, way)]
            if not chosen:
                continue
            chain = f"KS-{way[0]}-{number}"
            chains.append(chain)
            rules.append(f"-A {CHAIN} {address} {_address(pod)} -j {chain}")
            rules += (
                f"-A {chain} {match} -j RETURN"
                for each in chosen
                for match in _matches(world, each, pod, way)
            )
            rules.append(f"-A {chain} -j DROP")
    declared = (f":{chain} - [0:0]" for chain in chains)
    return "\n".join(("*mangle", *declared, *rules, "COMMIT", ""))


def _read(person: api.Persona) -> World:
    pods, found, policies = (person.fetch(path).body["items"] for path in _PATHS)
    over = ("Succeeded", "Failed")
    return World(
        pods=[
            pod
            for pod in pods
            if _address(pod) and not pod["spec"].get("hostNetwork") and pod["status"]["phase"] not in over
        ],
        labels={each["metadata"]["name"]: each["metadata"].get("labels", {}) for each in found},
        policies=policies,
    )


def _address(pod: Object) -> str:
    return str(pod["status"].get("podIP", ""))


def _selects(policy: Object, pod: Object, way: str) -> bool:
    spec = policy["spec"]
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])]
    here = policy["metadata"]["namespace"] == pod["metadata"]["namespace"]
    return here and way in types and _fits(spec["podSelector"], pod["metadata"].get("labels", {}))


def _matches(world: World, policy: Object, pod: Object, way: str) -> Iterator[str]:
    """What the policy lets through, a rule's match each."""
    peers_of, address = ("to", "-d") if way == "Egress" else ("from", "-s")
    for rule in policy["spec"].get(way.lower()) or ():
        peers: Sequence[Object | None] = rule.get(peers_of) or [None]
        for peer in peers:
            for network, other in _networks(world, policy, peer):
                # a port's name is that of the Pod that listens
                target = pod if way == "Ingress" else other
                for port in _ports(rule.get("ports") or (), target):
                    yield f"{address} {network} {port}".strip()


def _networks(world: World, policy: Object, peer: Object | None) -> Iterator[tuple[str, Object | None]]:
    """The addresses of a peer, and whose they are where it is a Pod."""
    if peer is None:
        yield "0.0.0.0/0", None
        return
    if block := peer.get("ipBlock"):
        yield from ((each, None) for each in _without(block["cidr"], block.get("except", ())))
        return
    own = policy["metadata"]["namespace"]
    for pod in world.pods:
        namespace = pod["metadata"]["namespace"]
        selector = peer.get("namespaceSelector")
        there = namespace == own if selector is None else _fits(selector, world.labels.get(namespace, {}))
        if there and _fits(peer.get("podSelector", {}), pod["metadata"].get("labels", {})):
            yield f"{_address(pod)}/32", pod


def _without(cidr: str, excepted: Iterable[str]) -> list[str]:
    left = [ipaddress.ip_network(cidr)]
    for each in map(ipaddress.ip_network, excepted):
        left = [
            part
            for network in left
            for part in (network.address_exclude(each) if each.subnet_of(network) else [network])  # type: ignore[arg-type]
        ]
    return [str(network) for network in left]


def _ports(ports: Sequence[Object], target: Object | None) -> Iterator[str]:
    if not ports:
        yield ""
    for port in ports:
        protocol, wanted = str(port.get("protocol", "TCP")).lower(), port.get("port")
        if isinstance(wanted, str):
            named = [
                each["containerPort"]
                for container in (target or {"spec": {"containers": []}})["spec"]["containers"]
                for each in container.get("ports", ())
                if each.get("name") == wanted
            ]
            yield from (f"-p {protocol} --dport {each}" for each in named)
        elif wanted is None:
            yield f"-p {protocol}"
        else:
            yield f"-p {protocol} --dport {wanted}:{port.get('endPort', wanted)}"


def _fits(selector: Object, labels: Mapping[str, str]) -> bool:
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    return all(_holds(each, labels) for each in selector.get("matchExpressions", ()))


def _holds(asked: Object, labels: Mapping[str, str]) -> bool:
    key = asked["key"]
    match asked["operator"]:
        case "In":
            return labels.get(key) in asked["values"]
        case "NotIn":
            return labels.get(key) not in asked["values"]
        case "Exists":
            return key in labels
        case _:
            return key not in labels
