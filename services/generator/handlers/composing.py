"""Composes contents of passes that are locked, stores them and announces those with new bytes."""

from collections.abc import Collection, Sequence

from services.generator.clients import RenderPool
from services.generator.renderers.apple import Earlier, OwnImages, RenderJob, TemplateBundle
from services.generator.repository.contents import ContentRepository, StoredContent
from services.generator.repository.images import ImageRepository
from shared import clock
from shared.contracts.generator import BuiltContent, ContentBuilt
from shared.contracts.triggers import Pass
from shared.database import UnitOfWork
from shared.errors import NotReadyError
from shared.passes.schema.slots import has_images, own_images, shows_own_images_only


async def find_own_images(passes: Collection[Pass], work: UnitOfWork) -> dict[str, OwnImages]:
    """Find the images that passes have of their own, by handle; NotReadyError while one is late."""
    slots = {
        pass_.handle: (pass_.account_id, own_images(pass_.values), own_only)
        for pass_ in passes
        if (own_only := shows_own_images_only(pass_.values)) or has_images(pass_.values)
    }
    if not slots:
        return {}
    keys = {
        (account_id, sha256) for account_id, own, _ in slots.values() for sha256 in own.values()
    }
    known = await ImageRepository(work.connection).find(keys) if keys else {}
    if len(known) < len(keys):
        raise NotReadyError
    return {
        handle: OwnImages(
            {f"{slot}.png": known[account_id, sha256] for slot, sha256 in own.items()}, own_only
        )
        for handle, (account_id, own, own_only) in slots.items()
    }


async def compose_and_store(
    jobs: Sequence[RenderJob], work: UnitOfWork, pool: RenderPool
) -> dict[str, StoredContent]:
    """Compose, store, announce what is new to those who have the pass; returns what was stored.

    Its first content is noted with its fetch. What is there was made with a newer revision than
    this process knew, if it is not stored.
    """
    now = clock.now()
    rendered = await pool.render(jobs, now)
    stored = await ContentRepository(work.connection).store(
        list(zip(jobs, rendered, strict=True)), now
    )
    by_handle = {job.pass_.handle: job for job in jobs}
    built = [
        _built(one, job.pass_, job.bundle, earlier)
        for one in stored
        if (earlier := (job := by_handle[one.handle]).earlier) is not None
        and earlier.content_number < one.content_number
    ]
    if built:
        work.publish(ContentBuilt.model_construct(contents=built))
    return {one.handle: one for one in stored}


def _built(
    stored: StoredContent, pass_: Pass, bundle: TemplateBundle, earlier: Earlier
) -> BuiltContent:
    return BuiltContent.model_construct(
        handle=stored.handle,
        account_id=pass_.account_id,
        template_id=pass_.template_id,
        content_number=stored.content_number,
        pass_version=pass_.version,
        push_version=pass_.push_version,
        last_modified=stored.last_modified,
        pass_type_identifier=bundle.identity.pass_type_identifier,
        serial_number=pass_.serial_number,
        since_version=earlier.version + 1,
    )
