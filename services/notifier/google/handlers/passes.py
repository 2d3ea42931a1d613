"""Passes that somebody wants in Google Wallet: kept there from now on."""

from collections.abc import Collection, Sequence

from services.notifier.feed.repository import ObservationRepository
from services.notifier.google.domain.documents import (
    Wanted,
    class_of,
    digest_of,
    erased,
    newest,
    object_of,
)
from services.notifier.google.domain.lanes import BACKFILL, INTERACTIVE, lane_of
from services.notifier.google.domain.observations import wanted
from services.notifier.google.handlers.issuers import StartSending
from services.notifier.google.repository import (
    DocumentRepository,
    JobRepository,
    NoticeRepository,
    StandingRepository,
)
from shared import clock
from shared.contracts.generator import GooglePass
from shared.contracts.message import Person
from shared.contracts.notifier import GoogleKept, GoogleWanted, KeepGoogle, WantedPass
from shared.contracts.triggers import PassesDeleted
from shared.database import UnitOfWork

LANES = {"interactive": INTERACTIVE, "backfill": BACKFILL}


async def keep_google(
    commands: Sequence[KeepGoogle],
    work: UnitOfWork,
    *,
    start_sending: StartSending,
    at_google: bool,
) -> list[GoogleKept]:
    """Keep passes at Google from now on; what somebody waits for goes first."""
    lanes: dict[str, int] = {}
    for command in commands:
        object_id = command.google_pass.object_document.id
        lane = LANES[command.lane]
        lanes[object_id] = min(lane, lanes.get(object_id, lane))
    passes = [command.google_pass for command in commands]
    await _want(passes, work, lanes, start_sending)
    if passes:
        wanted = [WantedPass(account_id=one.account_id, handle=one.handle) for one in passes]
        work.publish(GoogleWanted(passes=wanted))
    kept = await StandingRepository(work.connection).find_ids(lanes)
    return [
        GoogleKept(
            handle=one.handle,
            object_id=one.document_id,
            class_id=one.class_id,
            state=one.state,
            detail=one.detail(at_google=at_google),
        )
        for one in (kept[command.google_pass.object_document.id] for command in commands)
    ]


async def follow_google(
    passes: Sequence[GooglePass], work: UnitOfWork, *, start_sending: StartSending
) -> None:
    """Have sent what is different now of passes that somebody wants there."""
    await _want(passes, work, {}, start_sending)


async def end_passes(
    messages: list[PassesDeleted], work: UnitOfWork, *, start_sending: StartSending
) -> None:
    """Void at Google what is gone, with nothing left there or here that tells of anybody."""
    handles = {one.handle for message in messages for one in message.passes}
    documents, jobs = DocumentRepository(work.connection), JobRepository(work.connection)
    there = await documents.lock_objects(handles)
    if not there:
        return
    left = {document_id: erased(type_, wanted) for document_id, type_, wanted in there}
    await documents.end({key: (body, digest_of(body)) for key, body in left.items()})
    unsent = await documents.forget_unsent(left)
    await jobs.forget(unsent)
    await NoticeRepository(work.connection).forget(unsent)
    await jobs.ask(dict.fromkeys(sorted(left.keys() - set(unsent)), INTERACTIVE))
    work.after_commit(start_sending)


async def erase_persons(
    persons: Collection[Person], work: UnitOfWork, *, start_sending: StartSending
) -> None:
    """Have messages taken away that may tell of persons who were deleted.

    What their passes show comes anew from the generator.
    """
    if not persons:
        return
    told = await DocumentRepository(work.connection).clear_messages(persons)
    if told:
        await JobRepository(work.connection).ask(dict.fromkeys(told, INTERACTIVE))
        work.after_commit(start_sending)


async def _want(
    passes: Sequence[GooglePass],
    work: UnitOfWork,
    lanes: dict[str, int],
    start_sending: StartSending,
) -> None:
    """Keep what is newer than what is known, classes before objects; `lanes` is who is awaited."""
    documents, jobs = DocumentRepository(work.connection), JobRepository(work.connection)
    classes = newest(one for each in passes if (one := class_of(each)) is not None)
    objects = newest(object_of(each) for each in passes)
    known = await documents.lock([one.document_id for one in (*classes, *objects)])

    def is_news(one: Wanted) -> bool:
        before = known.get(one.document_id)
        return before is None or (
            not before.is_deleted and (before.version, before.revision) <= one.age
        )

    def version_before(one: Wanted) -> int | None:
        before = known.get(one.document_id)
        return before.version if before else None

    news = [one for one in (*classes, *objects) if is_news(one)]
    await documents.want(sorted(news, key=lambda one: one.document_id))
    asked = {
        one.document_id: lanes.get(one.document_id, lane_of(one, version_before(one), work.lane))
        for one in objects
        if one in news or one.document_id in lanes
    }
    first = {one.document_id: BACKFILL for one in classes if one in news}
    for one in objects:
        if one.class_id is not None and one.document_id in asked:
            first[one.class_id] = min(asked[one.document_id], first.get(one.class_id, BACKFILL))
    await jobs.ask(first)
    await jobs.ask(asked)
    at = clock.now()
    await ObservationRepository(work.connection).add(
        [wanted(one, at) for one in news if one.handle is not None]
    )
    work.after_commit(start_sending)
