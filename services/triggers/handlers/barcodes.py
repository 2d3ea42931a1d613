"""Sees to it that no two passes of a template get a barcode message that is to be unique."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final
from uuid import UUID

from services.triggers.domain import PassRecord, make_up_message, unique_message
from services.triggers.repository.barcodes import BarcodeRepository, MessageClaim
from services.triggers.repository.templates import KnownTemplate
from shared.contracts.triggers import CreatePass
from shared.database import UnitOfWork
from shared.errors import ApplicationError

_TRIES: Final = 20
"""With half of all numbers taken, one pass in a million finds none."""


async def claim_messages(
    drafts: Sequence[object], templates: Mapping[UUID, KnownTemplate], work: UnitOfWork
) -> tuple[set[str], set[str]]:
    """Claim the messages of new passes; returns the handles of those served, and of the others.

    A message that was made up for a pass and is taken gives way to another one.
    """
    waiting = {
        draft.handle: draft
        for draft in drafts
        if isinstance(draft, PassRecord) and _claim_of(draft, templates) is not None
    }
    served: set[str] = set()
    barcodes = BarcodeRepository(work.connection)
    for _ in range(_TRIES if waiting else 0):
        claims = [claim for one in waiting.values() if (claim := _claim_of(one, templates))]
        served |= await barcodes.claim(claims)
        waiting = {handle: one for handle, one in waiting.items() if handle not in served}
        made_up = [
            record
            for record in waiting.values()
            if templates[record.template_id].compiled.barcode_policy == "random"
        ]
        if not made_up:
            break
        for record in made_up:
            make_up_message(record)
    return served, set(waiting)


async def release_messages(
    claimed: Collection[str],
    commands: Sequence[CreatePass],
    outcomes: Sequence[object],
    work: UnitOfWork,
) -> None:
    """Give back what was claimed for passes that their rules stopped."""
    stopped = [
        command.handle
        for command, outcome in zip(commands, outcomes, strict=True)
        if command.handle in claimed and isinstance(outcome, ApplicationError)
    ]
    if stopped:
        await BarcodeRepository(work.connection).release(stopped)


def _claim_of(record: PassRecord, templates: Mapping[UUID, KnownTemplate]) -> MessageClaim | None:
    message = unique_message(record, templates[record.template_id].compiled)
    return MessageClaim(record.template_id, message, record.handle) if message else None
