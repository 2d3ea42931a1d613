"""What the notifier does about messages that concern more than one of its parts."""

from typing import Final

from services.notifier.apple.domain.devices import PassGoneError
from services.notifier.apple.handlers import contents
from services.notifier.apple.handlers.devices import StartPushing, ask_pushes, note_fetches
from services.notifier.apple.repository import (
    ContentRepository,
    DeviceRepository,
    PassRepository,
)
from services.notifier.feed.domain.happenings import of_fetch, of_pass
from services.notifier.feed.handlers.events import Tell
from services.notifier.feed.handlers.sources import note_ends, tell_members
from services.notifier.feed.repository import FetchRepository, ObservationRepository
from services.notifier.google.handlers import passes, reading
from services.notifier.google.handlers.issuers import StartSending
from services.notifier.partners.domain.happenings import of_disabled
from services.notifier.partners.repository import DeliveryRepository, EndpointRepository
from shared import clock
from shared.contracts.gateway import TemplateDeleted
from shared.contracts.generator import GoogleBuilt
from shared.contracts.member import MembersChanged
from shared.contracts.message import Done
from shared.contracts.notifier import (
    MAX_NOTICES,
    GoogleKept,
    KeepGoogle,
    NoteFetch,
    PassNotices,
    ReadNotices,
)
from shared.contracts.triggers import EventsLogged, PassesDeleted
from shared.database import UnitOfWork
from shared.errors import ApplicationError

MAX_HOLDERS: Final = 20


async def store_events(
    messages: list[EventsLogged], work: UnitOfWork, *, tell: Tell, start_pushing: StartPushing
) -> None:
    """Tell what happened to passes."""
    logged = [event for message in messages for event in message.events]
    await ask_pushes(logged, work, start_pushing=start_pushing)
    await tell(work, [of_pass(event) for event in logged])


async def tell_fetches(
    queries: list[NoteFetch], work: UnitOfWork, *, tell: Tell, start_pushing: StartPushing
) -> list[Done]:
    """Note what was served, and tell of it."""
    told = await note_fetches(queries, work, start_pushing=start_pushing)
    await tell(work, [of_fetch(query) for query in told])
    return [Done() for _ in queries]


async def end_templates(messages: list[TemplateDeleted], work: UnitOfWork, *, tell: Tell) -> None:
    """Tell that templates are gone, and disable the endpoints that were bound to them."""
    ended = await note_ends(messages, work)
    template_ids = [message.template_id for message in messages]
    disabled = await EndpointRepository(work.connection).disable_of_templates(template_ids)
    now = clock.now()
    await tell(work, [*ended, *(of_disabled(endpoint, now) for endpoint in disabled)])


async def follow_members(
    messages: list[MembersChanged], work: UnitOfWork, *, tell: Tell, start_sending: StartSending
) -> None:
    """Tell what is new of members, and leave nothing at Google of those who were deleted."""
    gone = {one.person for message in messages for one in message.members if one.deleted}
    await passes.erase_persons(gone, work, start_sending=start_sending)
    await tell_members(messages, work, tell=tell)


async def end_passes(
    messages: list[PassesDeleted], work: UnitOfWork, *, start_sending: StartSending
) -> None:
    """Note that passes are gone, for devices and for Google."""
    await contents.mark_deleted(messages, work)
    await passes.end_passes(messages, work, start_sending=start_sending)


async def keep_google(
    commands: list[KeepGoogle],
    work: UnitOfWork,
    *,
    start_sending: StartSending,
    at_google: bool,
) -> list[GoogleKept | ApplicationError]:
    """Keep passes at Google, but for those that were deleted meanwhile."""
    gone = await PassRepository(work.connection).find_deleted(
        {command.google_pass.handle for command in commands}
    )
    living = [command for command in commands if command.google_pass.handle not in gone]
    answers = await passes.keep_google(
        living, work, start_sending=start_sending, at_google=at_google
    )
    kept = iter(answers)
    return [
        PassGoneError() if command.google_pass.handle in gone else next(kept)
        for command in commands
    ]


async def follow_google(
    messages: list[GoogleBuilt], work: UnitOfWork, *, start_sending: StartSending
) -> None:
    """Have sent what is different now of passes at Google, but for those that were deleted."""
    built = [one for message in messages for one in message.passes]
    gone = await PassRepository(work.connection).find_deleted({one.handle for one in built})
    living = [one for one in built if one.handle not in gone]
    await passes.follow_google(living, work, start_sending=start_sending)


async def read_notices(
    queries: list[ReadNotices], work: UnitOfWork, *, at_google: bool
) -> list[PassNotices]:
    """Tell what is known of a pass; nothing for one not heard of yet."""
    states = await reading.read_google_states(queries, work, at_google=at_google)
    notices: list[PassNotices] = []
    for query, google in zip(queries, states, strict=True):
        limit = max(1, min(query.limit, MAX_NOTICES))
        contents = await ContentRepository(work.connection).list_newest(
            query.account_id, query.handle, limit
        )
        deliveries, _ = await DeliveryRepository(work.connection).list_page(
            query.account_id, handle=query.handle, limit=limit
        )
        observations = ObservationRepository(work.connection)
        seen = await observations.list_newest(query.account_id, query.handle, limit)
        if google.class_id is not None and (saved_at := google.saved_at) is not None:
            told = await observations.list_newest(query.account_id, google.class_id, limit)
            seen += [one for one in told if one.at >= saved_at]
        seen += await FetchRepository(work.connection).list_newest(
            query.account_id, query.handle, limit
        )
        seen.sort(key=lambda observation: observation.at, reverse=True)
        holders, count = await DeviceRepository(work.connection).list_holders(
            query.account_id, query.handle, MAX_HOLDERS
        )
        notices.append(
            PassNotices(
                contents=contents,
                deliveries=deliveries,
                observations=seen[:limit],
                holders=holders,
                holder_count=count,
                unpushed_since=await PassRepository(work.connection).find_unpushed(
                    query.account_id, query.handle
                ),
                google=google,
            )
        )
    return notices
