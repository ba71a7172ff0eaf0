"""How is each program started on this machine? Pure: folders and addresses in, command and environment out."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from examples import refund
from examples.refund import script
from hack.cluster import settings
from hack.cluster.certificates import Pair
from hack.cluster.processes import Component
from hack.local import postgres
from keelstep.log.installation import Installation
from keelstep.testing import natsserver

BIN = Path(sys.executable).parent
EXAMPLE = Path(refund.__file__).parent


ALONE = "nats-server"
"""The broker's name where there is one server only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """One of several brokers that keep every stream together."""

    name: str
    port: int
    route_port: int
    """Where the others reach it."""
    monitor_port: int
    """Where it says whether it has caught up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where everything lies and listens."""

    folder: Path
    broker_host: str
    """Where Pods reach the broker: not at 127.0.0.1 once they have a network of their own."""
    broker_port: int
    shop_port: int
    model_port: int
    views_port: int
    alerts_port: int
    fleet_port: int
    postgres: Path
    """The folder of Postgres and its socket."""
    views_pair: Pair
    requestheader_ca: Path
    operator_kubeconfig: Path
    gateway_kubeconfig: Path
    brokers: tuple[Broker, ...] = ()
    """The brokers, where there are several; else one listens on `broker_port`."""

    @property
    def broker_url(self) -> str:
        """Where programs find NATS."""
        found = [each.port for each in self.brokers] or [self.broker_port]
        return ",".join(f"nats://{self.broker_host}:{port}" for port in found)

    @property
    def shop_url(self) -> str:
        """Where the example's tools are."""
        return f"http://127.0.0.1:{self.shop_port}"

    @property
    def model_url(self) -> str:
        """Where the scripted model speaks OpenAI's protocol."""
        return f"http://127.0.0.1:{self.model_port}/v1"

    @property
    def alerts_url(self) -> str:
        """Where the second example's alerts are."""
        return f"http://127.0.0.1:{self.alerts_port}"

    @property
    def fleet_url(self) -> str:
        """Where the second example's services are scaled."""
        return f"http://127.0.0.1:{self.fleet_port}"

    @property
    def token_file(self) -> Path:
        """The token of the examples' services."""
        return self.folder / "shop" / "token"

    @property
    def commands_file(self) -> Path:
        """The commands that contracts may have the gateway run."""
        return self.folder / "commands.yaml"


def nats_server(places: Places, installed: Installation) -> Component:
    """The broker."""
    return _nats(places, ALONE, installed.server_configuration, "--port", str(places.broker_port))


def nats_servers(places: Places, installed: Installation) -> list[Component]:
    """The broker, or each of several."""
    if not places.brokers:
        return [nats_server(places, installed)]
    return [
        _nats(
            places,
            each.name,
            installed.configuration_of(each.name),
            *("--http_port", str(each.monitor_port)),
        )
        for each in places.brokers
    ]


def _nats(places: Places, name: str, configuration: Path, *options: str) -> Component:
    argv = (str(natsserver.binary()), "--config", str(configuration), *options)
    return _component(places, name, argv, {})


def shop(places: Places) -> Component:
    """The example's HTTP service."""
    argv = _module(
        "examples.refund.service",
        *("--port", str(places.shop_port)),
        *("--database", str(places.folder / "shop" / "shop.sqlite")),
        *("--token-file", str(places.token_file)),
    )
    return _component(places, "shop", argv, {})


def alerts(places: Places) -> Component:
    """The second example's MCP server."""
    return _component(places, "alerts", _module("examples.ops.alerts", "--port", str(places.alerts_port)), {})


def fleet(places: Places) -> Component:
    """The second example's HTTP service."""
    arguments = ("--port", str(places.fleet_port), "--token-file", str(places.token_file))
    return _component(places, "fleet", _module("examples.ops.fleet", *arguments), {})


def spoken(scripts: Iterable[Path]) -> str:
    """One script of the example's own and more; of scenarios that fit a goal the first one speaks."""
    found = [script.load(path) for path in (*scripts, EXAMPLE / "script.yaml")]
    whole = script.Script(
        models=list(dict.fromkeys(name for each in found for name in each.models)),
        scenarios=[scenario for each in found for scenario in each.scenarios],
    )
    return yaml.safe_dump(whole.model_dump(exclude_unset=True), sort_keys=False)


def model(places: Places, script_file: Path) -> Component:
    """The scripted model."""
    return _component(
        places,
        "model",
        _module("examples.refund.model", "--port", str(places.model_port), "--script", str(script_file)),
        {},
    )


def postgres_server(places: Places) -> Component:
    """Postgres, whose views can be rebuilt from the log."""
    return _component(places, "postgres", _module("hack.local.postgres", str(places.postgres)), {})


def projector(places: Places, installed: Installation, *, name: str = "projector", **extra: str) -> Component:
    """What writes the log into Postgres."""
    environment = {
        **_broker(places, installed, "projector"),
        "KEELSTEP_POSTGRES_DSN": postgres.dsn(places.postgres),
        **extra,
    }
    return _component(places, name, (str(BIN / "keelstep-projector"),), environment)


def views(places: Places, installed: Installation, **extra: str) -> Component:
    """What answers `kubectl get executiontraces`."""
    environment = {
        **_broker(places, installed, "reader"),
        "KEELSTEP_VIEWS_HOST": "127.0.0.1",
        "KEELSTEP_VIEWS_PORT": str(places.views_port),
        "KEELSTEP_VIEWS_CERT_FILE": str(places.views_pair.certificate),
        "KEELSTEP_VIEWS_KEY_FILE": str(places.views_pair.key),
        "KEELSTEP_REQUESTHEADER_CA_FILE": str(places.requestheader_ca),
        **extra,
    }
    return _component(places, "views", _module("keelstep.views"), environment)


def _broker(places: Places, installed: Installation, role: str) -> dict[str, str]:
    """What every program needs to reach the broker and know whose signatures count."""
    return {
        "KEELSTEP_NATS_URL": places.broker_url,
        "KEELSTEP_NATS_CREDENTIALS": str(installed.folder / role / "nats.creds"),
        "KEELSTEP_KEYRING": str(installed.folder / "public" / "keyring.json"),
    }


def _module(name: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name, *arguments)


def _component(places: Places, name: str, argv: tuple[str, ...], environment: Mapping[str, str]) -> Component:
    base = {
        "PATH": f"{BIN}:/usr/bin:/bin",
        "HOME": str(places.folder),
        "LANG": "C.UTF-8",
        "PYTHONSAFEPATH": "",
    }
    return Component(
        name=name,
        argv=argv,
        log=places.folder / "logs" / f"{name}.log",
        environment={**base, **environment},
        cwd=settings.REPOSITORY,
    )


def gateway(places: Places, installed: Installation, *, name: str = "gateway", **extra: str) -> Component:
    """A gateway; several run side by side under different names."""
    own = installed.folder / "gateway"
    environment = {
        "KEELSTEP_NATS_URL": places.broker_url,
        "KEELSTEP_NATS_CREDENTIALS": str(own / "nats.creds"),
        "KEELSTEP_SIGNING_KEY": str(own / "signing.key"),
        "KEELSTEP_KEYRING": str(installed.folder / "public" / "keyring.json"),
        "KEELSTEP_PRICE_TABLE": str(places.folder / "prices.yaml"),
        "KEELSTEP_PROVIDERS": str(places.folder / "providers.yaml"),
        "KEELSTEP_STDIO_COMMANDS": str(places.commands_file),
        "KEELSTEP_KUBECONFIG": str(places.gateway_kubeconfig),
        **extra,
    }
    return _component(places, name, (str(BIN / "keelstep-gateway"),), environment)


def operator(places: Places, installed: Installation, *, name: str = "operator", **extra: str) -> Component:
    """The operator."""
    own, public = installed.folder / "operator", installed.folder / "public"
    environment = {
        "KEELSTEP_NATS_URL": places.broker_url,
        "KEELSTEP_NATS_CREDENTIALS": str(own / "nats.creds"),
        "KEELSTEP_NATS_SYSTEM_CREDENTIALS": str(own / "sys.creds"),
        "KEELSTEP_NATS_OPERATOR_KEY": str(own / "operator.nk"),
        "KEELSTEP_NATS_RUN_KEY": str(own / "run.nk"),
        "KEELSTEP_ACCOUNTS": str(public / "accounts.json"),
        "KEELSTEP_SIGNING_KEY": str(own / "signing.key"),
        "KEELSTEP_KEYRING": str(public / "keyring.json"),
        "KEELSTEP_KUBECONFIG": str(places.operator_kubeconfig),
        "KEELSTEP_NATS_REPLICAS": str(len(places.brokers) or 1),
        **extra,
    }
    return _component(places, name, (str(BIN / "keelstep-operator"),), environment)
