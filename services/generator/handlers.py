"""What the generator does with the messages it gets: keep, render, store, announce."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC
from uuid import UUID

import orjson

from services.generator.clients import RenderPool
from services.generator.domain import (
    NO_IMAGES,
    ContentGoneError,
    Earlier,
    OwnImages,
    TemplateBundle,
    lay_over,
    put_back,
)
from services.generator.repository.bundles import BundleCache, CatalogueRepository
from services.generator.repository.contents import ContentRepository, Stored, StoredContent
from services.generator.repository.images import ImageRepository
from shared import clock
from shared.contracts.gateway import AccountSaved, IdentitySaved, ImagesSaved, TemplateSaved
from shared.contracts.generator import (
    BuiltContent,
    Content,
    ContentBuilt,
    PassesCompared,
    ReadContent,
)
from shared.contracts.message import Person
from shared.contracts.triggers import Pass, PassesChanged, PassesDeleted, PassesListed
from shared.database import UnitOfWork
from shared.errors import ApplicationError, NotFoundError, NotReadyError, RetryableError
from shared.passes.schema.slots import own_images

IMAGE_MARK = '"images_'
"""What stands in the stored state of a pass with images of its own; cheaper than reading it."""


async def keep_templates(events: list[TemplateSaved], work: UnitOfWork) -> None:
    catalogue = CatalogueRepository(work.connection)
    for event in sorted(events, key=lambda event: (event.template_id, event.revision)):
        await catalogue.save_template(event)


async def keep_accounts(events: list[AccountSaved], work: UnitOfWork) -> None:
    catalogue = CatalogueRepository(work.connection)
    for event in sorted(events, key=lambda event: (event.account_id, event.credential_epoch)):
        await catalogue.save_account(event)


async def keep_identities(events: list[IdentitySaved], work: UnitOfWork) -> None:
    catalogue = CatalogueRepository(work.connection)
    for event in sorted(events, key=lambda event: (event.identity_id, event.revision)):
        await catalogue.save_identity(event)


async def keep_images(events: list[ImagesSaved], work: UnitOfWork) -> None:
    images = [saved for event in events for saved in event.images]
    await ImageRepository(work.connection).save(images)


async def build_contents(
    events: list[PassesChanged], work: UnitOfWork, *, cache: BundleCache, pool: RenderPool
) -> None:
    """Render the newest state of each pass, unless a newer one is stored already."""
    newest: dict[str, Pass] = {}
    for event in events:
        for pass_ in event.passes:
            known = newest.get(pass_.handle)
            if known is None or known.version < pass_.version:
                newest[pass_.handle] = pass_
    bundles = await cache.newest(work.connection, {p.template_id for p in newest.values()})
    if any(
        (bundle := bundles.get(pass_.template_id)) is None
        or bundle.revision < pass_.template_revision
        for pass_ in newest.values()
    ):
        raise RetryableError("a template or its identity has not arrived yet")
    own = await find_own_images(newest.values(), work)
    if own is None:
        raise RetryableError("an image of a pass has not arrived yet")
    await render_and_store(list(newest.values()), bundles, own, work, pool)
    work.erase(
        Person(pass_.account_id, pass_.member_id)
        for pass_ in newest.values()
        if pass_.member_id is not None and pass_.member is None
    )


async def find_own_images(
    passes: Collection[Pass], work: UnitOfWork
) -> dict[str, OwnImages] | None:
    """Find the images that passes have of their own, by handle; None while one is on its way."""
    slots = {pass_.handle: found for pass_ in passes if (found := own_images(pass_.values))}
    if not slots:
        return {}
    owners = {pass_.handle: pass_.account_id for pass_ in passes}
    keys = {(owners[handle], sha256) for handle, own in slots.items() for sha256 in own.values()}
    known = await ImageRepository(work.connection).find(keys)
    if len(known) < len(keys):
        return None
    return {
        handle: {f"{slot}.png": known[owners[handle], sha256] for slot, sha256 in own.items()}
        for handle, own in slots.items()
    }


async def render_and_store(
    passes: Sequence[Pass],
    bundles: dict[UUID, TemplateBundle],
    own: Mapping[str, OwnImages],
    work: UnitOfWork,
    pool: RenderPool,
) -> None:
    """Compose, sign, store; announce only what has new bytes."""
    contents = ContentRepository(work.connection)
    earlier = await contents.lock_earlier([pass_.handle for pass_ in passes])
    fresh = {p.handle: p for p in passes if _is_fresh(p, earlier.get(p.handle))}
    if not fresh:
        return
    now = clock.now()
    jobs = [
        (bundles[p.template_id], p, earlier.get(p.handle), own.get(p.handle, NO_IMAGES))
        for p in fresh.values()
    ]
    stored = await contents.store(
        [
            (pass_, bundle, rendered)
            for (bundle, pass_, *_), rendered in zip(
                jobs, await pool.render(jobs, now), strict=True
            )
        ],
        now,
    )
    if len(stored) < len(fresh):
        await _check_refused(fresh, {one.handle for one in stored}, contents)
    built = [
        _built(one, fresh[one.handle], bundles, earlier.get(one.handle))
        for one in stored
        if _is_new(one, earlier.get(one.handle))
    ]
    if built:
        work.publish(ContentBuilt.model_construct(contents=built))


def _is_fresh(pass_: Pass, known: Earlier | None) -> bool:
    return known is None or (not known.is_deleted and known.version <= pass_.version)


def _is_new(stored: Stored, known: Earlier | None) -> bool:
    """Whether its bytes differ from those before."""
    return known is None or known.content_number < stored.content_number


def _built(
    stored: Stored,
    pass_: Pass,
    bundles: Mapping[UUID, TemplateBundle],
    known: Earlier | None,
) -> BuiltContent:
    return BuiltContent.model_construct(
        handle=stored.handle,
        account_id=pass_.account_id,
        template_id=pass_.template_id,
        content_number=stored.content_number,
        pass_version=pass_.version,
        push_version=pass_.push_version,
        last_modified=stored.last_modified,
        pass_type_identifier=bundles[pass_.template_id].identity.pass_type_identifier,
        serial_number=pass_.serial_number,
        since_version=0 if known is None else known.version + 1,
    )


async def _check_refused(
    passes: dict[str, Pass], stored: set[str], contents: ContentRepository
) -> None:
    """Refused by a newer version is well; by a newer revision, a new version would be lost."""
    there = await contents.lock_earlier(sorted(passes.keys() - stored))
    if any(
        not known.is_deleted and known.version < passes[handle].version
        for handle, known in there.items()
    ):
        raise RetryableError("an older version was rendered with a newer revision meanwhile")


async def delete_contents(events: list[PassesDeleted], work: UnitOfWork) -> None:
    gone = {pass_.handle: pass_ for event in events for pass_ in event.passes}
    await ContentRepository(work.connection).delete(list(gone.values()))


async def compare_passes(events: list[PassesListed], work: UnitOfWork) -> None:
    """Answer which of the passes listed are not known here in their newest version."""
    contents = ContentRepository(work.connection)
    for event in events:
        known = await contents.versions(listed.handle for listed in event.passes)
        missing = [p.handle for p in event.passes if known.get(p.handle, -1) < p.version]
        work.publish(PassesCompared(comparison_id=event.comparison_id, missing=missing))


async def read_contents(
    queries: list[ReadContent], work: UnitOfWork, *, cache: BundleCache, pool: RenderPool
) -> list[Content | ApplicationError]:
    """Give contents at the versions asked or later, rendered again where a revision is newer."""
    contents = ContentRepository(work.connection)
    bundles = await cache.newest(work.connection, {query.template_id for query in queries})
    found = await contents.find(query.handle for query in queries)
    stale: dict[str, Pass] = {}
    granted = [query for query in queries if _refusal(query, found.get(query.handle)) is None]
    for query in granted:
        content = found.get(query.handle)
        bundle = bundles.get(query.template_id)
        if content is None or content.version < query.version:
            raise NotReadyError
        if bundle is None or bundle.revision < query.template_revision:
            raise NotReadyError
        if not _is_made_with(bundle, content):
            stale[query.handle] = Pass.model_validate_json(content.state)
    if stale:
        own = await find_own_images(stale.values(), work)
        if own is None:
            raise NotReadyError
        await render_and_store(list(stale.values()), bundles, own, work, pool)
        found |= await contents.find(stale)
        if not all(_is_made_with(bundles[p.template_id], found[h]) for h, p in stale.items()):
            raise NotReadyError
    read = [found[handle] for handle in {query.handle for query in granted}]
    served = [content for content in read if not content.served]
    if served and not await contents.mark_served(served):
        raise NotReadyError
    with_images = [Pass.model_validate_json(c.state) for c in read if IMAGE_MARK in c.state]
    own = await find_own_images(with_images, work)
    if own is None:
        raise NotReadyError
    return [
        _refusal(query, found.get(query.handle))
        or _answer(query, found[query.handle], bundles, own.get(query.handle, NO_IMAGES))
        for query in queries
    ]


def _refusal(query: ReadContent, content: StoredContent | None) -> ApplicationError | None:
    if content is None:
        return None
    if content.account_id != query.account_id:
        return NotFoundError()
    if content.deleted_at is not None:
        return ContentGoneError()
    return None if content.template_id == query.template_id else NotFoundError()


def _is_made_with(bundle: TemplateBundle, content: StoredContent) -> bool:
    made_with = (content.template_revision, content.identity_revision, content.environment)
    if made_with != (bundle.revision, bundle.identity.revision, bundle.environment):
        return False
    # A token whose secret was taken away cannot be put back: the pass gets another one.
    return content.token_key is None or bundle.tokens.key_of(content.token_key) == content.token_key


def _answer(
    query: ReadContent, content: StoredContent, bundles: dict[UUID, TemplateBundle], own: OwnImages
) -> Content:
    bundle = bundles[content.template_id]
    since = query.modified_since
    if since is not None and content.last_modified <= since.astimezone(UTC):
        return Content(
            handle=content.handle,
            content_number=content.content_number,
            pass_version=content.version,
            last_modified=content.last_modified,
            not_modified=True,
            pass_type_identifier=bundle.identity.pass_type_identifier,
        )
    return Content.model_construct(
        handle=content.handle,
        content_number=content.content_number,
        pass_version=content.version,
        last_modified=content.last_modified,
        pass_json=_whole_pass_json(content, bundle),
        manifest=content.manifest,
        signature=bundle.identity.signer.assemble(
            content.manifest, content.signed_at, content.signature_value or b""
        ),
        images=lay_over(bundle, own),
        files=dict(bundle.files),
        pass_type_identifier=bundle.identity.pass_type_identifier,
    )


def _whole_pass_json(content: StoredContent, bundle: TemplateBundle) -> bytes:
    """Return the bytes that were signed, with the authentication token."""
    pass_json = content.pass_json or b""
    if content.token_at is None:
        return pass_json
    serial_number = orjson.loads(content.state)["serial_number"]
    token = bundle.tokens.issue(
        content.token_key, bundle.identity.pass_type_identifier, serial_number
    )
    return put_back(pass_json, token, content.token_at)
