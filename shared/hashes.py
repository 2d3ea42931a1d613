"""The opaque names that PassSource gives out: of an account at its credentials, of a template."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from shared.passes.language.state import Environment
from shared.sealing import MasterKeys

_CLIENT: Final = "client hash"
_TEMPLATE: Final = "template hash"
_ID_LENGTH: Final = 16
_EPOCH_LENGTH: Final = 6


@dataclass(frozen=True, slots=True)
class ClientName:
    """What a client hash stands for; it counts while the account's epoch is this one."""

    account_id: UUID
    epoch: int


@dataclass(frozen=True, slots=True)
class TemplateName:
    """What a template hash stands for; it says whose the template is without a look at tables."""

    account_id: UUID
    template_id: UUID


def client_hash(master_keys: MasterKeys, account_id: UUID, epoch: int) -> str:
    """Name an account at its present credentials."""
    content = account_id.bytes + epoch.to_bytes(_EPOCH_LENGTH, "big")
    return master_keys.mint(content, purpose=_CLIENT)


def read_client_hash(master_keys: MasterKeys, text: str) -> ClientName | None:
    """Read a client hash; None if it was not made here."""
    content = master_keys.read_token(text, purpose=_CLIENT)
    if content is None or len(content) != _ID_LENGTH + _EPOCH_LENGTH:
        return None
    return ClientName(UUID(bytes=content[:_ID_LENGTH]), int.from_bytes(content[_ID_LENGTH:], "big"))


def template_hash(master_keys: MasterKeys, account_id: UUID, template_id: UUID) -> str:
    """Name a template."""
    return master_keys.mint(template_id.bytes + account_id.bytes, purpose=_TEMPLATE)


def environment_of(
    master_keys: MasterKeys,
    root_url: str,
    account_id: UUID,
    template_id: UUID,
    epochs: Mapping[UUID, int] | None = None,
) -> Environment:
    """Tell what the texts of a template may say of where it lives.

    `epochs` holds the accounts' present credentials; without it no text tells a client hash.
    """

    def present_client_hash() -> str | None:
        epoch = epochs.get(account_id) if epochs is not None else None
        return None if epoch is None else client_hash(master_keys, account_id, epoch)

    return Environment(
        root_url=root_url,
        client_hash=present_client_hash,
        client_id=str(account_id),
        template_id=str(template_id),
        template_hash=template_hash(master_keys, account_id, template_id),
    )


def read_template_hash(master_keys: MasterKeys, text: str) -> TemplateName | None:
    """Read a template hash; None if it was not made here."""
    content = master_keys.read_token(text, purpose=_TEMPLATE)
    if content is None or len(content) != 2 * _ID_LENGTH:
        return None
    return TemplateName(
        account_id=UUID(bytes=content[_ID_LENGTH:]), template_id=UUID(bytes=content[:_ID_LENGTH])
    )
