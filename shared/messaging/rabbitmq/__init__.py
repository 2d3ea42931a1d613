"""The transport over RabbitMQ: quorum queues for events, quick ones for requests."""

from shared.messaging.rabbitmq.transport import RabbitMQTransport

__all__ = ["RabbitMQTransport"]
