"""Makes the links of a batch's rows: sealed ones by a program, short ones of a template."""

from collections.abc import Sequence
from dataclasses import replace

from services.gateway.catalogue.batches import OpenChunk
from services.gateway.catalogue.short_links import ShortLink
from services.gateway.context import Context
from services.gateway.domain.batches import Batch, Content, KeptRow, Outcome
from services.gateway.domain.links import LinkOrder, order_of_row
from services.gateway.usecases import pass_images
from services.gateway.usecases.batch_templates import template_of, templates_of, without_errors
from services.gateway.usecases.links import MadeLink, make_links
from services.gateway.usecases.passes import UnknownTemplateError
from services.gateway.usecases.short_links import address_of
from shared.contracts.message import JsonObject
from shared.errors import ApplicationError, ConflictError, NotFoundError
from shared.passes.schema.values import to_text
from shared.yielding import yielding

Outcomes = list[Outcome | BaseException]


def order_of(content: Content) -> LinkOrder:
    """Read what a row says of a link; LinkInvalidError where a cell cannot be read."""
    facts = {name: to_text(value) for name, value in content.facts.items()}
    return replace(order_of_row(facts), values=content.values)


async def seal_links(
    context: Context, batch: Batch, contents: Sequence[Content | ApplicationError]
) -> Outcomes:
    """Seal a link for each row that can be read; nothing of it is kept but in the result."""
    if batch.terms.program_id is None:
        raise ValueError(batch.kind)
    orders = [_order(content) for content in contents]
    sound = {at: order for at, order in enumerate(orders) if isinstance(order, LinkOrder)}
    try:
        program, keys = await context.links.get(batch.account_id, batch.terms.program_id)
        sealed = await make_links(
            context,
            program,
            keys,
            list(sound.values()),
            batch.terms.withheld,
            most_images=None,
        )
    except (NotFoundError, ConflictError, UnknownTemplateError) as error:
        sealed = [error] * len(sound)  # there is nothing to seal them for, or with
    made = dict(zip(sound, sealed, strict=True))
    return [
        order if isinstance(order, ApplicationError) else _outcome(made[at])
        for at, order in enumerate(orders)
    ]


async def make_short_links(
    context: Context, opened: OpenChunk, contents: Sequence[Content | ApplicationError]
) -> Outcomes:
    """Keep what short links lead to, under keys that follow from the rows."""
    batch, said = opened.batch, without_errors(contents)
    templates = await templates_of(context, batch, said)
    settled = await pass_images.settle(
        context, batch.account_id, [content.values for content in said], most=None
    )

    async def one(
        row: KeptRow, content: Content | ApplicationError, values: JsonObject | ApplicationError
    ) -> ShortLink:
        if isinstance(content, ApplicationError):
            raise content
        if isinstance(values, ApplicationError):
            raise values
        template_id, revision = template_of(batch, content, templates)
        compiled = await context.showcase.compiled(batch.account_id, template_id, revision)
        compiled.check_values(values, may_expand=True)
        handle = opened.key.handle_of(row.line, batch.created_at)
        short_key = opened.key.short_key_of(row.line)
        return ShortLink(short_key, batch.account_id, template_id, handle, values)

    links: list[ShortLink] = []
    outcomes: Outcomes = []
    rows = list(zip(opened.rows, contents, settled, strict=True))
    async for row, content, values in yielding(rows):
        try:
            link = await one(row, content, values)
        except ApplicationError as error:
            outcomes.append(error)
        else:
            links.append(link)
            outcomes.append(Outcome(link=address_of(context, link.short_key)))
    await context.short_links.add(links)
    return outcomes


def _order(content: Content | ApplicationError) -> LinkOrder | ApplicationError:
    if isinstance(content, ApplicationError):
        return content
    try:
        return order_of(content)
    except ApplicationError as error:
        return error


def _outcome(made: MadeLink | ApplicationError) -> Outcome | BaseException:
    return Outcome(link=made.url) if isinstance(made, MadeLink) else made
