"""What does a projector need to know? Its broker, whose signatures count, its Postgres, and which shard it follows."""

from pathlib import Path

import pydantic
import pydantic_settings

from keelstep.store import feed, fold


class Settings(pydantic_settings.BaseSettings):
    """Read from the environment once, in `main`."""

    model_config = pydantic_settings.SettingsConfigDict(
        env_prefix="KEELSTEP_", frozen=True, use_attribute_docstrings=True
    )

    nats_url: str
    """The broker's address, `nats://host:port` or `tls://host:port`; several of a cluster are separated by commas."""
    nats_credentials: Path
    """The file with the projector's credentials for the broker."""
    nats_ca_file: Path | None = None
    """The CA of the broker's certificate. Default: the system's, where the address is `tls://`."""
    keyring: Path
    """The file with the public keys of operator and gateway."""
    postgres_dsn: pydantic.SecretStr | None = None
    """The address of Postgres, `postgresql://user:password@host/database`. Default: what the file says."""
    postgres_dsn_file: Path | None = None
    """A file that holds the address of Postgres, so that a password stands in no environment."""
    shard: int = pydantic.Field(default=0, ge=0)
    """The shard of the log to follow. Default: 0."""
    batch: int = pydantic.Field(default=feed.BATCH, ge=1, le=10_000)
    """Messages per transaction at most. Default: 2000, where larger ones gain little."""
    held_events: int = pydantic.Field(default=fold.HELD_EVENTS, ge=1)
    """How many events the folds in memory may span, about 1 KiB each. Default: 300000, some 300 MiB."""
    metrics_port: int = pydantic.Field(default=0, ge=0, le=65_535)
    """Port of the Prometheus metrics. Default: 0, none."""
    otlp_endpoint: str = pydantic.Field(default="", pattern=r"^(https?://[^\s?#@]+)?$")
    """Who collects traces, by OTLP over HTTP, e.g. `http://collector:4318`. Default: nobody, none are sent."""
    otlp_headers_file: Path | None = None
    """A file of lines `name: value`, sent to it as headers, e.g. its token. Default: none."""
    otlp_ca_file: Path | None = None
    """The CA of its certificate. Default: the system's, where the address is `https://`."""
    log_level: str = "INFO"
    """What to log at least. Default: INFO."""
    crash_at: str = ""
    """Crash tests only: the named point to die at, see keelstep.points. Default: none."""
    stop_at: str = ""
    """Crash tests only: the named point to freeze at. Default: none."""

    @pydantic.model_validator(mode="after")
    def _has_one_address(self) -> "Settings":
        if (self.postgres_dsn is None) == (self.postgres_dsn_file is None):
            raise ValueError("set exactly one of KEELSTEP_POSTGRES_DSN and KEELSTEP_POSTGRES_DSN_FILE")
        return self
