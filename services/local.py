"""All five services in one process: what `make run` starts, and what commands work on."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from deploy.local.guard import ServerError
from deploy.local.postgres import EmbeddedPostgres, FolderInUseError, is_installed
from services.gateway import app as gateway
from services.gateway.settings import Settings as GatewaySettings
from services.generator import app as generator
from services.generator.settings import Settings as GeneratorSettings
from services.member import app as member
from services.member.settings import Settings as MemberSettings
from services.notifier import app as notifier
from services.notifier.settings import Settings as NotifierSettings
from services.settings import LocalSettings
from services.triggers import app as triggers
from services.triggers.settings import Settings as TriggersSettings
from shared.messaging.embedded import MIGRATIONS, SCHEMA, EmbeddedTransport
from shared.messaging.rabbitmq import RabbitMQTransport
from shared.messaging.transport import Transport
from shared.migrations import MESSAGING, migrate
from shared.sealing import MasterKeys
from shared.service import Service, refusal_of
from shared.settings import StartUpError, read_settings


@dataclass(frozen=True)
class Premises:
    """Where this installation lives: servers that are up, and the keys."""

    settings: LocalSettings
    database_url: str
    master_key_file: Path | None
    postgres: EmbeddedPostgres | None

    def close(self) -> None:
        if self.postgres is not None:
            self.postgres.stop()


def open_premises(settings: LocalSettings, *, visiting: bool = False) -> Premises:
    """Make the data folder, the master key and PostgreSQL, unless they are set or elsewhere.

    A visitor, such as a command, uses the server of a `run` that is going on in the folder.
    """
    if settings.database_url is None and not is_installed():
        raise StartUpError("DATABASE_URL is not set, and no PostgreSQL is installed for `run`.")
    postgres = EmbeddedPostgres(settings.data / "postgres")
    try:
        if settings.database_url is None or not visiting:
            settings.data.mkdir(mode=0o755, parents=True, exist_ok=True)
        key_file = _find_key_file(settings)
        if settings.database_url is not None:
            return Premises(settings, settings.database_url.get_secret_value(), key_file, None)
        try:
            return Premises(settings, postgres.start(), key_file, postgres)
        except FolderInUseError:
            if not visiting:
                raise
            return Premises(settings, postgres.url, key_file, None)
    except OSError as error:
        reason = (error.strerror or "it cannot be used").lower()
        raise StartUpError(f"PASSWRIGHT_DATA is wrong: {settings.data}: {reason}.") from None
    except ServerError as error:
        raise StartUpError(f"PASSWRIGHT_DATA is wrong: {error.sentence}") from None


def _find_key_file(settings: LocalSettings) -> Path | None:
    """Find the file of the master keys, unless they are set; a new data folder gets one.

    A command on a database elsewhere has no such folder: the services there have keys already.
    """
    if settings.master_keys is not None or settings.master_key_file is not None:
        return settings.master_key_file
    key_file = settings.data / "master.key"
    if not key_file.exists():
        if not settings.data.exists():
            raise StartUpError("Set PASSWRIGHT_MASTER_KEYS or PASSWRIGHT_MASTER_KEY_FILE.")
        write_private(key_file, MasterKeys.generate_text())
    return key_file


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, in one step."""
    draft = path.with_suffix(f"{path.suffix}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def open_transport(premises: Premises) -> Transport:
    """Choose RabbitMQ when AMQP_URL is set, else the embedded transport."""
    url = premises.settings.amqp_url
    if url is not None:
        prefix = premises.settings.amqp_prefix
        return RabbitMQTransport(url.get_secret_value(), prefix=prefix)
    return EmbeddedTransport(premises.database_url)


def common_settings(premises: Premises) -> dict[str, Any]:
    """Return what the five services' settings have in common here; others ignore the gateway's."""
    settings = premises.settings
    return {
        "database_url": SecretStr(premises.database_url),
        "amqp_url": settings.amqp_url,
        "amqp_prefix": settings.amqp_prefix,
        "host": settings.host,
        "port": settings.port,
        "base_url": settings.base_url,
        "allow_loopback": settings.allow_loopback,
        "master_keys": settings.master_keys,
        "master_key_file": premises.master_key_file,
        "token_secrets": settings.token_secrets,
        "demo": settings.data / "demo.json",
    }


def build_all(premises: Premises, transport: Transport) -> list[Service]:
    """Build the five services on the same database and transport."""
    common = common_settings(premises)
    return [
        member.build(read_settings(MemberSettings, common), transport),
        triggers.build(read_settings(TriggersSettings, common), transport),
        generator.build(read_settings(GeneratorSettings, common), transport),
        notifier.build(read_settings(NotifierSettings, common), transport),
        gateway.build(read_settings(GatewaySettings, common), transport),
    ]


async def migrate_all(premises: Premises, services: list[Service]) -> None:
    """Bring every schema up to date, the embedded transport's too."""
    folders = {service.database.schema: [MESSAGING, service.migrations] for service in services}
    try:
        await migrate(premises.database_url, {SCHEMA: [MIGRATIONS], **folders})
    except ValueError as error:
        raise StartUpError(refusal_of(error)) from None
