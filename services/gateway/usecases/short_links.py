"""What happens when somebody opens a short link: its pass is made, once for all who do."""

import structlog

from services.gateway.catalogue.links import LinkEndedError
from services.gateway.catalogue.short_links import ShortLink
from services.gateway.catalogue.showcase import PassWithoutTemplateError, ShownTemplate
from services.gateway.context import Context
from services.gateway.usecases import passes
from services.gateway.usecases.passes import Order, UnknownTemplateError
from shared.errors import ConflictError, GoneError, InvalidError, NotFoundError
from shared.identifiers import id_of_handle

log: structlog.stdlib.BoundLogger = structlog.get_logger()


def address_of(context: Context, short_key: str) -> str:
    """Give the address of a short link."""
    return f"{context.short_url}/l/{short_key}"


async def asks(context: Context, link: ShortLink) -> bool:
    """Whether a link leaves open what users may edit, and its pass is not there yet."""
    model = await _model(context, link)
    known = {leaf.path for path in link.values if (leaf := model.compiled.find(path)) is not None}
    if known.issuperset(model.compiled.editable_paths):
        return False
    try:
        await passes.read(context, link.account_id, link.handle)
    except NotFoundError:
        return True
    except GoneError:
        return False
    return False


async def _model(context: Context, link: ShortLink) -> ShownTemplate:
    try:
        return await context.showcase.template(link.account_id, link.template_id)
    except PassWithoutTemplateError as error:
        raise LinkEndedError from error


async def follow(context: Context, link: ShortLink) -> str:
    """Give the pass that a short link leads to, made now unless it is there; its handle.

    The handle was settled with the link, and names the command: whoever comes at the same time, or
    again after a crash, gets the same pass. LinkEndedError if it was deleted or cannot be issued.
    """
    try:
        await passes.read(context, link.account_id, link.handle)
    except GoneError as error:
        raise LinkEndedError from error
    except NotFoundError:
        order = Order(link.values, trusted=False, handle=link.handle)
        try:
            await passes.issue(
                context,
                link.account_id,
                link.template_id,
                order,
                id_of_handle(link.handle),
                patience=passes.RUN_PATIENCE,
            )
        except UnknownTemplateError as error:
            raise LinkEndedError from error
        except (InvalidError, ConflictError) as error:
            # The issuer's to mend: a rule that refuses, a value that the template takes no more.
            log.warning("short_link_refused", template_id=str(link.template_id), code=error.code)
            raise LinkEndedError from error
    return link.handle
