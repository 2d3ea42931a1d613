"""Forgets objects of passes that have been gone for long."""

from typing import Final

from services.notifier.feed.domain.happenings import RETENTION
from services.notifier.google.repository import (
    DocumentRepository,
    JobRepository,
    NoticeRepository,
)
from shared.database import Database

OBJECTS_A_TURN: Final = 1_000


async def forget_objects(database: Database) -> None:
    """Delete what is kept of deleted passes, in turns; at Google they stay, void and empty."""
    gone = [""]
    while gone:
        async with database.work("bulk") as work:
            documents = DocumentRepository(work.connection)
            gone = await documents.find_forgettable(RETENTION, OBJECTS_A_TURN)
            await documents.forget(gone)
            await JobRepository(work.connection).forget(gone)
            await NoticeRepository(work.connection).forget(gone)
