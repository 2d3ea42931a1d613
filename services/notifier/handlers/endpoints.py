"""Webhook endpoints and their deliveries: set up, shown, sent again."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, get_args
from uuid import UUID

from services.notifier.domain.happenings import of_test
from services.notifier.domain.webhooks import (
    MAX_GRACE_SECONDS,
    EndpointDisabledError,
    EndpointNotFoundError,
    EventNotFoundError,
    State,
    checked_fields,
    new_secret,
)
from services.notifier.handlers.events import Notify
from services.notifier.repository import DeliveryRepository, EndpointRepository, EventRepository
from shared import clock
from shared.contracts.message import Done
from shared.contracts.notifier import (
    SECRET_PURPOSE,
    CreateEndpoint,
    DeleteEndpoint,
    DeliveryPage,
    Endpoint,
    EndpointPage,
    EndpointSecret,
    ListDeliveries,
    ListEndpoints,
    ReadEndpoint,
    ReplayDeliveries,
    Replayed,
    RotateSecret,
    TriedEndpoint,
    TryEndpoint,
    UpdateEndpoint,
)
from shared.database import UnitOfWork
from shared.errors import ApplicationError, InvalidError
from shared.sealing import MasterKeys

MAX_ENDPOINTS_LISTED: Final = 1000
MAX_DELIVERIES_LISTED: Final = 100

CheckUrl = Callable[[str], None]


async def create_endpoints(
    commands: list[CreateEndpoint], work: UnitOfWork, *, check_url: CheckUrl, keys: MasterKeys
) -> list[EndpointSecret]:
    endpoints = EndpointRepository(work.connection)
    await endpoints.lock_accounts(command.account_id for command in commands)
    made: list[EndpointSecret] = []
    for command in commands:
        given = command.model_dump(include={"url", "description", "kinds", "template_id"})
        sealed = _seal(keys, command.account_id, new_secret())
        endpoint = await endpoints.add(command, checked_fields(given, check_url), sealed)
        made.append(EndpointSecret(endpoint=endpoint, sealed_secret=sealed))
    return made


async def update_endpoints(
    commands: list[UpdateEndpoint], work: UnitOfWork, *, check_url: CheckUrl, notify: Notify
) -> list[Endpoint]:
    endpoints = EndpointRepository(work.connection)
    updated: list[Endpoint] = []
    for command in commands:
        fields = checked_fields(command.fields, check_url)
        updated.append(await endpoints.update(command.account_id, command.endpoint_id, fields))
    enabled = {endpoint.endpoint_id for endpoint in updated if endpoint.enabled}
    work.after_commit(lambda: notify(enabled))
    return updated


async def delete_endpoints(commands: list[DeleteEndpoint], work: UnitOfWork) -> list[Done]:
    endpoints = EndpointRepository(work.connection)
    for command in commands:
        await endpoints.delete(command.account_id, command.endpoint_id)
    return [Done() for _ in commands]


async def rotate_secrets(
    commands: list[RotateSecret], work: UnitOfWork, *, keys: MasterKeys
) -> list[EndpointSecret]:
    endpoints = EndpointRepository(work.connection)
    rotated: list[EndpointSecret] = []
    for command in commands:
        if not 0 <= command.grace <= MAX_GRACE_SECONDS:
            raise InvalidError(f"`grace` is 0 to {MAX_GRACE_SECONDS} seconds.")
        sealed = _seal(keys, command.account_id, new_secret())
        endpoint = await endpoints.rotate_secret(
            command.account_id, command.endpoint_id, sealed, command.grace
        )
        rotated.append(EndpointSecret(endpoint=endpoint, sealed_secret=sealed))
    return rotated


def reduce_secret(made: EndpointSecret) -> EndpointSecret:
    """Leave out the secret."""
    return made.model_copy(update={"sealed_secret": ""})


async def recall_secrets(
    commands: list[CreateEndpoint] | list[RotateSecret],
    kept: list[EndpointSecret],
    work: UnitOfWork,
) -> list[EndpointSecret | ApplicationError]:
    """Answer repeats with the secrets that are signed with by now."""
    endpoints = EndpointRepository(work.connection)
    secrets = await endpoints.find_secrets((c.account_id, c.endpoint_id) for c in commands)
    return [
        made.model_copy(update={"sealed_secret": secrets[made.endpoint.endpoint_id]})
        if made.endpoint.endpoint_id in secrets
        else EndpointNotFoundError()
        for made in kept
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


async def read_endpoints(queries: list[ReadEndpoint], work: UnitOfWork) -> list[Endpoint]:
    endpoints = EndpointRepository(work.connection)
    return [await endpoints.get(query.account_id, query.endpoint_id) for query in queries]


async def list_endpoints(queries: list[ListEndpoints], work: UnitOfWork) -> list[EndpointPage]:
    endpoints = EndpointRepository(work.connection)
    pages: list[EndpointPage] = []
    for query in queries:
        limit = _limit(query.limit, MAX_ENDPOINTS_LISTED)
        found, more = await endpoints.list_page(query.account_id, query.after, limit)
        pages.append(EndpointPage(endpoints=found, more=more))
    return pages


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
        limit = _limit(query.limit, MAX_DELIVERIES_LISTED)
        found, more = await DeliveryRepository(work.connection).list_page(
            query.account_id, **filters, limit=limit
        )
        pages.append(DeliveryPage(deliveries=found, more=more))
    return pages


def _limit(asked: int, most: int) -> int:
    return max(1, min(asked, most))


def _seal(keys: MasterKeys, account_id: UUID, secret: str) -> str:
    return keys.seal(secret.encode(), purpose=SECRET_PURPOSE, owner=str(account_id))
