"""Passes change and go: their states are kept; what somebody has fetched is composed anew."""

from collections.abc import Iterable, Mapping

from services.generator.clients import RenderPool
from services.generator.handlers.composing import compose_and_store, find_own_images
from services.generator.handlers.google import follow_google, forget_google
from services.generator.renderers.apple import NO_IMAGES, Earlier, RenderJob, TemplateBundle
from services.generator.repository.bundles import BundleCache
from services.generator.repository.contents import ContentRepository
from services.generator.repository.passes import PassRepository
from shared.contracts.generator import PassesCompared
from shared.contracts.message import Person
from shared.contracts.triggers import Pass, PassesChanged, PassesDeleted, PassesListed
from shared.database import UnitOfWork
from shared.errors import NotReadyError, RetryableError


async def keep_passes(
    events: list[PassesChanged], work: UnitOfWork, *, cache: BundleCache, pool: RenderPool
) -> None:
    """Keep the newest state of each pass, and compose those whose bytes somebody holds.

    Whether these differ decides what devices hear. A pass that nobody has fetched yet is composed
    when it is.
    """
    passes = _newest(events)
    newer = await PassRepository(work.connection).keep(passes.values())
    earlier = await ContentRepository(work.connection).find_earlier(newer)
    issuers = {handle: issuer for handle, issuer in newer.items() if issuer is not None}
    held = [passes[handle] for handle in earlier.keys() | issuers.keys()]
    if held:
        bundles = await _bundles(held, work, cache)
        if earlier:
            composed = [passes[handle] for handle in earlier]
            await _compose(composed, earlier, bundles, work, pool)
        if issuers:
            wanted = [passes[handle] for handle in issuers]
            await follow_google(wanted, issuers, bundles, work, cache)
    work.erase(
        Person(pass_.account_id, pass_.member_id)
        for pass_ in passes.values()
        if pass_.member_id is not None and pass_.member is None
    )


def _newest(events: Iterable[PassesChanged]) -> dict[str, Pass]:
    newest: dict[str, Pass] = {}
    for event in events:
        for pass_ in event.passes:
            known = newest.get(pass_.handle)
            if known is None or known.version < pass_.version:
                newest[pass_.handle] = pass_
    return newest


async def _bundles(
    passes: list[Pass], work: UnitOfWork, cache: BundleCache
) -> dict[str, TemplateBundle]:
    """Find by what each pass is made, by its handle."""
    bundles = await cache.newest(work.connection, {pass_.template_id for pass_ in passes})
    if any(
        (bundle := bundles.get(pass_.template_id)) is None
        or bundle.revision < pass_.template_revision
        for pass_ in passes
    ):
        raise RetryableError("a template or its identity has not arrived yet")
    styled = await cache.styled(work.connection, bundles, passes)
    if len(styled) < len(passes):
        raise RetryableError("a style or a style group has not arrived yet")
    return styled


async def _compose(
    passes: list[Pass],
    earlier: Mapping[str, Earlier],
    bundles: Mapping[str, TemplateBundle],
    work: UnitOfWork,
    pool: RenderPool,
) -> None:
    try:
        own = await find_own_images(passes, work)
    except NotReadyError:
        raise RetryableError("an image of a pass has not arrived yet") from None
    jobs = [
        RenderJob(
            bundles[pass_.handle],
            pass_,
            earlier[pass_.handle],
            own.get(pass_.handle, NO_IMAGES),
            sign=False,
        )
        for pass_ in passes
    ]
    if len(await compose_and_store(jobs, work, pool)) < len(jobs):
        raise RetryableError("the content before was made with a newer revision")


async def delete_passes(events: list[PassesDeleted], work: UnitOfWork) -> None:
    gone = {pass_.handle: pass_ for event in events for pass_ in event.passes}
    await PassRepository(work.connection).delete(list(gone.values()))
    await forget_google(gone, work)


async def compare_passes(events: list[PassesListed], work: UnitOfWork) -> None:
    """Answer which of the passes listed are not known here in their newest version."""
    passes = PassRepository(work.connection)
    for event in events:
        known = await passes.versions(listed.handle for listed in event.passes)
        missing = [p.handle for p in event.passes if known.get(p.handle, -1) < p.version]
        work.publish(PassesCompared(comparison_id=event.comparison_id, missing=missing))
