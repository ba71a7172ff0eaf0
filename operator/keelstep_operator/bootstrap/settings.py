"""What does the bootstrap need to know? Where the installation lives, and which of its parts are made here."""

from pathlib import Path

import pydantic
import pydantic_settings


class Settings(pydantic_settings.BaseSettings):
    """Read from the environment once, in `program.main`."""

    model_config = pydantic_settings.SettingsConfigDict(
        env_prefix="KEELSTEP_", frozen=True, use_attribute_docstrings=True
    )

    namespace: str = pydantic.Field(min_length=1)
    """The installation's namespace."""
    installation_secret: str = pydantic.Field(default="keelstep-installation", min_length=1)
    """The Secret that holds every key of the installation. Default: keelstep-installation."""
    installation_given: bool = False
    """True where a person made that Secret: without it nothing is made. Default: false."""
    postgres_host: str = ""
    """The embedded Postgres, whose password is made here. Default: none, so that its Secret is a person's."""
    views_hosts: tuple[str, ...] = ()
    """Names of the views server's certificate, as a JSON list. Default: none, so that the certificate is a person's."""
    views_secret: str = pydantic.Field(default="keelstep-views-tls", min_length=1)
    """The Secret that holds it. Default: keelstep-views-tls."""
    only_certificates: bool = False
    """True renews the certificate and neither reads nor makes a key: what runs every night. Default: false."""
    kubeconfig: Path | None = None
    """How to reach the API server. Default: none, the Pod's own service account."""
    log_level: str = "INFO"
    """What to log at least. Default: INFO."""
