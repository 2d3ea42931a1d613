"""What every dialect does with passes: issue, change, read and fetch; a room only translates."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid5

from services.gateway.catalogue.door import Door
from shared.contracts.generator import Content, ReadContent
from shared.contracts.member import Member, ReadMember
from shared.contracts.message import JsonObject, Lane
from shared.contracts.triggers import (
    ChangePass,
    CreatePass,
    EventKind,
    Pass,
    PassChanged,
    PassCreated,
    ReadPass,
)
from shared.errors import (
    ApplicationError,
    GoneError,
    InvalidError,
    NotFoundError,
    UnavailableError,
)
from shared.identifiers import new_handle, new_serial
from shared.passes.archive import ArchiveEntry, PassArchive

Change = ChangePass.__annotations__["kind"]

_FIRST_FILES = ("pass.json", "manifest.json", "signature")


class UnknownTemplateError(InvalidError):
    """There is no such template in this account."""

    code = "template_unknown"


class UnknownMemberError(InvalidError):
    """There is no such member in this account."""

    code = "member_unknown"


@dataclass(frozen=True, slots=True)
class Order:
    """One pass that somebody wants: with which values, and for whom."""

    values: JsonObject
    member_id: str | None = None


async def issue(
    door: Door, account_id: UUID, template_id: UUID, order: Order, command_id: UUID
) -> PassCreated:
    """Issue one pass; who asks waits for it."""
    revision = await _revision(door, account_id, template_id)
