"""Puts the notifier together."""

import asyncio
from collections.abc import Collection
from functools import partial
from pathlib import Path
from uuid import UUID

from services.notifier.clients.partners import WebhookSender
from services.notifier.domain.webhooks import Rota
from services.notifier.handlers import contents, devices, endpoints, events
from services.notifier.jobs.deliveries import LOOK_SECONDS, DeliveryJob
from services.notifier.jobs.forgetting import forget_old
from services.notifier.settings import Settings
from shared.contracts.gateway import TemplateDeleted
from shared.contracts.generator import ContentBuilt
from shared.contracts.notifier import (
    CreateEndpoint,
    DeleteEndpoint,
    ListDeliveries,
    ListEndpoints,
    ListUpdated,
    NoteDeviceLogs,
    NoteFetch,
    ReadEndpoint,
    ReadNotices,
    RegisterDevice,
    ReplayDeliveries,
    RotateSecret,
    UnregisterDevice,
    UpdateEndpoint,
)
from shared.contracts.triggers import EventsLogged, PassesDeleted
from shared.database import Database
from shared.http.outgoing import OutgoingAddressPolicy, OutgoingClient
from shared.messaging.subscription import answer, on
from shared.messaging.transport import Transport
from shared.service import Job, Service


def build(settings: Settings, _transport: Transport) -> Service:
    """Put the service together; nothing is opened yet."""
    database = Database(
        settings.database_url.get_secret_value(), schema="notifier", size=settings.pool_size
    )
    keys = settings.read_master_keys()
    client = OutgoingClient(OutgoingAddressPolicy(allow_loopback=settings.allow_loopback))
    rota, wake = Rota(), asyncio.Event()
    job = DeliveryJob(database, WebhookSender(client, keys), rota, wake)
    ring = partial(ring_for, rota, wake)
    check_url = client.check_url
    pushes = asyncio.Event()
    return Service(
        name="notifier",
        database=database,
        host=settings.host,
        migrations=Path(__file__).parent / "migrations",
        subscriptions=[
            on(TemplateDeleted, events.disable_endpoints),
            on(EventsLogged, partial(events.store_events, ring=ring, wake=pushes.set)),
            on(ContentBuilt, partial(contents.store_contents, wake=pushes.set)),
            on(PassesDeleted, contents.mark_deleted),
            answer(
                CreateEndpoint, partial(endpoints.create_endpoints, check_url=check_url, keys=keys)
            ),
            answer(
                UpdateEndpoint, partial(endpoints.update_endpoints, check_url=check_url, ring=ring)
            ),
            answer(DeleteEndpoint, endpoints.delete_endpoints),
            answer(RotateSecret, partial(endpoints.rotate_secrets, keys=keys)),
            answer(ReplayDeliveries, partial(endpoints.replay_deliveries, ring=ring)),
            answer(ReadEndpoint, endpoints.read_endpoints),
            answer(ListEndpoints, endpoints.list_endpoints),
            answer(ListDeliveries, endpoints.list_deliveries),
            answer(ReadNotices, contents.read_notices),
            answer(RegisterDevice, partial(devices.register_devices, wake=pushes.set)),
            answer(UnregisterDevice, devices.unregister_devices),
            answer(ListUpdated, devices.list_updated),
            answer(NoteFetch, partial(devices.note_fetches, wake=pushes.set)),
            answer(NoteDeviceLogs, devices.note_device_logs),
        ],
        jobs=[
            Job("deliver webhooks", job.run, every=LOOK_SECONDS, wake=wake),
            Job("forget what is old", partial(forget_old, database), every=3600),
        ],
        opened=[client.open],
        closed=[job.stop, client.close],
    )


def ring_for(rota: Rota, wake: asyncio.Event, endpoint_ids: Collection[UUID]) -> None:
    """Put endpoints on the rota and wake the delivery job."""
    rota.add(endpoint_ids)
    wake.set()
