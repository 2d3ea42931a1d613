"""Tables of what happened."""

from services.notifier.feed.repository.announced import AnnouncedRepository
from services.notifier.feed.repository.events import EventRepository
from services.notifier.feed.repository.feed import FeedRepository
from services.notifier.feed.repository.fetches import FetchRepository
from services.notifier.feed.repository.observations import ObservationRepository

__all__ = [
    "AnnouncedRepository",
    "EventRepository",
    "FeedRepository",
    "FetchRepository",
    "ObservationRepository",
]
