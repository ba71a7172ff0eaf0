"""How does a whole keelstep run on this machine, part by part? Start, find, kill and restart each, in one folder.

Processes are remembered by pid and moment of creation (`hack.cluster.processes`), so that another call finds them and
nobody else's process is ever touched.
"""

import json
import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from examples.ops import render as incidents
from examples.refund import render
from hack.cluster import components, controlplane, files, processes
from hack.cluster.processes import Component, Identity
from hack.local import models, postgres, programs
from hack.local.api import Api
from hack.local.kubectl import Kubectl
from keelstep.log import installation
from keelstep.log.installation import Installation
from keelstep.testing import ports
from keelstep.views import registration

START_SECONDS = 60.0
POLL_SECONDS = 0.05
SYSTEM_NAMESPACE = "keelstep-system"
REPOSITORY = Path(__file__).resolve().parents[2]
LISTENERS = ("broker", "shop", "model", "views", "alerts", "fleet")
_NODE_PORTS = ("-route", "-monitor")
"""What each of several brokers listens on beside its own port."""
_NOTHING: Mapping[str, str] = {}
DEFINITIONS = ("crds", "policies/rbac", "policies/admission")


class PlatformError(Exception):
    """A part did not start; the message names its log."""


@dataclass(slots=True)
class Platform:
    """One keelstep on this machine."""

    folder: Path
    plane: controlplane.ControlPlane
    kubectl_binary: Path
    brokers: int = 1
    """How many; three keep every stream together, so that one of them may fail."""
    places: programs.Places = field(init=False)
    installed: Installation = field(init=False)
    records: processes.Records = field(init=False)
    _people: dict[str, Api] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.records = processes.Records(self.folder / "processes")
        self.places = self._places()
        self.installed = self._installed()
        self._write_models()
        render.ensure_token(self._made("shop") / "token")
        self.places.commands_file.write_text(incidents.commands())

    def _places(self) -> programs.Places:
        """Ports picked once and kept, so that what is restarted is found where it was."""
        file = self.folder / "ports.json"
        picked = files.read_json(file) or {}
        nodes = [f"nats-{number}" for number in range(self.brokers if self.brokers > 1 else 0)]
        listeners = (*LISTENERS, *(f"{node}{port}" for node in nodes for port in ("", *_NODE_PORTS)))
        lacking = [part for part in listeners if part not in picked]
        if lacking:
            picked |= dict(zip(lacking, ports.pick(len(lacking)), strict=True))
            files.write_json(file, picked)
        return programs.Places(
            folder=self.folder,
            broker_host=self.plane.plan.network.server,
            broker_port=picked["broker"],
            brokers=tuple(
                programs.Broker(
                    name=node,
                    port=picked[node],
                    route_port=picked[f"{node}-route"],
                    monitor_port=picked[f"{node}-monitor"],
                )
                for node in nodes
            ),
            shop_port=picked["shop"],
            model_port=picked["model"],
            views_port=picked["views"],
            alerts_port=picked["alerts"],
            fleet_port=picked["fleet"],
            postgres=postgres.place(self.plane.plan.folder),
            views_pair=self.plane.serving_pair("views", (*registration.hosts(), "localhost")),
            requestheader_ca=self.plane.front_proxy_ca_file,
            operator_kubeconfig=self._service_account("keelstep-operator"),
            gateway_kubeconfig=self._service_account("keelstep-gateway"),
        )

    def _installed(self) -> Installation:
        host = self.places.broker_host
        nodes = [
            installation.Node(name=each.name, host=host, port=each.port, cluster_port=each.route_port)
            for each in self.places.brokers
        ]
        made = installation.create(
            self.folder / "installation", host=host, port=self.places.broker_port, nodes=nodes
        )
        wanted = [each.name for each in nodes] or ["server"]
        if not all(made.configuration_of(name).is_file() for name in wanted):
            raise PlatformError(f"{made.folder} was made for another number of brokers; remove it first")
        return made

    def _service_account(self, name: str) -> Path:
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{SYSTEM_NAMESPACE}")
        return self.plane.kubeconfig_for(f"system:serviceaccount:{SYSTEM_NAMESPACE}:{name}", groups)

    def _made(self, name: str) -> Path:
        (self.folder / name).mkdir(exist_ok=True, mode=0o700)
        return self.folder / name

    def _write_models(self) -> None:
        models.write(self.folder, self.folder / "models", programs.EXAMPLE, self.places.model_url)

    def know_models(self, folder: Path) -> list[str]:
        """Have the gateway know a person's own models too, now or when it starts; their names.

        Raises:
            models.ModelsError: the folder's files cannot be used.
            PlatformError: the gateway did not start with them.
        """
        names = models.check(folder)
        models.keep(folder, self.folder / "models")
        self._write_models()
        if self.find("gateway") is not None:
            self.stop("gateway")
            self.start_gateway()
        return names

    def kubectl(self, persona: str, show: Callable[[str], None] = lambda line: None) -> Kubectl:
        """kubectl as a person with a client certificate; `admin` may do everything."""
        kubeconfig = self.plane.kubeconfig_for(persona, _groups(persona))
        return Kubectl(binary=self.kubectl_binary, kubeconfig=kubeconfig, persona=persona, show=show)

    def api(self, persona: str) -> Api:
        """The same person without kubectl, for what is asked again and again."""
        if persona not in self._people:
            plan, pair = self.plane.plan, self.plane.client_pair(persona, _groups(persona))
            self._people[persona] = Api(
                host=plan.network.server,
                port=plan.ports[components.APISERVER],
                ca=self.plane.ca_file,
                certificate=pair.certificate,
                key=pair.key,
            )
        return self._people[persona]

    def define(self) -> None:
        """Install the kinds, the roles and the admission policies."""
        admin = self.kubectl("admin")
        for folder in DEFINITIONS:
            admin.run("apply", "--server-side", "-f", str(REPOSITORY / folder))
        admin.run("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")

    def start_broker(self, *names: str) -> None:
        """Start NATS, one server or several, or those of these names; wait until each has what the others have."""
        wanted = [
            each
            for each in programs.nats_servers(self.places, self.installed)
            if not names or each.name in names
        ]
        for each, identity in [(each, self.start(each, lambda: True)) for each in wanted]:
            self._until(each, identity, self._broker_is_ready(each.name))

    @property
    def broker_names(self) -> list[str]:
        """What the brokers are called."""
        return [each.name for each in self.places.brokers] or [programs.ALONE]

    def _broker_is_ready(self, name: str) -> Callable[[], bool]:
        host = self.places.broker_host
        for each in self.places.brokers:
            if each.name == name:
                return answers_http(f"http://{host}:{each.monitor_port}/healthz")
        return _answers_tcp((host, self.places.broker_port))

    def start_example(self, *scripts: Path) -> None:
        """Start the example's shop and model, which says what these scripts say beside its own."""
        self.start(programs.shop(self.places), answers_http(f"{self.places.shop_url}/ledger"))
        spoken = self.folder / "script.yaml"
        spoken.write_text(programs.spoken(scripts))
        model = programs.model(self.places, spoken)
        self.start(model, answers_http(f"{self.places.model_url}/models"))

    def start_operator(self, **extra: str) -> Identity:
        """Start the operator, with more environment where a test wants it."""
        return self._start_program(programs.operator(self.places, self.installed, **extra))

    def start_gateway(self, name: str = "gateway", **extra: str) -> Identity:
        """Start a gateway, with more environment where a test wants it."""
        return self._start_program(programs.gateway(self.places, self.installed, name=name, **extra))

    def start_views(
        self, *, projector: Mapping[str, str] = _NOTHING, views: Mapping[str, str] = _NOTHING
    ) -> None:
        """Start Postgres, the projector and the views API, and make the API server forward to it.

        Both get more environment where a test wants it.
        """
        self.start(programs.postgres_server(self.places), _accepts(self.places.postgres))
        self._start_program(programs.projector(self.places, self.installed, **projector))
        self._start_program(programs.views(self.places, self.installed, **views))
        service = registration.build_local_service(self.places.views_port)
        api = registration.build_api_service(self.plane.ca_file.read_bytes(), port=self.places.views_port)
        admin = self.kubectl("admin")
        for each in (service, api):
            admin.run("apply", "--server-side", "-f", "-", stdin=json.dumps(each), shown=False)
        name = api["metadata"]["name"]
        admin.run("wait", "--for=condition=Available", f"apiservice/{name}", "--timeout=60s", shown=False)

    def _start_program(self, component: Component) -> Identity:
        since = component.log.stat().st_size if component.log.exists() else 0
        return self.start(component, lambda: _says_ready(component.log, since))

    def start(self, component: Component, is_ready: Callable[[], bool]) -> Identity:
        """Start a part where it does not run yet; return once it is ready.

        Raises:
            PlatformError: it does not get ready.
        """
        running = self.records.find(component.name)
        if running is not None:
            return running
        identity = self.records.start(component)
        self._until(component, identity, is_ready)
        return identity

    def _until(self, component: Component, identity: Identity, is_ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not is_ready():
            processes.reap(identity.pid)
            if not identity.is_alive() or time.monotonic() > deadline:
                tail = component.log.read_text(errors="replace")[-1500:]
                raise PlatformError(f"{component.name} did not start; the end of {component.log}:\n{tail}")
            time.sleep(POLL_SECONDS)

    def find(self, name: str) -> Identity | None:
        """A part's process, where it runs."""
        return self.records.find(name)

    def stop(self, *names: str, grace_seconds: float = 15.0) -> None:
        """End parts as an administrator would."""
        running = [identity for name in names if (identity := self.records.find(name)) is not None]
        processes.stop(running, grace_seconds=grace_seconds)
        for name in names:
            self.records.forget(name)

    def stop_all(self) -> None:
        """End every part, and forget the views: they are rebuilt from the log."""
        for person in self._people.values():
            person.close()
        stop_recorded(self.folder)
        shutil.rmtree(self.places.postgres, ignore_errors=True)

    def ledger(self) -> list[Any]:
        """What the shop booked, from its own books."""
        with urllib.request.urlopen(f"{self.places.shop_url}/ledger", timeout=10) as reply:
            found: list[Any] = json.load(reply)["bookings"]
        return found

    def shop(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the shop something, e.g. to hold its next answer: `POST /faults {"path": "/refunds", "mode": "hold"}`."""
        token = self.places.token_file.read_text().strip()
        request = urllib.request.Request(
            f"{self.places.shop_url}{path}",
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.load(reply)

    def model_calls(self, scenario: str) -> int:
        """How often the scripted model was asked in one scenario."""
        url = self.places.model_url.removesuffix("/v1") + "/requests/count"
        with urllib.request.urlopen(url, timeout=10) as reply:
            return int(json.load(reply)["by_scenario"].get(scenario, 0))

    def manifests(self) -> Path:
        """The example's manifests, filled in for this shop."""
        folder = self._made("manifests")
        for name, text in render.render(
            self.places.shop_url, self.places.token_file.read_text().strip()
        ).items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o600)
        return folder


def stop_recorded(folder: Path, grace_seconds: float = 15.0) -> None:
    """End every part recorded in a folder; the broker last, so that the others can say good-bye."""
    records = processes.Records(folder / "processes")
    names = sorted(path.stem for path in (folder / "processes").glob("*.json"))
    brokers = [name for name in names if name.startswith("nats-")]
    for group in ([name for name in names if name not in brokers], brokers):
        running = [identity for name in group if (identity := records.find(name)) is not None]
        processes.stop(running, grace_seconds=grace_seconds)
        for name in group:
            records.forget(name)


def _groups(persona: str) -> tuple[str, ...]:
    return ("system:masters",) if persona == "admin" else ()


def _accepts(folder: Path) -> Callable[[], bool]:
    """True once Postgres takes connections on its socket."""

    def accepts() -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(folder / ".s.PGSQL.5432"))
            except OSError:
                return False
        return True

    return accepts


def _answers_tcp(at: tuple[str, int]) -> Callable[[], bool]:
    def answers() -> bool:
        with socket.socket() as client:
            client.settimeout(2)
            return client.connect_ex(at) == 0

    return answers


def answers_http(url: str) -> Callable[[], bool]:
    """True once something answers there."""

    def answers() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return True
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    return answers


def _says_ready(log: Path, since: int) -> bool:
    """True once a program logged `ready`."""
    with log.open("rb") as file:
        file.seek(since)
        return b'"event": "ready"' in file.read()
