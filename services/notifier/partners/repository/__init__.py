"""Tables of webhook endpoints and deliveries."""

from services.notifier.partners.repository.deliveries import DeliveryRepository
from services.notifier.partners.repository.endpoints import EndpointRepository
from services.notifier.partners.repository.sending import SendingRepository

__all__ = ["DeliveryRepository", "EndpointRepository", "SendingRepository"]
