"""The settings every service has; each adds its own in its settings.py."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.crashing import check_crash_at
from shared.google.accounts import TOKEN_URL
from shared.google.api import API, KEYS_URL, PATH, SAVE_URL, GoogleAddresses
from shared.passes.apple.tokens import DERIVED_PURPOSE, PassTokens, parse_secrets
from shared.sealing import MasterKeys

DATABASE_FORM: Final = "postgresql://user:password@host:5432/database"
BROKER_FORM: Final = "amqp://user:password@host:5672/virtual-host"
_PUBLIC_URL: Final = re.compile(r"https?://[^\s/?#@]+(?:/[^\s?#]*)?")
LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class StartUpError(Exception):
    """Why this cannot start, in one sentence that names the setting to change."""


Settings = TypeVar("Settings", bound=BaseSettings)


def read_settings(
    kind: type[Settings], given: Mapping[str, Any] = MappingProxyType({})
) -> Settings:
    """Read settings from the environment, but for those that are given.

    StartUpError names one that is missing or wrong, and never shows its value.
    """
    try:
        return kind.model_validate(dict(given))
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False, include_context=False)[0]
        name = str(fault["loc"][0]) if fault["loc"] else ""
        if fault["type"] == "missing":
            raise StartUpError(f"{_variable(kind, name)} is not set.") from None
        detail = fault["msg"].removeprefix("Value error, ")
        if not name:
            raise StartUpError(f"{detail}.") from None
        raise StartUpError(f"{_variable(kind, name)} is wrong: {detail}.") from None


def _variable(kind: type[BaseSettings], name: str) -> str:
    """Name the environment variable of a setting."""
    field = kind.model_fields.get(name)
    if field is not None and isinstance(field.validation_alias, str):
        return field.validation_alias
    return name if name.isupper() else f"PASSWRIGHT_{name.upper()}"


def check_level(level: str) -> str:
    """Refuse what is no level of the log."""
    if level.upper() not in LOG_LEVELS:
        raise ValueError(f"one of {', '.join(LOG_LEVELS)} is needed")
    return level


def _check_database_url(url: SecretStr) -> SecretStr:
    return _check_url(url, {"postgresql", "postgres"}, DATABASE_FORM)


def _check_broker_url(url: SecretStr) -> SecretStr:
    return _check_url(url, {"amqp", "amqps"}, BROKER_FORM)


def _check_url(url: SecretStr, schemes: set[str], form: str) -> SecretStr:
    """Refuse what is no such address; a database's may name several servers."""
    try:
        scheme, place, *_ = urlsplit(url.get_secret_value())
        for server in place.rpartition("@")[2].split(","):
            _ = urlsplit(f"//{server}").port  # ValueError where it is none
    except ValueError:
        scheme = ""
    if scheme not in schemes:
        raise ValueError(f"it looks like {form}")
    return url


def _check_public_url(url: str) -> str:
    if not _PUBLIC_URL.fullmatch(url):
        raise ValueError("it looks like https://passes.example.com")
    return url


PublicUrl = Annotated[str, AfterValidator(_check_public_url)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_check_database_url)]
BrokerUrl = Annotated[SecretStr, AfterValidator(_check_broker_url)]


class CommonSettings(BaseSettings):
    """Read once from the environment, in `__main__`. Names that carry no prefix are customary."""

    model_config = SettingsConfigDict(
        env_prefix="PASSWRIGHT_",
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    database_url: DatabaseUrl = Field(validation_alias="DATABASE_URL")
    """PostgreSQL; each service uses its own schema and role in it."""
    amqp_url: BrokerUrl | None = Field(None, validation_alias="AMQP_URL")
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
    base_url: PublicUrl | None = None
    """The address the public sees; http://localhost:<port> if unset."""
    allow_loopback: bool = False
    """Whether webhooks, rules and image addresses may reach this machine: for development only."""
    log_level: Annotated[str, AfterValidator(check_level)] = "INFO"
    log_json: bool = True
    crash_at: Annotated[str, AfterValidator(check_crash_at)] | None = None
    """For tests only: where this process ends as with kill -9 (`shared/crashing.py`)."""
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
            raise ValueError("Set PASSWRIGHT_MASTER_KEYS or PASSWRIGHT_MASTER_KEY_FILE")
        return self

    def read_master_keys(self) -> MasterKeys:
        """Parse the master keys."""
        if self.master_keys is not None:
            return _parse("PASSWRIGHT_MASTER_KEYS", self.master_keys.get_secret_value())
        if self.master_key_file is None:
            raise StartUpError("PASSWRIGHT_MASTER_KEYS is not set.")
        try:
            text = self.master_key_file.read_text()
        except (OSError, UnicodeDecodeError):
            raise StartUpError("PASSWRIGHT_MASTER_KEY_FILE cannot be read.") from None
        return _parse("PASSWRIGHT_MASTER_KEY_FILE", text)

    def read_pass_tokens(self, keys: MasterKeys) -> PassTokens:
        """Put the secrets together: those that are set, then one of each master key.

        So passes from before secrets were set go on, as long as their master key is there.
        """
        derived = keys.derive(DERIVED_PURPOSE)
        given = self.token_secrets.get_secret_value() if self.token_secrets else ""
        try:
            return PassTokens([*parse_secrets(given), *derived] if given else derived)
        except ValueError as error:
            raise StartUpError(f"PASSWRIGHT_TOKEN_SECRETS is wrong: {error}.") from None


class GoogleSettings(CommonSettings):
    """The common settings, and where Google Wallet is, or what stands for it in tests."""

    google_api: str = Field(API, pattern="^https://")
    """Google Wallet's REST API."""
    google_token_url: str = Field(TOKEN_URL, pattern="^https://")
    """Where tokens are given for what service accounts sign."""
    google_keys_url: str = Field(KEYS_URL, pattern="^https://")
    """The keys that sign Google's callbacks."""
    google_save_url: str = Field(SAVE_URL, pattern="^https://")
    """What a save link begins with."""
    google_root: Path | None = None
    """A PEM file of who vouches for these servers; whom the system trusts if unset."""

    @property
    def google_addresses(self) -> GoogleAddresses:
        """All of it, as the client takes it; the API's path may be left out."""
        api = self.google_api.rstrip("/")
        return GoogleAddresses(
            api if api.endswith(PATH) else api + PATH,
            self.google_token_url,
            self.google_keys_url,
            self.google_save_url.rstrip("/"),
            self.google_root,
        )


def _parse(name: str, text: str) -> MasterKeys:
    try:
        return MasterKeys.parse(text)
    except ValueError as error:
        raise StartUpError(f"{name} is wrong: {error}.") from None
