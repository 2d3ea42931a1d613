"""Passes under /v1 as lists: page by page as JSON, or all of a filter in one CSV file."""

import re
from collections.abc import AsyncIterator
from datetime import datetime
from functools import partial
from typing import Annotated, Final
from uuid import UUID

from aiohttp import web
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from services.gateway.context import Context
from services.gateway.routes.files import CSV_MEDIA, CSV_PROMISES, send_csv
from services.gateway.routes.v1.paging import number_position
from services.gateway.routes.v1.reading import cursor_at
from services.gateway.usecases import exports, passes
from services.gateway.usecases.passes import UnknownTemplateError
from shared import clock
from shared.contracts.message import JsonObject
from shared.contracts.triggers import ListPasses, Pass, PassPage
from shared.http.endpoint import AnyEndpoint, Call, Endpoint
from shared.http.pagination import Page, PageQuery

TAG = "Passes"

MemberId = Annotated[str, Field(min_length=1, max_length=255)]


def _read_flag(value: object) -> object:
    if value not in {"true", "false"}:
        raise ValueError("Must be true or false")
    return value


def _check_email(value: str) -> str:
    if not _EMAIL.fullmatch(value):
        raise ValueError("Must be an e-mail address, with + written as %2B")
    return value


Flag = Annotated[bool, BeforeValidator(_read_flag)]
_EMAIL = re.compile(r"[^\s\x00-\x1f\x7f-\x9f]+@[^@\s\x00-\x1f\x7f-\x9f]+")
Email = Annotated[
    str,
    Field(max_length=254, json_schema_extra={"pattern": f"^{_EMAIL.pattern}$"}),
    AfterValidator(_check_email),
]


class PassState(BaseModel):
    """A pass as it is now."""

    handle: str
    template_id: UUID
    serial_number: str
    member_id: str | None
    version: int = Field(description="Rises with every change.")
    values: JsonObject = Field(description="The pass's own values by path.")
    voided: bool
    expires_at: datetime | None = Field(
        description="When it expires, by its own date or its template's. After a revision that "
        "changes the date the passes follow within minutes."
    )
    expired: bool = Field(description="Whether that date has passed.")
    registered: bool
    scanned: bool
    installed: bool = Field(description="Whether it has been on a device at least once.")
    devices: int = Field(description="On how many devices it is now, in all wallets.")
    style_id: UUID | None = Field(description="What it looks like by its own choice.")
    style_group_id: UUID | None = Field(description="The same by its member's points.")
    created_at: datetime
    updated_at: datetime
    url: str
    download_url: str


class PassFilters(BaseModel):
    """Which passes; those that all of the filters let through."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    template_id: UUID | None = None
    member_id: MemberId | None = None
    email: Email | None = Field(
        None, description="Passes of members with this e-mail address, in capitals or not."
    )
    voided: Flag | None = None
    expired: Flag | None = Field(None, description="Whether their date has passed.")


class PassesQuery(PassFilters, PageQuery):
    """Which passes to list."""


class PassesPage(Page[PassState]):
    """Passes in the order in which they were issued."""


async def list_passes(call: Call[None, PassesQuery], *, context: Context) -> PassesPage:
    """List the account's passes."""
    query = call.query
    question = _question(call).model_copy(
        update={
            "after": number_position(query, largest=2**63 - 1) or 0,
            "limit": query.limit,
        }
    )
    return await passes_page(context, question)


async def passes_page(context: Context, question: ListPasses) -> PassesPage:
    """Show a page of passes, which `GET /v1/passes` goes on with."""
    page = await context.requester.ask(question, PassPage)
    after = cursor_at(page.last) if page.more else None
    shown = await context.showcase.up_to_date(page.passes)
    return PassesPage(data=[show_state(context, found) for found in shown], next_cursor=after)


async def list_passes_as_csv(
    call: Call[None, PassFilters], *, context: Context
) -> web.StreamResponse:
    """Send all passes of a filter, as they are read."""
    paths = await _own_columns(call, context)
    pages = exports.passes_in_pages(context, _question(call))

    async def todays() -> AsyncIterator[list[Pass]]:
        async for page in pages:
            yield await context.showcase.up_to_date(page)

    head = [*exports.COLUMNS, *paths, exports.OTHER_VALUES]
    names_members = call.caller.may("members:read")
    cells_of = partial(exports.pass_cells, paths=paths, names_members=names_members)
    pieces = exports.csv_pieces(head, todays(), cells_of)
    return await send_csv(call.request, pieces)


async def _own_columns(call: Call[None, PassFilters], context: Context) -> list[str]:
    """Name the columns that passes of one template have for their own values."""
    template_id, account_id = call.query.template_id, call.caller.account_id
    if template_id is None:
        return []
    if template_id not in await context.templates.current(account_id, [template_id]):
        fault = {"pointer": "?template_id", "detail": "Unknown template"}
        raise UnknownTemplateError(errors=[fault])
    return exports.own_columns(await context.showcase.compiled(account_id, template_id))


def _question(call: Call[None, PassFilters]) -> ListPasses:
    filters = {name: getattr(call.query, name) for name in PassFilters.model_fields}
    return ListPasses(account_id=call.caller.account_id, **filters)


def show_state(context: Context, found: Pass) -> PassState:
    """Show a pass as it is now."""
    url = passes.page_url(context, found.handle)
    shown = {name: getattr(found, name) for name in PassState.model_fields.keys() & dict(found)}
    return PassState(
        **shown,
        expired=found.has_expired(clock.now()),
        url=url,
        download_url=url + passes.FILE_SUFFIX,
    )


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of this module."""
    return [
        Endpoint(
            "GET",
            "/v1/passes",
            partial(list_passes, context=context),
            summary="List passes",
            tag=TAG,
            scope="passes:read",
            query=PassesQuery,
            returns=PassesPage,
        ),
        Endpoint(
            "GET",
            "/v1/passes.csv",
            partial(list_passes_as_csv, context=context),
            summary="Export passes as CSV",
            tag=TAG,
            scope="passes:read",
            query=PassFilters,
            raw=True,
            media=CSV_MEDIA,
            description=DESCRIPTION,
        ),
    ]


DESCRIPTION: Final = f"""All passes of the filters in the order in which they were issued, \
in UTF-8, comma-separated, every cell in quotes (RFC 4180). Each pass that was there at the \
beginning is in the file exactly once, as it is when its row is written; those issued meanwhile \
may be.

The first row names the columns: {", ".join(f"`{name}`" for name in exports.COLUMNS)}. `email` is \
empty without the scope `members:read`. With \
`template_id` a column by path follows for each field value, property and editable value of the \
template: what the pass has of its own, empty where it shows what its template says. \
`{exports.OTHER_VALUES}` holds the own values that have no column, as a JSON object.

{CSV_PROMISES}"""
