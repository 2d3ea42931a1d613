"""Certificates of pass types, with which devices are pushed."""

from services.notifier.apple.handlers.devices import StartPushing
from services.notifier.apple.repository import IdentityRepository, PushingRepository
from shared.contracts.gateway import IdentitySaved
from shared.database import UnitOfWork


async def keep_identities(
    messages: list[IdentitySaved], work: UnitOfWork, *, start_pushing: StartPushing
) -> None:
    """Keep certificates; what could not be pushed with an earlier one is tried at once."""
    new = await IdentityRepository(work.connection).save_all(messages)
    if new:
        await PushingRepository(work.connection).hurry(new)
        work.after_commit(start_pushing)
