"""Forgets deliveries that are older than anybody may ask for."""

from services.notifier.feed.domain.happenings import RETENTION
from services.notifier.partners.repository import DeliveryRepository
from shared.database import Database


async def forget_deliveries(database: Database) -> None:
    """Delete old deliveries and attempts, in turns that hold no lock for long."""
    async with database.connection() as connection:
        deliveries = DeliveryRepository(connection)
        await deliveries.drop_stray()
        while await deliveries.forget_old(RETENTION):
            pass
