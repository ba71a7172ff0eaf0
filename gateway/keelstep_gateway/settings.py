"""What does a gateway need to know? Its broker and identity, its keys and prices, and how much it may do at once."""

from pathlib import Path
from typing import Literal

import pydantic
import pydantic_settings

from keelstep.domain import egress


class Settings(pydantic_settings.BaseSettings):
    """Read from the environment once, in `main`."""

    model_config = pydantic_settings.SettingsConfigDict(
        env_prefix="KEELSTEP_", frozen=True, use_attribute_docstrings=True
    )

    nats_url: str
    """The broker's address, `nats://host:port` or `tls://host:port`; several of a cluster are separated by commas."""
    nats_credentials: Path
    """The gateway's NATS credentials file, `gateway/nats.creds` of the installation."""
    nats_ca_file: Path | None = None
    """The CA of the broker's certificate. Default: the system's, where the address is `tls://`."""
    signing_key: Path
    """The file with the key it signs events with, `gateway/signing.key` of the installation."""
    keyring: Path
    """The file that says whose signatures count, `public/keyring.json` of the installation."""
    shard: int = pydantic.Field(default=0, ge=0)
    """The shard whose executions it serves. Default: 0, as there is one."""
    price_table: Path
    """YAML: `version`, and per model `inputUSDPerMillionTokens` and `outputUSDPerMillionTokens` as decimal strings."""
    providers: Path
    """YAML: `models`, a list of `{match, baseURL, apiKeyFile}`; the first whose pattern matches a model's name counts."""
    credentials_source: Literal["kubernetes", "directory"] = "kubernetes"
    """Where tool credentials come from: each tenant's Secret, or files. Default: kubernetes."""
    credentials_dir: Path | None = None
    """With `directory`: the folder with one file per credential, `<tenant>/<key>`. Default: none."""
    kubeconfig: Path | None = None
    """With `kubernetes`: how to reach the API server. Default: the Pod's own service account."""
    egress_loopback: Literal["named", "refused"] = "named"
    """Whether a contract that names a loopback address outright may reach it. Default: named, for a single machine;
    in a Pod that shares its loopback with a sidecar, `refused`."""
    egress_allowed: str = ""
    """Private or cluster-internal addresses that contracts may reach: networks (`10.1.0.0/16`) and hosts' names
    (`orders.shop.svc.cluster.local`, `*.tools.example`), separated by commas. Link-local and metadata addresses are
    refused even so. Default: none."""
    egress_cluster_networks: str = ""
    """The cluster's own networks where they are not private ones, separated by commas. Default: none."""
    egress_cluster_domain: str = "cluster.local"
    """The cluster's own domain, whose names no contract may reach. Default: cluster.local."""
    stdio_commands: Path | None = None
    """YAML: `commands`, a list of `{command, environment}` that contracts may have run as MCP servers; words and names
    of variables may be patterns. They run with the gateway's own rights. Default: none may."""
    stdio_processes: int = pydantic.Field(default=16, ge=1, le=1_000)
    """MCP servers run at once. Default: 16, some tens of MB each."""
    concurrency: int = pydantic.Field(default=64, ge=1, le=10_000)
    """Model and tool calls made at once; more wait their turn. Default: 64, a few MB of replies in memory."""
    executions_cached: int = pydantic.Field(default=1_000, ge=1)
    """Executions whose fold is kept in memory. Default: 1000, some tens of MB; others are read again."""
    model_timeout_seconds: int = pydantic.Field(default=120, ge=1, le=3_600)
    """One try of one model, to the last byte. Unit: seconds. Default: 120, as long replies are slow."""
    drain_seconds: int = pydantic.Field(default=25, ge=0, le=3_600)
    """How long calls in flight may go on after SIGTERM. Unit: seconds. Default: 25, under Kubernetes' 30."""
    sweep_seconds: float = pydantic.Field(default=1, gt=0, le=3_600)
    """How often claims without a living owner are looked for. Unit: seconds. Default: 1, which costs nothing while every
    call is over within a second."""
    preload_models: bool = True
    """True loads the library for models that do not speak as OpenAI does at start, in the background, where a provider
    has such; false at the first such call. Default: true."""
    metrics_port: int = pydantic.Field(default=0, ge=0, le=65_535)
    """Port of the Prometheus metrics. Default: 0, none."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """What is logged from. Default: INFO."""
    crash_at: str = ""
    """Crash tests only: the named point to die at, see keelstep.points. Default: none."""
    stop_at: str = ""
    """Crash tests only: the named point to freeze at. Default: none."""

    @pydantic.model_validator(mode="after")
    def _directory_is_named(self) -> "Settings":
        if self.credentials_source == "directory" and self.credentials_dir is None:
            raise ValueError("KEELSTEP_CREDENTIALS_DIR is needed with KEELSTEP_CREDENTIALS_SOURCE=directory")
        return self

    @pydantic.model_validator(mode="after")
    def _rules_are_valid(self) -> "Settings":
        self.egress_rules()
        return self

    def egress_rules(self) -> egress.Rules:
        """Where contracts may lead.

        Raises:
            ValueError: what is allowed is no list of networks and names.
        """
        networks, names = egress.networks(_listed(self.egress_allowed))
        cluster, strays = egress.networks(_listed(self.egress_cluster_networks))
        if strays:
            raise ValueError(f"KEELSTEP_EGRESS_CLUSTER_NETWORKS: {strays[0]!r} is no network")
        return egress.Rules(
            cluster=cluster,
            cluster_domain=self.egress_cluster_domain,
            allowed_networks=networks,
            allowed_names=names,
            may_name_loopback=self.egress_loopback == "named",
        )


def _listed(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]
