"""Warns of certificates that end soon: without one no pass is signed and no device is told."""

from datetime import timedelta
from typing import Final

from services.notifier.apple.domain.pushes import warning_of
from services.notifier.apple.repository import IdentityRepository
from services.notifier.feed.handlers.events import Tell
from shared import clock
from shared.database import Database

KEPT: Final = timedelta(days=30)
"""How long a certificate is kept after its end."""


async def warn_of_ends(database: Database, tell: Tell) -> None:
    """Tell each account 60, 30 and 7 days before, once each, unless a newer one is there."""
    async with database.work() as work:
        identities = IdentityRepository(work.connection)
        await identities.forget_ended(KEPT)
        expiring = await identities.mark_expiring()
        now = clock.now()
        await tell(work, [warning_of(identity, now) for identity in expiring])
