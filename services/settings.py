"""What `make run` and the commands of `python -m services` can be told."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.settings import BrokerUrl, DatabaseUrl, PublicUrl, check_level


class LocalSettings(BaseSettings):
    """What `make run` and the commands read from the environment."""

    model_config = SettingsConfigDict(
        env_prefix="PASSWRIGHT_",
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    port: int = Field(8080, ge=0, le=65535)
    host: str = "127.0.0.1"
    data: Path = Path(".data")
    """Where the embedded PostgreSQL, the master key and `demo.json` lie."""
    database_url: DatabaseUrl | None = Field(None, validation_alias="DATABASE_URL")
    amqp_url: BrokerUrl | None = Field(None, validation_alias="AMQP_URL")
    amqp_prefix: str = "passwright"
    base_url: PublicUrl | None = None
    master_keys: SecretStr | None = None
    master_key_file: Path | None = None
    token_secrets: SecretStr | None = None
    allow_loopback: bool = True
    """On one's own machine partners' servers are on it too; the services alone default to no."""
    log_level: Annotated[str, AfterValidator(check_level)] = "WARNING"
    health_port: int | None = Field(None, ge=0, le=65535)


class ApiSettings(BaseSettings):
    """What a command that calls the API reads from the environment."""

    model_config = SettingsConfigDict(
        env_prefix="PASSWRIGHT_", frozen=True, extra="ignore", env_ignore_empty=True
    )

    url: PublicUrl | None = None
    """Where the API is."""
    key: SecretStr | None = None
    """An API key."""
