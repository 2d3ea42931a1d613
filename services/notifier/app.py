"""Puts the notifier together."""

import asyncio
from collections.abc import Collection
from functools import partial
from pathlib import Path
from uuid import UUID

from services.notifier import handlers
from services.notifier.apple.clients.apns import ApplePushSender
from services.notifier.apple.handlers import contents, devices, identities
from services.notifier.apple.jobs.expiry import warn_of_ends
from services.notifier.apple.jobs.pushes import PushWorker
from services.notifier.apple.jobs.sealing import seal_push_tokens
from services.notifier.apple.repository import sealed as sealed_of_devices
from services.notifier.feed.handlers import events, feed, sources
from services.notifier.google.clients.accounts import ServiceAccounts
from services.notifier.google.clients.sender import GoogleSender
from services.notifier.google.handlers import acts, callbacks, issuers, messages, reading
from services.notifier.google.jobs.reconciling import Reconciler
from services.notifier.google.jobs.sending import SendingWorker
from services.notifier.google.jobs.slots import Slots
from services.notifier.google.repository import sealed as sealed_of_issuers
from services.notifier.jobs import forget_old
from services.notifier.partners.clients import WebhookSender
from services.notifier.partners.domain.webhooks import RoundRobin
from services.notifier.partners.handlers import deliveries, endpoints
from services.notifier.partners.jobs.deliveries import LOOK_SECONDS, DeliveryJob
from services.notifier.partners.repository import sealed as sealed_of_endpoints
from services.notifier.settings import Settings
from shared.contracts.gateway import (
    BatchEnded,
    GoogleIssuerSaved,
    IdentitySaved,
    TemplateDeleted,
    TemplateSaved,
)
from shared.contracts.generator import ContentBuilt, GoogleBuilt
from shared.contracts.member import MembersChanged, MembersEnrolled
from shared.contracts.notifier import (
    CreateEndpoint,
    DeleteEndpoint,
    KeepGoogle,
    ListDeliveries,
    ListEndpoints,
    ListEvents,
    ListGoogleObjects,
    ListUpdated,
    NoteDeviceLogs,
    NoteFetch,
    NoteGoogleCallback,
    ReadEndpoint,
    ReadGoogleLink,
    ReadGoogleOutlook,
    ReadGoogleState,
    ReadGoogleStatus,
    ReadNotices,
    RegisterDevice,
    ReplayDeliveries,
    RotateSecret,
    TellGoogle,
    TryEndpoint,
    UnregisterDevice,
    UpdateEndpoint,
)
from shared.contracts.triggers import EventsListed, EventsLogged, PassesDeleted
from shared.database import Database
from shared.google.api import GoogleApi
from shared.http.outgoing import OutgoingAddressPolicy, OutgoingClient
from shared.messaging.subscription import Memory, answer, on, read
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
    round_robin, due = RoundRobin(), asyncio.Event()
    notify = partial(notify_endpoints, round_robin, due)
    tell = partial(events.tell, deliver=partial(deliveries.deliver, notify=notify))
    job = DeliveryJob(database, WebhookSender(client, keys), round_robin, due, tell)
    pushes = asyncio.Event()
    sender = ApplePushSender(keys, settings.push_server, settings.push_root)
    push_worker = PushWorker(
        database, sender, pushes, tell=tell, remove_device=devices.remove_device
    )
    google = GoogleApi(settings.google_addresses)
    accounts = ServiceAccounts(keys, settings.google_token_url)
    slots = Slots(database, settings.google_rate)
    sender_to_google = GoogleSender(google, accounts, slots.take)
    sendings, at_google = asyncio.Event(), google.addresses.is_google
    sending = SendingWorker(
        database,
        sender_to_google,
        sendings,
        tell_acts=acts.tell_acts,
        rate=settings.google_rate,
        at_google=at_google,
    )
    reconciler = Reconciler(
        database, sender_to_google, tell_acts=acts.tell_acts, at_google=at_google
    )
    check_url = client.check_url
    secrets = Memory(endpoints.reduce_secret, endpoints.recall_secrets)
    return Service(
        name="notifier",
        database=database,
        keys=keys,
        sealed=(
            *sealed_of_devices.SEALED,
            *sealed_of_endpoints.SEALED,
            *sealed_of_issuers.SEALED,
        ),
        host=settings.host,
        migrations=Path(__file__).parent / "migrations",
        subscriptions=[
            on(IdentitySaved, partial(identities.keep_identities, start_pushing=pushes.set)),
            on(
                GoogleIssuerSaved,
                partial(issuers.keep_google_issuers, start_sending=sendings.set),
            ),
            on(TemplateSaved, partial(sources.tell_templates, tell=tell)),
            on(TemplateDeleted, partial(handlers.end_templates, tell=tell)),
            on(BatchEnded, partial(sources.tell_batches, tell=tell)),
            on(
                MembersChanged,
                partial(handlers.follow_members, tell=tell, start_sending=sendings.set),
            ),
            on(MembersEnrolled, partial(sources.tell_enrolments, tell=tell)),
            on(EventsLogged, partial(handlers.store_events, tell=tell, start_pushing=pushes.set)),
            on(EventsListed, events.compare_events),
            on(ContentBuilt, partial(contents.store_contents, start_pushing=pushes.set)),
            on(GoogleBuilt, partial(handlers.follow_google, start_sending=sendings.set)),
            on(PassesDeleted, partial(handlers.end_passes, start_sending=sendings.set)),
            answer(
                CreateEndpoint,
                partial(endpoints.create_endpoints, check_url=check_url, keys=keys),
                secrets,
            ),
            answer(
                UpdateEndpoint,
                partial(endpoints.update_endpoints, check_url=check_url, notify=notify),
            ),
            answer(DeleteEndpoint, endpoints.delete_endpoints),
            answer(RotateSecret, partial(endpoints.rotate_secrets, keys=keys), secrets),
            answer(ReplayDeliveries, partial(deliveries.replay_deliveries, notify=notify)),
            answer(TryEndpoint, partial(deliveries.try_endpoints, notify=notify)),
            answer(ReadEndpoint, endpoints.read_endpoints),
            answer(ListEndpoints, endpoints.list_endpoints),
            answer(ListDeliveries, deliveries.list_deliveries),
            answer(ListEvents, feed.list_events),
            answer(ReadNotices, partial(handlers.read_notices, at_google=at_google)),
            answer(
                RegisterDevice,
                partial(devices.register_devices, start_pushing=pushes.set, keys=keys),
            ),
            answer(UnregisterDevice, devices.unregister_devices),
            answer(ListUpdated, devices.list_updated),
            answer(NoteFetch, partial(handlers.tell_fetches, tell=tell, start_pushing=pushes.set)),
            answer(NoteDeviceLogs, devices.note_device_logs),
            answer(
                KeepGoogle,
                partial(handlers.keep_google, start_sending=sendings.set, at_google=at_google),
            ),
            read(
                ReadGoogleLink,
                partial(reading.read_google_links, accounts=accounts, addresses=google.addresses),
            ),
            read(ListGoogleObjects, reading.list_google_objects),
            read(ReadGoogleState, partial(reading.read_google_states, at_google=at_google)),
            read(
                ReadGoogleOutlook,
                partial(
                    reading.read_google_outlooks, rate=settings.google_rate, at_google=at_google
                ),
            ),
            answer(TellGoogle, partial(messages.tell_google, start_sending=sendings.set)),
            read(ReadGoogleStatus, partial(reading.read_google_status, rate=settings.google_rate)),
            answer(
                NoteGoogleCallback,
                partial(callbacks.note_google_callbacks, start_sending=sendings.set),
            ),
        ],
        jobs=[
            Job("deliver webhooks", job.run, every=LOOK_SECONDS, due=due),
            Job("renew leases of deliveries", job.renew, every=RENEW_SECONDS),
            Job("renew leases of pushes", push_worker.renew, every=RENEW_SECONDS),
            Job("push to devices", push_worker.run, every=LOOK_SECONDS, due=pushes),
            Job("renew leases of sendings", sending.renew, every=RENEW_SECONDS),
            Job("send to Google", sending.run, every=LOOK_SECONDS, due=sendings),
            Job("compare with Google", reconciler.run, every=3600),
            Job("warn of expiring identities", partial(warn_of_ends, database, tell), every=3600),
            Job("forget what is old", partial(forget_old, database), every=3600),
            Job("seal push tokens", partial(seal_push_tokens, database, keys), every=3600),
        ],
        opened=[client.open, google.open],
        closed=[
            job.stop,
            client.close,
            push_worker.stop,
            sender.close,
            sending.stop,
            google.close,
        ],
    )


def notify_endpoints(
    round_robin: RoundRobin, due: asyncio.Event, endpoint_ids: Collection[UUID]
) -> None:
    """Give endpoints their turn and start the delivery job."""
    round_robin.add(endpoint_ids)
    due.set()
