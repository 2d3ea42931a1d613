"""The triggers service, wired: which message goes to which handler."""

import asyncio
from datetime import timedelta
from functools import partial
from pathlib import Path

from services.triggers import jobs
from services.triggers.clients import UrlCaller
from services.triggers.domain import without_texts
from services.triggers.handlers import (
    catalogue,
    comparisons,
    devices,
    passes,
    pushes,
    questions,
)
from services.triggers.jobs import templates
from services.triggers.jobs.comparisons import compare_in_background, compare_on_command
from services.triggers.jobs.runs import CALL_SECONDS, RunJob
from services.triggers.repository.channels import ChannelCache
from services.triggers.repository.templates import TemplateCache
from services.triggers.settings import Settings
from shared.contracts.gateway import (
    AccountSaved,
    StyleGroupSaved,
    StyleSaved,
    TemplateDeleted,
    TemplateSaved,
)
from shared.contracts.generator import PassesCompared
from shared.contracts.member import MembersChanged
from shared.contracts.notifier import DevicesActed, EventsCompared, GoogleWanted
from shared.contracts.triggers import (
    ChangePass,
    ControlTemplatePush,
    CreatePass,
    FindPass,
    ListPasses,
    ListTemplatePushes,
    PushPasses,
    ReadCampaigns,
    ReadChannels,
    ReadCounts,
    ReadLastEvent,
    ReadPass,
    ReadPassSince,
    ReadPassStyleUse,
    ReadTemplatePush,
    ReadTimeline,
)
from shared.database import Database
from shared.http.outgoing import OutgoingAddressPolicy, OutgoingClient
from shared.messaging.subscription import Memory, answer, on, read
from shared.messaging.transport import Transport
from shared.service import Job, Service

PURGE_SECONDS = 6 * 3600.0

RENEW_SECONDS = 2.0
"""How often the leases of runs whose calls are on the way are renewed."""

RUN_SECONDS = 1.0
"""How often runs are looked for that another process began; our own wake the job."""


def build(settings: Settings, _transport: Transport) -> Service:
    """Put the service together; nothing is opened yet."""
    database = Database(
        settings.database_url.get_secret_value(), schema="triggers", size=settings.pool_size
    )
    client = OutgoingClient(
        OutgoingAddressPolicy(allow_loopback=settings.allow_loopback),
        total_seconds=CALL_SECONDS,
    )
    keys = settings.read_master_keys()
    cache = TemplateCache(keys, settings.public_url)
    begun = asyncio.Event()
    channels = ChannelCache()
    token_key = settings.read_pass_tokens(keys).newest_id
    runs = RunJob(database, cache, UrlCaller(client), begun)
    return Service(
        name="triggers",
        database=database,
        keys=keys,
        host=settings.host,
        migrations=Path(__file__).parent / "migrations",
        subscriptions=[
            on(AccountSaved, catalogue.keep_accounts),
            on(TemplateSaved, catalogue.keep_templates),
            on(TemplateDeleted, catalogue.delete_templates),
            on(StyleSaved, catalogue.keep_styles),
            on(StyleGroupSaved, catalogue.keep_style_groups),
            on(MembersChanged, partial(catalogue.follow_members, cache=cache)),
            on(PassesCompared, comparisons.announce_missed_passes),
            on(EventsCompared, comparisons.announce_missed_events),
            on(DevicesActed, partial(devices.follow_devices, cache=cache, begun=begun)),
            on(GoogleWanted, devices.note_at_google),
            answer(
                CreatePass,
                partial(
                    passes.create_passes,
                    cache=cache,
                    channels=channels,
                    begun=begun,
                    token_key=token_key,
                ),
            ),
            answer(
                ChangePass,
                partial(passes.change_passes, cache=cache, begun=begun),
                Memory(without_texts, partial(passes.recall_changes, cache=cache)),
            ),
            read(ReadPass, questions.read_passes),
            read(FindPass, questions.find_passes),
            read(ReadPassSince, questions.read_passes_since),
            answer(ReadPassStyleUse, questions.read_style_uses),
            answer(ListPasses, questions.list_passes),
            answer(ReadTimeline, questions.read_timelines),
            answer(ReadCounts, questions.read_counts),
            answer(ReadChannels, questions.read_channels),
            answer(ReadCampaigns, questions.read_campaigns),
            answer(ReadLastEvent, questions.read_last_events),
            answer(PushPasses, partial(pushes.push_passes, cache=cache)),
            answer(ControlTemplatePush, pushes.control_template_pushes),
            answer(ReadTemplatePush, pushes.read_template_pushes),
            answer(ListTemplatePushes, pushes.list_template_pushes),
        ],
        jobs=[
            Job("fold counters", partial(jobs.fold_counters, database), every=5),
            Job("delete orphans", partial(jobs.delete_orphans, database), every=2),
            Job("go on with runs", runs.run, every=RUN_SECONDS, due=begun),
            Job("renew leases of runs", runs.renew, every=RENEW_SECONDS),
            Job("push passes", partial(templates.push_passes, database, cache), every=1),
            Job("restyle passes", partial(templates.restyle_passes, database), every=1),
            Job("expire passes", partial(jobs.expire_passes, database, cache), every=5),
            Job("correct dates", partial(templates.correct_dates, database, cache), every=5),
            Job(
                "purge passes",
                partial(
                    jobs.purge_passes,
                    database,
                    stale_after=timedelta(days=settings.purge_stale_days),
                    untouched_after=timedelta(days=settings.purge_untouched_days),
                    is_on=settings.purge,
                ),
                every=PURGE_SECONDS,
            ),
            Job("compare in the background", partial(compare_in_background, database), every=10),
            Job("compare on command", partial(compare_on_command, database), every=0.5),
            Job("forget tombstones", partial(jobs.forget_tombstones, database), every=3600),
        ],
        opened=[client.open],
        closed=[runs.stop, client.close],
    )
