"""Which values does the chart `keelstep` take? One model, from which values.yaml, its schema and docs/values.md are written.

A value that no template reads does not exist; a test asks. Names are Helm's custom: camelCase, Kubernetes' own objects
where there is one for it.
"""

from typing import Annotated, Any, Literal

import pydantic
from pydantic.alias_generators import to_camel

Port = Annotated[int, pydantic.Field(ge=1, le=65_535)]
Replicas = Annotated[int, pydantic.Field(ge=1, le=50)]
Quantity = Annotated[str, pydantic.Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|Ki|Mi|Gi|Ti)?$")]
Labels = dict[str, str]
Object = dict[str, Any]
"""An object of Kubernetes, as it is."""


class Values(pydantic.BaseModel):
    """Part of the values."""

    model_config = pydantic.ConfigDict(
        extra="forbid", alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True
    )


class Image(Values):
    """Where the images are: `<registry>/keelstep-<program>:<tag>`."""

    registry: str = "localhost"
    """Where they lie. Default: localhost, as `make images` names them; put the address of your registry here."""
    tag: str = ""
    """Which of them. Default: the chart's appVersion."""
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When a node pulls them."""
    pull_secrets: list[str] = []
    """Secrets that a node pulls them with, in this namespace; those of runners in the tenants'."""


class Resources(Values):
    """Compute of one Pod."""

    requests: dict[Literal["cpu", "memory", "ephemeral-storage"], Quantity] = {}
    """What the scheduler sets aside."""
    limits: dict[Literal["cpu", "memory", "ephemeral-storage"], Quantity] = {}
    """What it may not exceed."""


def _resources(cpu: str, memory: str, limit: str) -> Resources:
    return Resources(requests={"cpu": cpu, "memory": memory}, limits={"memory": limit})


class Storage(Values):
    """The volume of an embedded server. The claim outlives the release."""

    size: Quantity = "10Gi"
    """How large."""
    class_name: str = ""
    """The StorageClass. Default: the cluster's own."""
    persistent: bool = True
    """False: nothing lasts beyond the Pod; for a look only."""


class EmbeddedServer(Values):
    """One embedded server."""

    storage: Storage = Storage()
    """Its volume."""
    resources: Resources = _resources("50m", "128Mi", "1Gi")
    """Its compute."""


class Embedded(Values):
    """A broker and a Postgres of one Pod each, for trying out: one disk that fails takes the log with it."""

    enabled: bool = False
    """Whether they are installed. Without them `broker` and `postgres` name your own."""
    nats: EmbeddedServer = EmbeddedServer()
    """The broker."""
    postgres: EmbeddedServer = EmbeddedServer()
    """Postgres, whose content can be rebuilt from the log."""


class Broker(Values):
    """Your own NATS with JetStream, which trusts this installation (docs/install.md)."""

    url: str = ""
    """`tls://host:port`, several servers separated by commas. Default: the embedded one's."""
    runner_url: str = pydantic.Field(default="", alias="runnerURL")
    """Where runners reach it. Default: the same."""
    ca_secret: str = ""
    """Secret with the authority of its certificate under `ca.crt`. Default: the system's authorities."""
    replicas: Annotated[int, pydantic.Field(ge=1, le=5)] = 1
    """Copies that it keeps of each stream: 3 in production."""


class Postgres(Values):
    """Your own Postgres 15 or later with pgvector."""

    existing_secret: str = ""
    """Secret with its address under `dsn`: `postgresql://user:password@host/database`. Default: the embedded one's."""


class Installation(Values):
    """The keys of the installation. Made once, kept when the release goes, and never overwritten."""

    existing_secret: str = ""
    """Secret with all of them, which you made (`python -m keelstep_operator.bootstrap --print NAMESPACE`) and keep.
    Default: none, they are made before the first installation."""


class Program(Values):
    """What every program's Pods have in common."""

    replicas: Replicas = 2
    """How many."""
    resources: Resources = Resources()
    """Compute of one."""
    environment: dict[str, str] = {}
    """More settings: `KEELSTEP_…`, see the program's `settings` module."""


class Operator(Program):
    """The operator; of several one works, the others stand by."""

    resources: Resources = _resources("50m", "128Mi", "512Mi")


class Runner(Values):
    """Runner Pods, one per attempt, in the tenants' namespaces."""

    image: str = ""
    """The image where a strategy names none. Default: keelstep-runner beside the others."""
    requests: dict[Literal["cpu", "memory"], Quantity] = {"cpu": "50m", "memory": "64Mi"}
    """What the scheduler sets aside where a strategy says nothing of it."""


class Provider(Values):
    """Where models are reached."""

    match: str
    """The models' names, a pattern: `openai/*`."""
    base_url: str | None = pydantic.Field(default=None, alias="baseURL")
    """The address. Default: the provider's own."""
    api_key: str | None = None
    """The key of `gateway.providerKeysSecret` that holds the API key. Default: none is needed."""


class Price(Values):
    """What a model's tokens cost; decimal strings."""

    input_usd_per_million_tokens: str = pydantic.Field(alias="inputUSDPerMillionTokens")
    """What it reads."""
    output_usd_per_million_tokens: str = pydantic.Field(alias="outputUSDPerMillionTokens")
    """What it writes."""


class Prices(Values):
    """The price table; a model that is not in it is never called."""

    version: str = "none"
    """Stands beside every cost in the log: change it with the prices."""
    models: dict[str, Price] = {}
    """By the model's name."""


class Egress(Values):
    """Where contracts may lead beside the public internet."""

    allowed: list[str] = []
    """Private or cluster-internal networks and names: `10.1.0.0/16`, `orders.shop.svc.cluster.local`."""
    cluster_networks: list[str] = []
    """The cluster's own networks where they are not private ones."""
    cluster_domain: str = "cluster.local"
    """The cluster's own domain."""


class Autoscaling(Values):
    """A HorizontalPodAutoscaler for the gateway."""

    enabled: bool = False
    """Whether there is one; `replicas` is then its own business."""
    max_replicas: Replicas = 10
    """At most so many; `replicas` is the least."""
    metric: Literal["cpu", "queue"] = "cpu"
    """`queue` follows keelstep_gateway_queue_depth, which takes prometheus-adapter (docs/install.md)."""
    target: Annotated[int, pydantic.Field(ge=1, le=1_000)] = 70
    """Per cent of the CPU request, or calls that wait per gateway."""


class Gateway(Program):
    """The gateways, which call models and tools."""

    resources: Resources = _resources("100m", "320Mi", "1Gi")
    concurrency: Annotated[int, pydantic.Field(ge=1, le=10_000)] = 64
    """Model and tool calls that one makes at once."""
    providers: list[Provider] = []
    """Where models are; the first whose pattern matches counts."""
    provider_keys_secret: str = ""
    """Secret with the providers' API keys. Default: none."""
    prices: Prices = Prices()
    """What models cost."""
    egress: Egress = Egress()
    """Where contracts may lead."""
    autoscaling: Autoscaling = Autoscaling()
    """More of them when there is more to do."""


class Projector(Program):
    """The projector; of several one writes."""

    replicas: Replicas = 1
    """How many; a second one stands by."""
    resources: Resources = _resources("50m", "128Mi", "768Mi")


class Certificate(Values):
    """The views server's certificate, which the API server checks."""

    source: Literal["bootstrap", "certManager", "secret"] = "bootstrap"
    """`bootstrap` makes and renews it; `certManager` has cert-manager do so; `secret` is yours, with `tls.crt`, `tls.key`
    and `ca.crt`."""
    secret: str = "keelstep-views-tls"
    """The Secret that holds it."""
    issuer_ref: Object = {}
    """With `certManager`: the Issuer or ClusterIssuer. Default: one of its own, self-signed."""


class Views(Program):
    """The views API: `kubectl get executiontraces`, and what the CLI reads."""

    enabled: bool = True
    """Whether it is installed."""
    resources: Resources = _resources("50m", "96Mi", "512Mi")
    certificate: Certificate = Certificate()
    """What it shows the API server."""


class Archive(Values):
    """Moves the logs of finished runs out of the stream, into files of a volume (docs/operations.md)."""

    enabled: bool = False
    """Whether there is a CronJob for it."""
    schedule: Annotated[str, pydantic.Field(min_length=1)] = "47 2 * * *"
    """When, as cron has it."""
    older_than_days: Annotated[int, pydantic.Field(ge=0)] = 90
    """Only logs in which nothing was stored for so long."""
    existing_claim: str = ""
    """A claim of yours for the files. Default: one of its own, `keelstep-archive`, which outlives the release."""
    size: Quantity = "20Gi"
    """How large its own is."""
    class_name: str = ""
    """Its own one's StorageClass. Default: the cluster's own."""
    resources: Resources = _resources("50m", "128Mi", "768Mi")
    """Its compute."""


class ApiServer(Values):
    """Where the Kubernetes API is, which no selector can say."""

    cidrs: list[str] = ["0.0.0.0/0"]
    """Its networks."""
    ports: list[Port] = [443, 6443]
    """Its ports, those behind its Service too."""


class NetworkPolicies(Values):
    """Who may speak with whom. They hold where the cluster's network plugin enforces them."""

    enabled: bool = True
    """Whether they are installed: all is denied but what each program needs."""
    broker_peers: list[Object] = []
    """Where your own broker is, as peers of a NetworkPolicy. Default: the embedded one, else anywhere."""
    broker_ports: list[Port] = [4222]
    """The broker's ports."""
    postgres_ports: list[Port] = [5432]
    """Your own Postgres' ports."""
    dns_peers: list[Object] = [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
    ]
    """Where names are asked for."""
    api_server: ApiServer = ApiServer()
    """Where the Kubernetes API is."""
    gateway_peers: list[Object] = [
        {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}},
        {"namespaceSelector": {}},
    ]
    """Where gateways may go: contracts' hosts and providers. Default: anywhere but a cloud's metadata."""
    metrics_peers: list[Object] = [{"namespaceSelector": {}}]
    """Who may read metrics."""
    traces_peers: list[Object] = []
    """Where `monitoring.traces` are sent, as peers of a NetworkPolicy. Default: anywhere."""
    traces_ports: list[Port] = [4318, 443]
    """The collector's ports: its Pods', where it is behind a Service."""


class Switch(Values):
    """Something that a cluster may lack the kind for."""

    enabled: bool = False
    """Whether it is installed."""
    labels: Labels = {}
    """More labels, by which your Prometheus or Grafana finds it."""


class PodMonitor(Switch):
    """A PodMonitor of the Prometheus operator."""

    interval: Annotated[str, pydantic.Field(pattern=r"^[0-9]+(s|m)$")] = "30s"
    """How often metrics are read."""


class Traces(Values):
    """Each run as a trace of OpenTelemetry, sent by the projector (docs/telemetry.md)."""

    endpoint: Annotated[str, pydantic.Field(pattern=r"^(https?://[^\s?#@]+)?$")] = ""
    """Who collects them, by OTLP over HTTP: `http://collector.tracing:4318`. Default: nobody, none are sent."""
    headers_secret: str = ""
    """Secret with lines `name: value` under `headers`, e.g. the collector's token. Default: none."""
    ca_secret: str = ""
    """Secret with the authority of its certificate under `ca.crt`. Default: the system's authorities."""


class Monitoring(Values):
    """What is told to Prometheus, Grafana and a collector of traces."""

    pod_monitor: PodMonitor = PodMonitor()
    """Has every program's metrics read."""
    rules: Switch = Switch()
    """The alerts, as a PrometheusRule."""
    dashboards: Switch = Switch(labels={"grafana_dashboard": "1"})
    """The dashboards, as a ConfigMap."""
    traces: Traces = Traces()
    """Runs as traces."""
    runbooks: str = ""
    """Where the runbooks are read: what stands before `docs/runbooks/…` in an alert. Default: nothing."""


class Scheduling(Values):
    """Where Pods of the installation run; those of runners are the tenants' own business."""

    node_selector: Labels = {}
    """Labels of the nodes."""
    tolerations: list[Object] = []
    """Taints that they bear."""
    priority_classes: bool = True
    """Whether the PriorityClasses keelstep-programs and keelstep-runners are made and used: programs come first."""
    disruption_budgets: bool = True
    """Whether of each program's Pods at most one may be evicted at a time."""


class Chart(Values):
    """The values of the chart `keelstep`."""

    tenants: list[Annotated[str, pydantic.Field(pattern=r"^(\*|[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)$")]] = []
    """The namespaces whose agents run here; they exist already. The operator may work in these only. `"*"` is every
    namespace: then it may read any Secret of the cluster whose name it knows."""
    embedded: Embedded = Embedded()
    """Servers for trying out."""
    broker: Broker = Broker()
    """The log."""
    postgres: Postgres = Postgres()
    """The views' database."""
    installation: Installation = Installation()
    """Its keys."""
    image: Image = Image()
    """Its images."""
    operator: Operator = Operator()
    """The law."""
    runner: Runner = Runner()
    """The loop."""
    gateway: Gateway = Gateway()
    """The hands."""
    projector: Projector = Projector()
    """What writes the views."""
    views: Views = Views()
    """What shows them."""
    archive: Archive = Archive()
    """What keeps what is over."""
    network_policies: NetworkPolicies = NetworkPolicies()
    """Who may speak with whom."""
    monitoring: Monitoring = Monitoring()
    """What is told to others."""
    scheduling: Scheduling = Scheduling()
    """Where it runs."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """What programs log at least."""
