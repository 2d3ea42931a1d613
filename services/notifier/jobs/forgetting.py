"""Forgets what is older than anybody may ask for."""

from datetime import timedelta
from typing import Final

from services.notifier.domain.webhooks import RETENTION
from services.notifier.repository import (
    AnnouncedRepository,
    ContentRepository,
    DeliveryRepository,
    DeviceRepository,
    EventRepository,
    ObservationRepository,
    PassRepository,
)
from shared.database import Database, UnitOfWork

MAX_DELIVERY_TIME: Final = timedelta(days=4)
"""Longer than a delivery is under way, whose event must still be there."""


async def forget_old(database: Database) -> None:
    """Delete what is older than 30 days, in turns that hold no lock for long."""
    async with database.connection() as connection:
        deliveries = DeliveryRepository(connection)
        await deliveries.drop_stray()
        while await deliveries.forget_old(RETENTION):
            pass
        while await EventRepository(connection).forget_old(RETENTION + MAX_DELIVERY_TIME):
            pass
        while await ObservationRepository(connection).forget_old(RETENTION):
            pass
        await AnnouncedRepository(connection).forget_gone(RETENTION)
    more = True
    while more:
        async with database.work() as work:
            more = await ContentRepository(work.connection).forget_old(RETENTION)
    more = True
    while more:
        async with database.work() as work:
            more = await _forget_passes(work)


async def _forget_passes(work: UnitOfWork) -> bool:
    """Forget some deleted passes, with their registrations and the devices of nothing else."""
    devices, passes = DeviceRepository(work.connection), PassRepository(work.connection)
    handles = await passes.find_forgettable(RETENTION)
    if not handles:
        return False
    registrations = await devices.find_holders(handles)
    holders = {device for device, _ in registrations}
    await devices.lock(holders)
    await passes.lock_known(handles)
    await devices.delete_registrations(registrations)
    await devices.delete_unregistered(holders)
    await passes.forget(handles)
    return True
