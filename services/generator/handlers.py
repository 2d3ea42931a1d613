"""What the generator does with the messages it gets: keep, press, store, announce."""

from collections.abc import Sequence
from datetime import UTC
from uuid import UUID

from services.generator.clients import PressRoom
from services.generator.domain import ContentGoneError, Plate
from services.generator.repository.contents import ContentRepository, StoredContent
from services.generator.repository.plates import CatalogueRepository, PlateShelf
from shared import clock
from shared.contracts.gateway import IdentitySaved, TemplateSaved
from shared.contracts.generator import BuiltContent, Content, ContentBuilt, ReadContent
from shared.contracts.triggers import Pass, PassesChanged, PassesDeleted
from shared.database import UnitOfWork
from shared.errors import ApplicationError, NotFoundError, NotReadyError, RetryableError


async def keep_templates(events: list[TemplateSaved], work: UnitOfWork) -> None:
    catalogue = CatalogueRepository(work.connection)
    for event in sorted(events, key=lambda event: (event.template_id, event.revision)):
        await catalogue.save_template(event)


async def keep_identities(events: list[IdentitySaved], work: UnitOfWork) -> None:
    catalogue = CatalogueRepository(work.connection)
    for event in sorted(events, key=lambda event: (event.identity_id, event.revision)):
        await catalogue.save_identity(event)


async def build_contents(
    events: list[PassesChanged], work: UnitOfWork, *, shelf: PlateShelf, room: PressRoom
) -> None:
    """Press the newest state of each pass, unless a newer one is stored already."""
    newest: dict[str, Pass] = {}
    for event in events:
        for pass_ in event.passes:
            known = newest.get(pass_.handle)
            if known is None or known.version < pass_.version:
                newest[pass_.handle] = pass_
    plates = await shelf.newest(work.connection, {p.template_id for p in newest.values()})
    if any(pass_.template_id not in plates for pass_ in newest.values()):
        raise RetryableError("a template or its identity has not arrived yet")
    await press_and_store(list(newest.values()), plates, work, room)


async def press_and_store(
    passes: Sequence[Pass],
    plates: dict[UUID, Plate],
    work: UnitOfWork,
    room: PressRoom,
) -> None:
    """Compose, sign, store; announce only what has new bytes."""
    contents = ContentRepository(work.connection)
    earlier = await contents.lock_earlier([pass_.handle for pass_ in passes])
    fresh = [
        pass_
        for pass_ in passes
        if (known := earlier.get(pass_.handle)) is None
        or (not known.is_deleted and known.version <= pass_.version)
    ]
    now = clock.now()
    jobs = [(plates[p.template_id], p, earlier.get(p.handle)) for p in fresh]
    sheets = await room.press(jobs, now)
    pressed = [(pass_, plate, sheet) for (plate, pass_, _), sheet in zip(jobs, sheets, strict=True)]
    if not pressed:
        return
    by_handle = {pass_.handle: pass_ for pass_ in fresh}
    built = [
        BuiltContent.model_construct(
            handle=stored.handle,
            account_id=by_handle[stored.handle].account_id,
            template_id=by_handle[stored.handle].template_id,
            content_number=stored.content_number,
            pass_version=by_handle[stored.handle].version,
            push_version=by_handle[stored.handle].push_version,
            last_modified=stored.last_modified,
        )
        for stored in await contents.store(pressed, now)
        if (known := earlier.get(stored.handle)) is None
        or known.content_number < stored.content_number
    ]
    if built:
        work.publish(ContentBuilt.model_construct(contents=built))


async def delete_contents(events: list[PassesDeleted], work: UnitOfWork) -> None:
    gone = {pass_.handle: pass_ for event in events for pass_ in event.passes}
    await ContentRepository(work.connection).delete(list(gone.values()))


async def read_contents(
    queries: list[ReadContent], work: UnitOfWork, *, shelf: PlateShelf, room: PressRoom
) -> list[Content | ApplicationError]:
    """Give contents at the versions asked or later, pressed again where a revision is newer."""
    contents = ContentRepository(work.connection)
    plates = await shelf.newest(work.connection, {query.template_id for query in queries})
    found = await contents.find(query.handle for query in queries)
    stale: dict[str, Pass] = {}
    for query in queries:
        content = found.get(query.handle)
        plate = plates.get(query.template_id)
        if content is not None and content.deleted_at is not None:
            continue
        if content is None or content.version < query.version:
            raise NotReadyError
        if plate is None or plate.revision < query.template_revision:
            raise NotReadyError
        if (content.template_revision, content.identity_revision) != (
            plate.revision,
            plate.seal.revision,
        ):
            stale[query.handle] = Pass.model_validate_json(content.state)
    if stale:
        await press_and_store(list(stale.values()), plates, work, room)
        found |= await contents.find(stale)
    served = [content.handle for content in found.values() if not content.served]
    if served:
        await contents.mark_served(served)
    return [_answer(query, found[query.handle], plates) for query in queries]


def _answer(
    query: ReadContent, content: StoredContent, plates: dict[UUID, Plate]
) -> Content | ApplicationError:
    if content.deleted_at is not None:
        return ContentGoneError()
    if content.account_id != query.account_id:
        return NotFoundError()
    since = query.modified_since
    if since is not None and content.last_modified <= since.astimezone(UTC):
        return Content(
            handle=content.handle,
            content_number=content.content_number,
            pass_version=content.version,
            last_modified=content.last_modified,
            not_modified=True,
        )
    return Content.model_construct(
        handle=content.handle,
        content_number=content.content_number,
        pass_version=content.version,
        last_modified=content.last_modified,
        pass_json=content.pass_json or b"",
        manifest=content.manifest,
        signature=content.signature or b"",
        images=dict(plates[content.template_id].images),
    )
