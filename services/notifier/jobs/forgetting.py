"""Forgets what is older than anybody may ask for."""

from datetime import timedelta
from typing import Final

from services.notifier.domain.webhooks import RETENTION
from services.notifier.repository import (
    ContentRepository,
    DeliveryRepository,
    EventRepository,
    ToldRepository,
)
from shared.database import Database

LONGEST_WAY: Final = timedelta(days=4)
"""Longer than a delivery is under way, whose event must still be there."""


async def forget_old(database: Database) -> None:
    """Delete what is older than 30 days, in turns that hold no lock for long."""
    async with database.connection() as connection:
        deliveries = DeliveryRepository(connection)
        await deliveries.drop_stray()
        while await deliveries.forget_old(RETENTION):
            pass
        while await EventRepository(connection).forget_old(RETENTION + LONGEST_WAY):
            pass
        await ToldRepository(connection).forget_gone(RETENTION)
    more = True
    while more:
        async with database.work() as work:
            more = await ContentRepository(work.connection).forget_old(RETENTION)
