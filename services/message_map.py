"""The message map: message → who sends it, who handles it; made from the services' own tables."""

from collections.abc import Sequence

from shared.contracts.message import CatalogueEvent, Command, Query
from shared.messaging.topology import owner_of
from shared.service import Service


def message_map(services: Sequence[Service]) -> str:
    """Write the map as a Markdown table, sorted by message name."""
    handlers: dict[str, list[str]] = {}
    kinds: dict[str, str] = {}
    senders: dict[str, str] = {}
    for service in services:
        for subscription in service.subscriptions:
            message = subscription.message
            is_request = issubclass(message, Command | Query)
            name = message.name
            kinds[name] = _kind(message)
            senders[name] = "gateway" if is_request else owner_of(name)
            handlers.setdefault(name, []).append(f"{service.name} `{subscription.handler_name}`")
    rows = [
        f"| `{name}` | {kinds[name]} | {senders[name]} | {', '.join(sorted(handlers[name]))} |"
        for name in sorted(handlers)
    ]
    return "\n".join(
        ["| message | kind | sent by | handled by |", "| --- | --- | --- | --- |", *rows]
    )


def _kind(message: type) -> str:
    if issubclass(message, Command):
        return "command"
    if issubclass(message, Query):
        return "query"
    return "catalogue event" if issubclass(message, CatalogueEvent) else "event"
