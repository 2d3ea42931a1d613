"""The notifier's tables."""

from services.notifier.repository.deliveries import DeliveryRepository
from services.notifier.repository.endpoints import EndpointRepository
from services.notifier.repository.events import ContentRepository, EventRepository
from services.notifier.repository.feed import FeedRepository
from services.notifier.repository.sending import SendingRepository
from services.notifier.repository.told import ToldRepository

__all__ = [
    "ContentRepository",
    "DeliveryRepository",
    "EndpointRepository",
    "EventRepository",
    "FeedRepository",
    "SendingRepository",
    "ToldRepository",
]
