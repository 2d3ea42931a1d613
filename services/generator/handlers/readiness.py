"""Whether what is asked for of a pass has arrived here."""

from services.generator.domain import ContentGoneError, KnownPass
from services.generator.renderers.apple import TemplateBundle
from shared.contracts.generator import ReadContent, ReadGoogle
from shared.errors import ApplicationError, NotFoundError, NotReadyError

Refusal = ApplicationError | NotReadyError


def refuse(
    query: ReadContent | ReadGoogle, known: KnownPass | None, bundle: TemplateBundle | None
) -> Refusal | None:
    """Say why a query gets nothing; NotReadyError if what it asks for has not arrived."""
    if known is None:
        return NotReadyError()
    if known.account_id != query.account_id:
        return NotFoundError()
    if known.is_deleted:
        return ContentGoneError()
    if known.template_id != query.template_id:
        return NotFoundError()
    is_there = (
        bundle is not None
        and bundle.revision >= query.template_revision
        and bundle.credential_epoch >= query.credential_epoch
        and known.version >= query.version
    )
    return None if is_there else NotReadyError()
