"""Passes at Google Wallet: composed when somebody wants them there, and from then on followed."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final
from uuid import UUID

from services.generator.handlers.readiness import Refusal, refuse
from services.generator.renderers.apple import TemplateBundle
from services.generator.renderers.google import RenderedGoogle, render_google
from services.generator.repository.bundles import BundleCache
from services.generator.repository.google import GoogleRepository, ToldDocument
from services.generator.repository.passes import PassRepository
from shared.contracts.generator import GoogleBuilt, GooglePass, ReadGoogle
from shared.contracts.triggers import Pass
from shared.database import UnitOfWork
from shared.passes.google.linked import TooManyLinkedError
from shared.passes.google.projection import MAX_VARIANTS

PASSES_OF_AN_EVENT: Final = 50
"""A pass may take some KiB, and no message is over 1 MiB."""


async def read_google(
    queries: list[ReadGoogle], work: UnitOfWork, *, cache: BundleCache
) -> list[GooglePass | Refusal]:
    """Compose passes for Google by the newest revisions known, and follow them from now on."""
    handles = {query.handle for query in queries}
    passes = PassRepository(work.connection)
    await passes.lock(handles)
    known = await passes.find(handles)
    bundles = await cache.newest(work.connection, {query.template_id for query in queries})
    loaded = {
        handle: one.load()
        for handle, one in known.items()
        if not one.is_deleted and one.template_id in bundles
    }
    styled = await cache.styled(work.connection, bundles, loaded.values())
    refusals = [
        refuse(query, known.get(query.handle), styled.get(query.handle)) for query in queries
    ]
    wanted = {
        query.handle: query.issuer_id
        for query, refusal in zip(queries, refusals, strict=True)
        if refusal is None
    }
    rendered = await _render([loaded[handle] for handle in wanted], wanted, styled, work, cache)
    google = GoogleRepository(work.connection)
    await google.follow(wanted)
    await google.store([_told(one) for one in rendered.values()])
    return [
        refusal or _answer(rendered.get(query.handle))
        for query, refusal in zip(queries, refusals, strict=True)
    ]


async def follow_google(
    passes: Sequence[Pass],
    issuers: dict[str, str],
    bundles: Mapping[str, TemplateBundle],
    work: UnitOfWork,
    cache: BundleCache,
) -> None:
    """Tell of passes that are wanted at Google and are different there now."""
    google = GoogleRepository(work.connection)
    before = await google.find(issuers)
    rendered = await _render(passes, issuers, bundles, work, cache)
    changed: list[GooglePass] = []
    for handle, one in rendered.items():
        told = before.get(handle)
        if told is None or told.class_digest != one.class_digest:
            changed.append(one.told(with_class=True))
        elif told.object_digest != one.projection.object_.digest:
            changed.append(one.told(with_class=False))
    await google.store([_told(one) for one in rendered.values()])
    for start in range(0, len(changed), PASSES_OF_AN_EVENT):
        work.publish(GoogleBuilt(passes=changed[start : start + PASSES_OF_AN_EVENT]))


async def _render(
    passes: Sequence[Pass],
    issuers: dict[str, str],
    bundles: Mapping[str, TemplateBundle],
    work: UnitOfWork,
    cache: BundleCache,
) -> dict[str, RenderedGoogle]:
    """Compose passes; a template that has too many classes gets no further ones.

    What has too many linked objects, with those that its template links, is left as it was.
    """
    google = GoogleRepository(work.connection)
    templates = {pass_.template_id for pass_ in passes}
    variants = await google.variants(templates)
    new: set[tuple[UUID, str]] = set()
    rendered: dict[str, RenderedGoogle] = {}
    for pass_ in passes:
        bundle = bundles[pass_.handle]
        projector = await cache.projector(bundle, issuers[pass_.handle])
        try:
            one = render_google(pass_, bundle, projector)
        except TooManyLinkedError:
            continue
        class_ = one.projection.class_
        if class_.variant and class_.id not in variants[pass_.template_id]:
            if len(variants[pass_.template_id]) < MAX_VARIANTS:
                variants[pass_.template_id].add(class_.id)
                new.add((pass_.template_id, class_.id))
            else:
                one = render_google(pass_, bundle, projector, may_vary=False)
        rendered[pass_.handle] = one
    if new:
        await google.add_variants(new)
    return rendered


def _answer(one: RenderedGoogle | None) -> GooglePass | Refusal:
    return TooManyLinkedError() if one is None else one.told(with_class=True)


def _told(one: RenderedGoogle) -> ToldDocument:
    return ToldDocument(
        one.pass_.handle,
        one.pass_.version,
        one.projection.class_.id,
        one.class_digest,
        one.projection.object_.digest,
    )


async def forget_google(handles: Collection[str], work: UnitOfWork) -> None:
    """Forget what was told of passes that were deleted."""
    await GoogleRepository(work.connection).forget(handles)
