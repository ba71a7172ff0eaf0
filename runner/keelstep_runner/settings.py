"""What does a runner need to know? Its broker and which attempt of which execution it is; nothing else."""

from pathlib import Path

import pydantic
import pydantic_settings


class Settings(pydantic_settings.BaseSettings):
    """Read from the environment once, in `main`. The operator sets all of it on the Pod."""

    model_config = pydantic_settings.SettingsConfigDict(
        env_prefix="KEELSTEP_", frozen=True, use_attribute_docstrings=True
    )

    nats_url: str
    """The broker's address, `nats://host:port` or `tls://host:port`; several of a cluster are separated by commas."""
    nats_ca_file: Path | None = None
    """The CA of the broker's certificate. Default: the system's, where the address is `tls://`."""
    tenant: str = pydantic.Field(min_length=1)
    """The execution's namespace."""
    execution_id: str = pydantic.Field(min_length=1)
    """The xid: the identity of its log."""
    trace_id: str = ""
    """Its trace, for log lines. Default: none, as an older operator sets none."""
    attempt: int = pydantic.Field(ge=1)
    """Which attempt this process is; an older one is fenced out."""
    shard: int = pydantic.Field(default=0, ge=0)
    """The shard of its log. Default: 0."""
    identity_dir: Path = Path("/var/run/keelstep/identity")
    """The mounted Secret: `identity.creds` (this attempt's token) and `keyring.json` (public keys)."""
    crash_at: str = ""
    """Crash tests only: the named point to die at, see keelstep.points. Default: none."""
    stop_at: str = ""
    """Crash tests only: the named point to freeze at. Default: none."""
