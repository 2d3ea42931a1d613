"""The notifier's tables."""

from services.notifier.repository.announced import AnnouncedRepository
from services.notifier.repository.deliveries import DeliveryRepository
from services.notifier.repository.devices import DeviceRepository
from services.notifier.repository.endpoints import EndpointRepository
from services.notifier.repository.events import ContentRepository, EventRepository
from services.notifier.repository.feed import FeedRepository
from services.notifier.repository.identities import IdentityRepository
from services.notifier.repository.observations import ObservationRepository
from services.notifier.repository.passes import PassRepository
from services.notifier.repository.pushing import PushingRepository
from services.notifier.repository.sending import SendingRepository
from services.notifier.repository.wakes import WakeRepository

__all__ = [
    "AnnouncedRepository",
    "ContentRepository",
    "DeliveryRepository",
    "DeviceRepository",
    "EndpointRepository",
    "EventRepository",
    "FeedRepository",
    "IdentityRepository",
    "ObservationRepository",
    "PassRepository",
    "PushingRepository",
    "SendingRepository",
    "WakeRepository",
]
