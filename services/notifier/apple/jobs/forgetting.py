"""Forgets passes that have been gone for long."""

from services.notifier.apple.repository import (
    ContentRepository,
    DeviceRepository,
    PassRepository,
)
from services.notifier.feed.domain.happenings import RETENTION
from shared.database import Database, UnitOfWork


async def forget_passes(database: Database) -> None:
    """Delete what is kept of deleted passes, in turns."""
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
