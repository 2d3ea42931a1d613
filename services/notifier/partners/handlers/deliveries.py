"""What happened, on its way to endpoints: made, sent again, tried, shown."""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, Final, get_args
from uuid import UUID

from services.notifier.feed.domain.happenings import Happening
from services.notifier.feed.repository import EventRepository
from services.notifier.partners.domain.happenings import of_test
from services.notifier.partners.domain.webhooks import (
    EndpointDisabledError,
    EventNotFoundError,
    Recipient,
    State,
)
from services.notifier.partners.repository import DeliveryRepository, EndpointRepository
from shared import clock
from shared.contracts.notifier import (
    DeliveryPage,
    ListDeliveries,
    ReplayDeliveries,
    Replayed,
    TriedEndpoint,
    TryEndpoint,
)
from shared.database import UnitOfWork
from shared.errors import InvalidError

MAX_DELIVERIES_LISTED: Final = 100

Notify = Callable[[Collection[UUID]], None]
"""Tells the delivery job which endpoints will have something due once this work commits."""


async def deliver(work: UnitOfWork, happenings: Sequence[Happening], *, notify: Notify) -> None:
    """Make a delivery of what is new in the feed for every endpoint that wants it.

    Who hears of it is read after it was numbered, while the accounts' feeds are held: an endpoint
    that hears of one event hears of all that follow it in the feed, whoever waited for the feed
    while the endpoint was created. It locks no endpoint.
    """
    accounts = {happening.account_id for happening in happenings}
    recipients = await EndpointRepository(work.connection).list_recipients(accounts)
    rows = _wanted(happenings, recipients)
    if rows:
        await DeliveryRepository(work.connection).add_all(rows)
        waiting = {endpoint_id for endpoint_id, _ in rows}
        work.after_commit(lambda: notify(waiting))


def _wanted(
    happenings: Sequence[Happening], recipients: Sequence[Recipient]
) -> list[tuple[UUID, Happening]]:
    by_account: dict[UUID, list[Recipient]] = defaultdict(list)
    for recipient in recipients:
        by_account[recipient.account_id].append(recipient)
    return [
        (recipient.endpoint_id, happening)
        for happening in happenings
        for recipient in by_account.get(happening.account_id, ())
        if recipient.wants(happening)
    ]


async def replay_deliveries(
    commands: list[ReplayDeliveries], work: UnitOfWork, *, notify: Notify
) -> list[Replayed]:
    """Make events due again: at most 10,000 in one call, oldest first."""
    deliveries = DeliveryRepository(work.connection)
    replayed: list[Replayed] = []
    for command in commands:
        await EndpointRepository(work.connection).get(command.account_id, command.endpoint_id)
        event_ids = await _to_replay(command, deliveries)
        await deliveries.replay(command.endpoint_id, event_ids)
        replayed.append(Replayed(count=len(event_ids)))
    waiting = {command.endpoint_id for command in commands}
    work.after_commit(lambda: notify(waiting))
    return replayed


async def _to_replay(command: ReplayDeliveries, deliveries: DeliveryRepository) -> list[UUID]:
    if (command.event_id is None) == (command.since is None):
        raise InvalidError("Give either `event_id` or `since`.")
    account_id, endpoint_id = command.account_id, command.endpoint_id
    if command.since is not None:
        _check_range(command.since, command.until)
        return await deliveries.find_between(
            account_id, endpoint_id, command.since, command.until, only_failed=command.only_failed
        )
    if command.until is not None:
        raise InvalidError("`until` needs a `since`.")
    if command.event_id is None or not await deliveries.find_event(
        account_id, endpoint_id, command.event_id
    ):
        raise EventNotFoundError
    return [command.event_id]


def _check_range(since: datetime, until: datetime | None) -> None:
    if since.tzinfo is None or (until is not None and until.tzinfo is None):
        raise InvalidError("`since` and `until` need a time zone.")
    if until is not None and until <= since:
        raise InvalidError("`until` must be after `since`.")


async def try_endpoints(
    commands: list[TryEndpoint], work: UnitOfWork, *, notify: Notify
) -> list[TriedEndpoint]:
    """Send a test to one endpoint, as any event is sent, but outside the feed."""
    sent: list[TriedEndpoint] = []
    for command in commands:
        account_id, endpoint_id = command.account_id, command.endpoint_id
        endpoint = await EndpointRepository(work.connection).get(account_id, endpoint_id)
        if not endpoint.enabled:
            raise EndpointDisabledError
        test = of_test(account_id, endpoint_id, clock.now())
        await EventRepository(work.connection).add_test(test)
        [delivery_id] = await DeliveryRepository(work.connection).add_all([(endpoint_id, test)])
        sent.append(TriedEndpoint(delivery_id=delivery_id, event_id=test.event_id))
    waiting = {command.endpoint_id for command in commands}
    work.after_commit(lambda: notify(waiting))
    return sent


async def list_deliveries(queries: list[ListDeliveries], work: UnitOfWork) -> list[DeliveryPage]:
    pages: list[DeliveryPage] = []
    for query in queries:
        if query.state is not None and query.state not in get_args(State):
            raise InvalidError(f"`state` is one of: {', '.join(get_args(State))}.")
        if query.endpoint_id is not None:
            await EndpointRepository(work.connection).get(query.account_id, query.endpoint_id)
        filters: dict[str, Any] = query.model_dump(
            include={"endpoint_id", "handle", "state", "before"}
        )
        limit = max(1, min(query.limit, MAX_DELIVERIES_LISTED))
        found, more = await DeliveryRepository(work.connection).list_page(
            query.account_id, **filters, limit=limit
        )
        pages.append(DeliveryPage(deliveries=found, more=more))
    return pages
