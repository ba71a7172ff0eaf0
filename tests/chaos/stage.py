"""What stands while cases are played? A whole keelstep, every program launched with taps and behind links, kept alive.

    runner ─┐                                ┌─ gateway-1, gateway-2 ──► shop, model, API server
    operator ├─ a link each ──► nats-server ◄┤
    projector┘                               └─ operator ──► API server;  projector ──► Postgres

What dies is started again at once, as Kubernetes would; what stands still is left standing. Cases run one at a time.
"""

import contextlib
import dataclasses
import json
import os
import resource
import secrets
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import yaml

from hack.cluster import progress
from hack.cluster.errors import StartFailed
from hack.cluster.processes import Component, Identity
from hack.local import models, postgres, programs, world
from hack.local.api import Api
from hack.local.platform import REPOSITORY, SYSTEM_NAMESPACE, Platform
from keelstep.testing import ports
from tests.chaos import launch, links, switchboard
from tests.chaos.checker import evidence
from tests.chaos.links import Links
from tests.chaos.switchboard import Switchboard

HERE = Path(__file__).parent
PYTHONPATH = ":".join(str(REPOSITORY / part) for part in ("", "spine", "operator", "gateway", "runner"))
"""The programs are those of this checkout, wherever the environment was made."""
GATEWAYS = ("gateway-1", "gateway-2")
CROWD = ("gateway-3", "operator-2")
"""What more there is where a case wants two operators and three gateways."""
SERVERS = ("nats-server", "postgres", "etcd", "kube-apiserver")
ASKABLE_BYTES = 64 * 1024
"""Larger arguments are never put to a person."""
_LOOK_SECONDS = 0.05
_GRACE_SECONDS = 10.0
_READY_SECONDS = 90.0


class Stage:
    """One keelstep with its switchboard and links."""

    def __init__(self, platform: Platform, board: Switchboard, wires: Links, sockets: Path) -> None:
        self.platform = platform
        self.board = board
        self.links = wires
        self.defects: tuple[str, ...] = ()
        self._sockets = sockets
        self._wanted: dict[str, Component] = {}
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._keepers = [
            threading.Thread(target=self._keep_programs, daemon=True),
            threading.Thread(target=self._keep_plane, daemon=True),
        ]
        self._has_plane = threading.Event()
        self._has_plane.set()

    # people

    def person(self, name: str) -> Api:
        """The API server as somebody; `admin` may do everything."""
        return self.platform.api(name)

    def witness(self) -> evidence.Places:
        """Where the checker finds everybody: past every link."""
        platform = self.platform
        folder = platform.installed.folder
        return evidence.Places(
            broker_url=platform.places.broker_url,
            reader_credentials=folder / "reader" / "nats.creds",
            system_credentials=folder / "operator" / "sys.creds",
            run_account=platform.installed.accounts.run,
            shop_url=platform.places.shop_url,
            postgres=postgres.dsn(platform.places.postgres),
            api=self.person("admin"),
        )

    # programs

    def start(self) -> None:
        """Links first, then every program; returns once all of them are ready."""
        self._open_links()
        self._write_models()
        self.person("admin").create("/api/v1/namespaces", {"metadata": {"name": SYSTEM_NAMESPACE}})
        places, installed = self.platform.places, self.platform.installed
        self._wanted["nats-server"] = programs.nats_server(places, installed)
        self._wanted["shop"] = programs.shop(places)
        self._wanted["model"] = programs.model(places, places.folder / "script.yaml")
        self._wanted["postgres"] = programs.postgres_server(places)
        for name in ("operator-1", *GATEWAYS, "projector"):
            self._wanted[name] = self._launched(name)
        for keeper in self._keepers:
            keeper.start()
        self.until_ready()

    def crowd(self, *, is_there: bool) -> None:
        """Have a second operator and a third gateway too, or no more."""
        for name in CROWD:
            if is_there:
                self.want(name)
            else:
                self.unwant(name)
        if is_there:
            self.until_ready()

    def want(self, name: str) -> None:
        """Keep an instance running from now on."""
        with self._lock:
            self._wanted[name] = self._launched(name)

    def unwant(self, name: str, *, grace_seconds: float = 0.0) -> None:
        """End an instance and leave it ended."""
        with self._lock:
            self._wanted.pop(name, None)
            found = self.platform.find(name)
        if found is not None:
            found.signal(signal.SIGCONT)
            self.platform.stop(name, grace_seconds=grace_seconds)

    def restart(self, *names: str) -> None:
        """End instances in good order and start them as they are wanted now: with or without defects."""
        for name in names:
            self.unwant(name, grace_seconds=_GRACE_SECONDS)
        for name in names:
            self.want(name)
        self.until_ready()

    def find(self, name: str) -> Identity | None:
        """A part's process, wherever it belongs."""
        plane = self.platform.plane
        return plane.records.find(name) if name in plane._names else self.platform.find(name)

    def kill(self, name: str) -> None:
        """`kill -9`, without waiting for anything."""
        found = self.find(name)
        if found is not None:
            found.signal(signal.SIGKILL)

    def limit_file_size(self, name: str, room_bytes: int) -> None:
        """A full disk for one process, as long as it lives: its largest file of messages may grow by so much."""
        found = self.find(name)
        if found is None:
            return
        _, hard = resource.prlimit(found.pid, resource.RLIMIT_FSIZE)
        state = self.platform.installed.folder / "state" / "jetstream"
        largest = max((file.stat().st_size for file in state.rglob("*.blk")), default=0)
        resource.prlimit(found.pid, resource.RLIMIT_FSIZE, (largest + room_bytes, hard))

    def wake_all(self) -> None:
        """Let go on whatever of ours stands still."""
        for process in psutil.process_iter(["pid", "status", "environ"]):
            own = (process.info["environ"] or {}).get(launch.SOCKET) == str(self.board.path)
            if own and process.info["status"] == psutil.STATUS_STOPPED:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.info["pid"], signal.SIGCONT)

    def runner_pid(self, xid: str) -> int:
        """A living runner of an execution; 0 where there is none."""
        for process in psutil.process_iter(["environ"]):
            environment = process.info["environ"] or {}
            if environment.get("KEELSTEP_EXECUTION_ID") == xid:
                return int(process.pid)
        return 0

    def until_ready(self) -> None:
        """Wait until every wanted program said that it is ready, in its present life."""
        until = time.monotonic() + _READY_SECONDS
        while not all(self._is_ready(name) for name in self._instances()):
            if time.monotonic() > until:
                waiting = [name for name in self._instances() if not self._is_ready(name)]
                told = "\n".join(
                    self._wanted[name].log.read_text(errors="replace")[-1500:] for name in waiting
                )
                raise AssertionError(f"not ready: {', '.join(waiting)}; their logs end with\n{told}")
            time.sleep(_LOOK_SECONDS)

    def stop(self) -> None:
        """No more keeping."""
        self._ended.set()
        for keeper in self._keepers:
            if keeper.is_alive():
                keeper.join()
        self.wake_all()

    def _instances(self) -> list[str]:
        return [name for name in self._wanted if name.split("-")[0] in launch.MAINS]

    def _is_ready(self, name: str) -> bool:
        """It is at work, or stands by while another one is."""
        if self._says(name, "ready"):
            return True
        others = [each for each in self._instances() if each.startswith("operator") and each != name]
        return self._says(name, "standby") and any(self._says(each, "ready") for each in others)

    def _says(self, name: str, event: str) -> bool:
        """It logged this event in its present life."""
        found = self.platform.find(name)
        if found is None or self.board.pid(name) != found.pid:
            return False
        said = self._wanted[name].log.read_bytes()
        return said.rfind(b'"event": "%s"' % event.encode()) > said.rfind(_MARK % found.pid)

    def _launched(self, name: str) -> Component:
        """An instance as it is started here: through the taps, its connections through the links."""
        program = name.split("-")[0]
        places, installed = self.platform.places, self.platform.installed
        match program:
            case "gateway":
                made = programs.gateway(places, installed, name=name, **self._gateway(name))
            case "operator":
                made = programs.operator(places, installed, name=name, **self._operator(name))
            case "projector":
                dsn = postgres.dsn(self._sockets)
                made = programs.projector(places, installed, name=name, KEELSTEP_POSTGRES_DSN=dsn)
            case _:
                raise ValueError(name)
        environment = {
            **made.environment,
            "KEELSTEP_NATS_URL": self._url(f"{name}-broker"),
            "PYTHONPATH": PYTHONPATH,
            launch.SOCKET: str(self.board.path),
            launch.NAME: name,
            launch.DEFECTS: ";".join(self.defects),
        }
        argv = (sys.executable, "-m", "tests.chaos.launch", program)
        return dataclasses.replace(made, argv=argv, environment=environment)

    def _gateway(self, name: str) -> dict[str, str]:
        return {
            "KEELSTEP_KUBECONFIG": str(self._kubeconfig(name, self.platform.places.gateway_kubeconfig)),
            "KEELSTEP_SWEEP_SECONDS": "1",
        }

    def _operator(self, name: str) -> dict[str, str]:
        runner = {
            "PYTHONPATH": PYTHONPATH,
            launch.SOCKET: str(self.board.path),
            launch.NAME: "runner",
            launch.DEFECTS: ";".join(self.defects),
        }
        return {
            "KEELSTEP_KUBECONFIG": str(self._kubeconfig(name, self.platform.places.operator_kubeconfig)),
            "KEELSTEP_RUNNER_NATS_URL": self._url("runner-broker"),
            "KEELSTEP_RUNNER_COMMAND": json.dumps([sys.executable, "-m", "tests.chaos.launch", "runner"]),
            "KEELSTEP_RUNNER_ENV": json.dumps(runner),
            "KEELSTEP_STATUS_REFRESH_SECONDS": "1",
            "KEELSTEP_LEASE_NAMESPACE": SYSTEM_NAMESPACE,
        }

    # links

    def _open_links(self) -> None:
        places = self.platform.places
        for name in (
            "runner",
            "operator-1",
            "operator-2",
            "gateway-1",
            "gateway-2",
            "gateway-3",
            "projector",
        ):
            self.links.open(f"{name}-broker", ports.one(), places.broker_port)
        apiserver = self.platform.plane.plan.ports["kube-apiserver"]
        for name in ("operator-1", "operator-2", "gateway-1", "gateway-2", "gateway-3"):
            self.links.open(f"{name}-kubernetes", ports.one(), apiserver)
        self.links.open("gateway-shop", ports.one(), places.shop_port)
        self.links.open("gateway-model", ports.one(), places.model_port)
        name = ".s.PGSQL.5432"
        self.links.open("projector-postgres", self._sockets / name, places.postgres / name)

    def _url(self, link: str) -> str:
        return f"nats://127.0.0.1:{self.links[link].listens}"

    @property
    def shop_url(self) -> str:
        """The shop, as gateways reach it."""
        return f"http://127.0.0.1:{self.links['gateway-shop'].listens}"

    def _kubeconfig(self, name: str, original: Path) -> Path:
        content = yaml.safe_load(original.read_text())
        content["clusters"][0]["cluster"]["server"] = (
            f"https://127.0.0.1:{self.links[f'{name}-kubernetes'].listens}"
        )
        path = self.platform.folder / f"{name}.kubeconfig"
        path.write_text(yaml.safe_dump(content))
        path.chmod(0o600)
        return path

    def _write_models(self) -> None:
        folder = self.platform.folder
        model = f"http://127.0.0.1:{self.links['gateway-model'].listens}/v1"
        models.write(folder, folder / "models", programs.EXAMPLE, model)

    # keeping alive

    def _keep_programs(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            with self._lock:
                for name, component in self._wanted.items():
                    if self.platform.find(name) is None:
                        self._start(component)

    def _start(self, component: Component) -> None:
        identity = self.platform.records.start(component)
        with component.log.open("ab") as log:
            log.write(b"\n" + _MARK % identity.pid + b"\n")
        threading.Thread(target=_reap, args=(identity.pid,), daemon=True).start()

    def _keep_plane(self) -> None:
        plane = self.platform.plane
        while not self._ended.wait(_LOOK_SECONDS):
            dead = [name for name in plane._names if plane.records.find(name) is None]
            if not dead:
                self._has_plane.set()
                continue
            self._has_plane.clear()
            with contextlib.suppress(StartFailed):
                plane.bring_up(progress.quiet())
                if plane._guardian is not None:
                    plane._guardian.dismiss()
                plane.guard()


_MARK = b"-- started as %d"


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Stage]:
    """A stage in a folder of its own, gone with the block."""
    with contextlib.ExitStack() as stack:
        board = stack.enter_context(switchboard.running())
        platform = stack.enter_context(world.running(folder, _script(folder)))
        wires = stack.enter_context(links.running())
        stage = Stage(platform, board, wires, board.path.parent)
        stack.callback(stage.stop)
        stage.start()
        yield stage


def _script(folder: Path) -> Path:
    """What the model says, with one argument too large to be shown to a person, which no file should hold."""
    content = yaml.safe_load((HERE / "script.yaml").read_text())
    unaskable = next(each for each in content["scenarios"] if each["name"] == "unaskable")
    unaskable["turns"][0]["calls"][0]["arguments"]["reason"] = "x" * (ASKABLE_BYTES + 1)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "script.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def fresh_tenant() -> str:
    """A namespace's name that was never used."""
    return f"chaos-{secrets.token_hex(4)}"
