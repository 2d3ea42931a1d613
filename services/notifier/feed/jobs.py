"""What the clock starts for the feed."""

from datetime import timedelta
from typing import Final

from services.notifier.feed.domain.happenings import RETENTION
from services.notifier.feed.repository import (
    AnnouncedRepository,
    EventRepository,
    ObservationRepository,
)
from shared.database import Database

MAX_DELIVERY_TIME: Final = timedelta(days=4)
"""Longer than a delivery is under way, whose event must still be there."""


async def forget_events(database: Database) -> None:
    """Delete old events and observations, in turns that hold no lock for long, and things gone."""
    async with database.connection() as connection:
        while await EventRepository(connection).forget_old(RETENTION + MAX_DELIVERY_TIME):
            pass
        while await ObservationRepository(connection).forget_old(RETENTION):
            pass
        await AnnouncedRepository(connection).forget_gone(RETENTION)
