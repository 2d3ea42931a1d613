"""The notifier's tables."""

from services.notifier.repository.deliveries import DeliveryRepository
from services.notifier.repository.endpoints import EndpointRepository
from services.notifier.repository.events import ContentRepository, EventRepository
from services.notifier.repository.sending import SendingRepository

__all__ = [
    "ContentRepository",
    "DeliveryRepository",
    "EndpointRepository",
    "EventRepository",
    "SendingRepository",
]
