"""What does the archivist's job need to know? Its broker, whose signatures count, where archives go, and what is old."""

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
    """The file with the archivist's credentials for the broker."""
    nats_ca_file: Path | None = None
    """The CA of the broker's certificate. Default: the system's, where the address is `tls://`."""
    keyring: Path
    """The file with the public keys of operator and gateway."""
    shard: int = pydantic.Field(default=0, ge=0)
    """The shard of the log. Default: 0."""
    archive_dir: Path
    """The folder for archives, on a volume that lasts."""
    archive_older_than_days: float = pydantic.Field(default=90, ge=0)
    """Only logs in which nothing was stored for so long. Unit: days. Default: 90."""
    archive_keeps_logs: bool = False
    """True archives only; nothing leaves the stream. Default: false."""
    archive_awaits_projector: bool = True
    """False where the installation has no Postgres, so that nobody has to have projected a log. Default: true."""
    log_level: str = "INFO"
    """What to log at least. Default: INFO."""
