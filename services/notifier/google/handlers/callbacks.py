"""What Google says that holders did: hints, for who removes a pass may not be all who have it."""

from services.notifier.google.handlers.acts import tell_acts
from services.notifier.google.handlers.issuers import StartSending
from services.notifier.google.repository import (
    DocumentRepository,
    JobRepository,
    StandingRepository,
)
from shared.contracts.message import Done
from shared.contracts.notifier import NoteGoogleCallback
from shared.database import UnitOfWork


async def note_google_callbacks(
    commands: list[NoteGoogleCallback], work: UnitOfWork, *, start_sending: StartSending
) -> list[Done]:
    """Tell saved objects as installed; of removed ones Google is asked who still has them."""
    named = {command.object_id for command in commands}
    known = await DocumentRepository(work.connection).lock(named)
    kept = await StandingRepository(work.connection).find_ids(known)
    told = [
        command
        for command in commands
        if command.object_id in kept and kept[command.object_id].issuer_id == command.issuer_id
    ]
    saved = {command.object_id: True for command in told if command.event_type == "save"}
    await tell_acts(saved, work)
    removed = {command.object_id for command in told if command.event_type == "del"}
    if removed:
        await JobRepository(work.connection).ask_look(removed)
        work.after_commit(start_sending)
    return [Done() for _ in commands]
