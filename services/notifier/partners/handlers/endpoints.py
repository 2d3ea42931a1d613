"""Webhook endpoints: set up, changed, shown."""

from collections.abc import Callable
from typing import Final
from uuid import UUID

from services.notifier.partners.domain.webhooks import (
    MAX_GRACE_SECONDS,
    EndpointNotFoundError,
    checked_fields,
    new_secret,
)
from services.notifier.partners.handlers.deliveries import Notify
from services.notifier.partners.repository import EndpointRepository
from shared.contracts.message import Done
from shared.contracts.notifier import (
    SECRET_PURPOSE,
    CreateEndpoint,
    DeleteEndpoint,
    Endpoint,
    EndpointPage,
    EndpointSecret,
    ListEndpoints,
    ReadEndpoint,
    RotateSecret,
    UpdateEndpoint,
)
from shared.database import UnitOfWork
from shared.errors import ApplicationError, InvalidError
from shared.sealing import MasterKeys

MAX_ENDPOINTS_LISTED: Final = 1000

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


async def read_endpoints(queries: list[ReadEndpoint], work: UnitOfWork) -> list[Endpoint]:
    endpoints = EndpointRepository(work.connection)
    return [await endpoints.get(query.account_id, query.endpoint_id) for query in queries]


async def list_endpoints(queries: list[ListEndpoints], work: UnitOfWork) -> list[EndpointPage]:
    endpoints = EndpointRepository(work.connection)
    pages: list[EndpointPage] = []
    for query in queries:
        limit = max(1, min(query.limit, MAX_ENDPOINTS_LISTED))
        found, more = await endpoints.list_page(query.account_id, query.after, limit)
        pages.append(EndpointPage(endpoints=found, more=more))
    return pages


def _seal(keys: MasterKeys, account_id: UUID, secret: str) -> str:
    return keys.seal(secret.encode(), purpose=SECRET_PURPOSE, owner=str(account_id))
