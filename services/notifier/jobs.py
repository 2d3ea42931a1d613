"""What the clock starts for all of the notifier."""

from services.notifier.apple.jobs.forgetting import forget_passes
from services.notifier.feed.jobs import forget_events
from services.notifier.google.jobs.forgetting import forget_objects
from services.notifier.partners.jobs.forgetting import forget_deliveries
from shared.database import Database


async def forget_old(database: Database) -> None:
    """Delete what is older than 30 days, in turns that hold no lock for long."""
    await forget_deliveries(database)
    await forget_events(database)
    await forget_passes(database)
    await forget_objects(database)
