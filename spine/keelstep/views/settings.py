"""What does the views server need to know? Where to listen, whom to believe, and where the log is."""

from pathlib import Path

import pydantic
import pydantic_settings


class Settings(pydantic_settings.BaseSettings):
    """Read from the environment once, in `main`."""

    model_config = pydantic_settings.SettingsConfigDict(
        env_prefix="KEELSTEP_", frozen=True, use_attribute_docstrings=True
    )

    nats_url: str
    """The broker's address, `nats://host:port` or `tls://host:port`; several of a cluster are separated by commas."""
    nats_credentials: Path
    """The credentials file of the broker identity `reader`."""
    nats_ca_file: Path | None = None
    """The CA of the broker's certificate. Default: the system's, where the address is `tls://`."""
    keyring: Path
    """The public keys of operator and gateway (`keyring.json`)."""
    views_host: str = "0.0.0.0"  # noqa: S104 in a Pod it is reached from outside, and believes one certificate only
    """Where to listen. Default: every address."""
    views_port: int = pydantic.Field(default=8443, ge=0, le=65_535)
    """Where to listen; 0 lets the system choose a port. Default: 8443."""
    views_cert_file: Path
    """The serving certificate, for `<service>.<namespace>.svc`."""
    views_key_file: Path
    """Its private key."""
    views_ca_file: Path | None = None
    """Its authority, which the server then writes into its APIService and keeps there. Default: none, somebody else does."""
    requestheader_ca_file: Path | None = None
    """The kube-apiserver's request-header authority: only its certificates may say on whose behalf they ask. Default:
    what the API server says itself, in kube-system."""
    requestheader_allowed_names: str = "front-proxy-client"
    """With that file: common names that may, comma-separated, as the kube-apiserver's own flag. Default:
    front-proxy-client."""
    kubeconfig: Path | None = None
    """How to reach the API server, where one of these defaults needs it. Default: the Pod's own service account."""
    metrics_port: int = pydantic.Field(default=0, ge=0, le=65_535)
    """Port of the Prometheus metrics. Default: 0, none."""
    log_level: str = "INFO"
    """DEBUG, INFO, WARNING or ERROR. Default: INFO."""

    @property
    def follows_cluster(self) -> bool:
        """Whether anything of it is read from the API server, or kept there."""
        return self.requestheader_ca_file is None or self.views_ca_file is not None

    @property
    def allowed_names(self) -> frozenset[str]:
        """Common names that may ask."""
        return frozenset(filter(None, (name.strip() for name in self.requestheader_allowed_names.split(","))))
