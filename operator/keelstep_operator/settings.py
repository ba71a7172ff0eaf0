"""How is the operator set up? From the environment, once, in `main`; nothing else reads it."""

from pathlib import Path
from typing import Annotated, Literal

import pydantic
import pydantic_settings


class Settings(pydantic_settings.BaseSettings):
    """The operator's settings; each is `KEELSTEP_` and the field's name in capitals."""

    model_config = pydantic_settings.SettingsConfigDict(
        env_prefix="KEELSTEP_", frozen=True, use_attribute_docstrings=True
    )

    nats_url: str
    """Where the operator reaches the broker; several addresses of a cluster are separated by commas. No default: there
    is none that is right everywhere."""
    nats_credentials: Path
    """File with the operator's broker credentials. No default."""
    nats_replicas: Annotated[int, pydantic.Field(ge=1, le=5)] = 1
    """Copies of each stream that the broker keeps. Default: 1; 3 in production."""
    nats_system_credentials: Path
    """File with the broker credentials of the system account, which revokes runners. No default."""
    nats_operator_key: Path
    """File with the installation's signing key, which vouches for the account of runners. No default."""
    nats_run_key: Path
    """File with the signing key of the account of runners, which mints their identities. No default."""
    accounts: Path
    """File with the public names of the installation's accounts, `accounts.json`. No default."""
    signing_key: Path
    """File with the key that the operator signs events with. No default."""
    keyring: Path
    """File with everybody's public signing keys, `keyring.json`; runners get a copy. No default."""
    nats_ca_file: Path | None = None
    """File with the authority of the broker's certificate; runners get a copy. Default: none, the system's where the
    address is `tls://`."""
    runner_nats_url: str = ""
    """Where runners reach the broker. Default: the same as the operator."""
    runner_image: str = "keelstep-runner:latest"
    """The runner's image where a strategy names none. Default: keelstep-runner:latest."""
    runner_pull_policy: Literal["", "Always", "IfNotPresent", "Never"] = ""
    """When a node pulls that image. Default: empty, Kubernetes' own: always for `latest`, else if it is not present."""
    runner_command: tuple[str, ...] = ("keelstep-runner",)
    """The command in that image. Default: keelstep-runner, what the package installs."""
    runner_requests: dict[str, str] = {}
    """What the scheduler sets aside for a runner (`cpu`, `memory`), as a JSON object, where its strategy says nothing of
    it. Default: none."""
    runner_priority_class: str = ""
    """The PriorityClass of runners. Default: none, the cluster's own."""
    runner_pull_secrets: tuple[str, ...] = ()
    """Secrets of the tenant's namespace that a node pulls the runner's image with, as a JSON list. Default: none."""
    runner_env: dict[str, str] = {}
    """More environment for runners, as a JSON object; for tests. Default: none."""
    kubeconfig: Path | None = None
    """How to reach the API server. Default: none, the Pod's own service account."""
    namespaces: tuple[str, ...] = ()
    """The namespaces to work in, as a JSON list. Default: all."""
    shard: Annotated[int, pydantic.Field(ge=0)] = 0
    """The shard of the spine that new executions go to. Default: 0, the only one at first."""
    lease_namespace: str = ""
    """The namespace of the Lease by which several operators agree on who works. Default: none, for one operator alone."""
    attempt_limit: Annotated[int, pydantic.Field(ge=1, le=100)] = 5
    """Attempts in a row without an event of runner or gateway before a run is given up. Default: 5."""
    status_refresh_seconds: Annotated[float, pydantic.Field(ge=0)] = 10
    """Numbers in an execution's status are refreshed at most so often; phases at once. Unit: seconds.
    Default: 10: each refresh is a write to etcd and an event to every watcher."""
    resync_seconds: Annotated[float, pydantic.Field(gt=0)] = 300
    """Everything is listed and compared so often. Unit: seconds. Default: 300: it finds what watches missed."""
    kept_pods: Annotated[int, pydantic.Field(ge=0)] = 500
    """Ended runner Pods kept for their logs in the whole cluster, the newest. Default: 500."""
    workers: Annotated[int, pydantic.Field(ge=1, le=256)] = 16
    """Reconciles at the same time, each of another object. Default: 16: they mostly wait for servers."""
    metrics_port: Annotated[int, pydantic.Field(ge=0, le=65_535)] = 0
    """Port of the Prometheus metrics. Default: 0, none."""
    log_level: str = "INFO"
    """The lowest level logged. Default: INFO."""
    crash_at: str = ""
    """Named point at which the process kills itself; for tests only. Default: none."""
    stop_at: str = ""
    """Named point at which the process stops itself; for tests only. Default: none."""

    @property
    def url_for_runners(self) -> str:
        """Where runners reach the broker."""
        return self.runner_nats_url or self.nats_url
