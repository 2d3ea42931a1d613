"""Puts the notifier together."""

import asyncio
from collections.abc import Collection
from functools import partial
from pathlib import Path
from uuid import UUID

from services.notifier.clients.apns import ApplePushSender
from services.notifier.clients.partners import WebhookSender
from services.notifier.domain.webhooks import Rota
from services.notifier.handlers import (
    contents,
    devices,
    endpoints,
    events,
    feed,
    identities,
    sources,
)
from services.notifier.jobs.deliveries import LOOK_SECONDS, DeliveryJob
from services.notifier.jobs.expiry import warn_of_ends
from services.notifier.jobs.forgetting import forget_old
from services.notifier.jobs.pushes import PushJob
from services.notifier.jobs.sealing import seal_push_tokens
from services.notifier.repository.sealed import SEALED
from services.notifier.settings import Settings
from shared.contracts.gateway import IdentitySaved, TemplateDeleted, TemplateSaved
from shared.contracts.generator import ContentBuilt
from shared.contracts.member import MembersChanged
from shared.contracts.notifier import (
    CreateEndpoint,
    DeleteEndpoint,
    ListDeliveries,
    ListEndpoints,
    ListEvents,
    ListUpdated,
    NoteDeviceLogs,
    NoteFetch,
    ReadEndpoint,
    ReadNotices,
    RegisterDevice,
    ReplayDeliveries,
    RotateSecret,
    TryEndpoint,
    UnregisterDevice,
    UpdateEndpoint,
)
from shared.contracts.triggers import EventsListed, EventsLogged, PassesDeleted
from shared.database import Database
from shared.http.outgoing import OutgoingAddressPolicy, OutgoingClient
from shared.messaging.subscription import Memory, answer, on
from shared.messaging.transport import Transport
from shared.service import Job, Service

RENEW_SECONDS = 2.0
"""How often the leases of what is under way are renewed."""


def build(settings: Settings, _transport: Transport) -> Service:
    """Put the service together; nothing is opened yet."""
    database = Database(
        settings.database_url.get_secret_value(), schema="notifier", size=settings.pool_size
    )
    keys = settings.read_master_keys()
    client = OutgoingClient(OutgoingAddressPolicy(allow_loopback=settings.allow_loopback))
    rota, wake = Rota(), asyncio.Event()
    ring = partial(ring_for, rota, wake)
    tell = partial(events.tell, ring=ring)
    job = DeliveryJob(database, WebhookSender(client, keys), rota, wake, tell)
    pushes = asyncio.Event()
    sender = ApplePushSender(keys, settings.push_server, settings.push_root)
    push_job = PushJob(database, sender, pushes, tell=tell, remove_device=devices.remove_device)
    check_url = client.check_url
    secrets = Memory(endpoints.reduce_secret, endpoints.recall_secrets)
    return Service(
        name="notifier",
        database=database,
        keys=keys,
        sealed=SEALED,
        host=settings.host,
        migrations=Path(__file__).parent / "migrations",
        subscriptions=[
            on(IdentitySaved, partial(identities.keep_identities, wake=pushes.set)),
            on(TemplateSaved, partial(sources.tell_templates, ring=ring)),
            on(TemplateDeleted, partial(sources.end_templates, ring=ring)),
            on(MembersChanged, partial(sources.tell_members, ring=ring)),
            on(EventsLogged, partial(events.store_events, ring=ring, wake=pushes.set)),
            on(EventsListed, events.compare_events),
            on(ContentBuilt, partial(contents.store_contents, wake=pushes.set)),
            on(PassesDeleted, contents.mark_deleted),
            answer(
                CreateEndpoint,
                partial(endpoints.create_endpoints, check_url=check_url, keys=keys),
                secrets,
            ),
            answer(
                UpdateEndpoint, partial(endpoints.update_endpoints, check_url=check_url, ring=ring)
            ),
            answer(DeleteEndpoint, endpoints.delete_endpoints),
            answer(RotateSecret, partial(endpoints.rotate_secrets, keys=keys), secrets),
            answer(ReplayDeliveries, partial(endpoints.replay_deliveries, ring=ring)),
            answer(TryEndpoint, partial(endpoints.try_endpoints, ring=ring)),
            answer(ReadEndpoint, endpoints.read_endpoints),
            answer(ListEndpoints, endpoints.list_endpoints),
            answer(ListDeliveries, endpoints.list_deliveries),
            answer(ListEvents, feed.list_events),
            answer(ReadNotices, contents.read_notices),
            answer(RegisterDevice, partial(devices.register_devices, wake=pushes.set, keys=keys)),
            answer(UnregisterDevice, devices.unregister_devices),
            answer(ListUpdated, devices.list_updated),
            answer(NoteFetch, partial(sources.tell_fetches, wake=pushes.set, ring=ring)),
            answer(NoteDeviceLogs, devices.note_device_logs),
        ],
        jobs=[
            Job("deliver webhooks", job.run, every=LOOK_SECONDS, wake=wake),
            Job("renew leases of deliveries", job.renew, every=RENEW_SECONDS),
            Job("renew leases of pushes", push_job.renew, every=RENEW_SECONDS),
            Job("push to devices", push_job.run, every=LOOK_SECONDS, wake=pushes),
            Job("warn of expiring identities", partial(warn_of_ends, database, tell), every=3600),
            Job("forget what is old", partial(forget_old, database), every=3600),
            Job("seal push tokens", partial(seal_push_tokens, database, keys), every=3600),
        ],
        opened=[client.open],
        closed=[job.stop, client.close, push_job.stop, sender.close],
    )


def ring_for(rota: Rota, wake: asyncio.Event, endpoint_ids: Collection[UUID]) -> None:
    """Put endpoints on the rota and wake the delivery job."""
    rota.add(endpoint_ids)
    wake.set()
