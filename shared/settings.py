"""The settings every service has; each adds its own in its settings.py."""

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.passes.tokens import DERIVED_PURPOSE, PassTokens, parse_secrets
from shared.sealing import MasterKeys


class CommonSettings(BaseSettings):
    """Read once from the environment, in `__main__`. Names that carry no prefix are customary."""

    model_config = SettingsConfigDict(
        env_prefix="PASSWRIGHT_", frozen=True, extra="ignore", populate_by_name=True
    )

    database_url: SecretStr = Field(validation_alias="DATABASE_URL")
    """PostgreSQL; each service uses its own schema and role in it."""
    amqp_url: SecretStr | None = Field(None, validation_alias="AMQP_URL")
    """RabbitMQ. Without it all services run in one process on the embedded transport."""
    amqp_prefix: str = "passwright"
    """What the names of our exchanges and queues begin with."""
    pool_size: int = Field(8, ge=2, le=100)
    """Connections to PostgreSQL per process."""
    health_port: int | None = Field(None, ge=0, le=65535)
    """Where /health, /ready and /metrics are served; none when not set."""
    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = Field(8080, ge=0, le=65535)
    """Where the gateway serves HTTP; with 0 the system chooses."""
    base_url: str | None = Field(None, pattern="^https?://")
    """The address the public sees; http://localhost:<port> if unset."""
    allow_loopback: bool = False
    """Whether webhooks, rules and image addresses may reach this machine: for development only."""
    log_level: str = "INFO"
    log_json: bool = True
    master_keys: SecretStr | None = None
    """Base64url keys of 32 bytes, comma separated; the first seals, all open."""
    master_key_file: Path | None = None
    """A file that holds the same; used when `master_keys` is not set."""
    token_secrets: SecretStr | None = None
    """Base64url secrets of 32 bytes or more, comma separated, newest first: the authentication
    tokens of passes derive from them, before those that come of the master keys."""

    @property
    def public_url(self) -> str:
        """The address the public sees, without a slash at its end."""
        return (self.base_url or f"http://localhost:{self.port}").rstrip("/")

    @model_validator(mode="after")
    def _one_source_of_keys(self) -> Self:
        if self.master_keys is None and self.master_key_file is None:
            raise ValueError("set PASSWRIGHT_MASTER_KEYS or PASSWRIGHT_MASTER_KEY_FILE")
        return self

    def read_master_keys(self) -> MasterKeys:
        """Parse the master keys."""
        if self.master_keys is not None:
            return MasterKeys.parse(self.master_keys.get_secret_value())
        if self.master_key_file is None:
            raise ValueError("no master keys")
        return MasterKeys.parse(self.master_key_file.read_text())

    def read_pass_tokens(self) -> PassTokens:
        """Put the secrets together: those that are set, then one of each master key.

        So passes from before secrets were set go on, as long as their master key is there.
        """
        derived = self.read_master_keys().derive(DERIVED_PURPOSE)
        given = self.token_secrets.get_secret_value() if self.token_secrets else ""
        return PassTokens([*parse_secrets(given), *derived] if given else derived)
