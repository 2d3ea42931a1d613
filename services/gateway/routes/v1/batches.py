"""Batches under /v1: lists of rows as CSV or JSON lines, done one by one."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Final, Literal
from uuid import UUID

import orjson
from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel

from services.gateway.catalogue.batches import BatchNotFoundError
from services.gateway.catalogue.google_issuers import GoogleNotConfiguredError
from services.gateway.context import Context
from services.gateway.domain import Scope
from services.gateway.domain.batches import (
    MAX_ROWS,
    MEBIBYTES,
    Action,
    Batch,
    BatchColumnsError,
    BatchEmptyError,
    BatchEndedError,
    BatchGoesOnError,
    BatchKind,
    BatchState,
    BatchTooLongError,
    TooManyBatchesError,
)
from services.gateway.domain.tables import TableError
from services.gateway.routes.files import CSV_MEDIA, send_csv
from services.gateway.routes.once import REPEAT_ERRORS, answer_once
from services.gateway.routes.v1.paging import page_of, uuid_position
from services.gateway.routes.v1.pass_lists import Flag
from services.gateway.routes.v1.reading import id_in_path
from services.gateway.usecases import google
from services.gateway.usecases.batch_results import result_pieces
from services.gateway.usecases.batch_uploads import Preview, ShownRow, Wish, preview, receive
from services.gateway.usecases.passes import UnknownTemplateError
from shared import clock
from shared.contracts.message import JsonObject
from shared.database import UnitOfWork
from shared.errors import ForbiddenError, InvalidError, TooLargeError
from shared.http.endpoint import MEBIBYTE, AnyEndpoint, Call, Endpoint, Reply
from shared.http.pagination import InvalidCursorError, Page, PageQuery
from shared.http.parsing import BODY_SECONDS
from shared.http.problems import BadRequestError, SlowRequestError

TAG: Final = "Batches"
LINES_MEDIA: Final = "application/x-ndjson"
FORM_MEDIA: Final = "multipart/form-data"
ONE_FIELD: Final = "A form has one field: the file."
MAX_MAPPING: Final = 200
PIECE: Final = 64 * 1024

NEEDED: Final[dict[BatchKind, Scope]] = {
    "passes": "passes:write",
    "links": "links:write",
    "members": "members:write",
    "changes": "passes:write",
}
"""What a key must be allowed besides sending batches."""


def _read_mapping(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise ValueError("Must be a JSON object: column to path") from error


class BatchQuery(BaseModel):
    """What is to be done with the rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: BatchKind = Field(
        examples=["members"],
        description="`passes` issues one for each row, `links` makes one; `members` makes or "
        "changes them; `changes` changes passes by `handle`, or all those of a `member_id`.",
    )
    template_id: UUID | None = Field(
        None, description="The template of rows that name none in a column `templateId`."
    )
    program_id: UUID | None = Field(
        None, description="The program of links; without it they are short ones of a template."
    )
    mapping: Annotated[
        Annotated[dict[str, str], Field(max_length=MAX_MAPPING)] | None,
        BeforeValidator(_read_mapping),
        Field(
            json_schema_extra={"type": "string", "contentMediaType": "application/json"},
            description="What columns of other names mean, as a JSON object: column → path or "
            "name; `values.` before a path tells it from a name, an empty text leaves the column "
            "out.",
        ),
    ] = None
    push: Flag = Field(default=True, description="Whether devices hear of changes at once.")
    wallets: Literal["apple", "google", "apple,google"] = Field(
        default="apple",
        description="With `google` the passes that are issued are prepared in Google Wallet, too.",
    )
    dry_run: Flag = Field(
        default=False,
        description="Only read the file: what is wrong with it, and its first 20 rows.",
    )
    again: Flag = Field(
        default=False, description="Do it although the same file was sent within a day."
    )
    count: int | None = Field(
        None, ge=1, le=MAX_ROWS, description="Issue so many passes, without a file."
    )


class BatchView(BaseModel):
    """A list of rows, and how far it is."""

    model_config = ConfigDict(title="Batch")

    batch_id: UUID
    kind: BatchKind
    state: BatchState
    rows: int
    done: int = Field(description="How many rows are done, those that failed too.")
    failed: int
    rate: float | None = Field(description="Rows a second since it began or was resumed.")
    estimate: datetime | None = Field(description="When it will have ended, at this rate.")
    repeated: bool = Field(
        default=False,
        description="The same file was sent within a day: this is its batch, not another one.",
    )
    fault: str | None = Field(None, description="Why it has failed as a whole.")
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class RowView(BaseModel):
    """A row as it would be."""

    model_config = ConfigDict(title="BatchRow")

    line: int = Field(description="Where it begins in the file.")
    template_id: UUID | None
    facts: JsonObject = Field(description="What it says besides values.")
    values: JsonObject
    error: str | None


class PreviewView(BaseModel):
    """What a file holds, of which nothing was done."""

    model_config = ConfigDict(title="BatchPreview")

    rows: int
    columns: dict[str, str | None] = Field(
        description="Column → the name or path it means; null: it is left out."
    )
    first: list[RowView]


class Begun(RootModel[BatchView | PreviewView]):
    """A batch, or what it would be."""

    model_config = ConfigDict(title="BegunBatch")


async def create_batch(call: Call[None, BatchQuery], *, context: Context) -> Reply:
    """Take a file in; its rows begin when it is here as a whole."""
    query, caller = call.query, call.caller
    if not caller.may(NEEDED[query.kind]):
        raise ForbiddenError(f"kind={query.kind} needs the scope {NEEDED[query.kind]} as well.")
    if query.count is not None and (query.kind != "passes" or query.dry_run):
        raise InvalidError(errors=[{"pointer": "?count", "detail": "Only to issue passes"}])
    if query.template_id is not None and query.kind == "members":
        raise InvalidError(errors=[{"pointer": "?template_id", "detail": "Members have none"}])
    at_google = query.wallets != "apple"
    if at_google and query.kind != "passes":
        raise InvalidError(errors=[{"pointer": "?wallets", "detail": "Only to issue passes"}])
    if at_google and query.template_id is not None:
        await google.check(context, caller.account_id, query.template_id)
    if query.program_id is not None and (query.kind != "links" or query.template_id is not None):
        fault = {"pointer": "?program_id", "detail": "Only for links, without a template_id"}
        raise InvalidError(errors=[fault])
    wish = Wish(
        query.kind,
        query.template_id,
        query.program_id,
        query.mapping or {},
        push=query.push,
        at_google=at_google,
        count=query.count,
        withheld=caller.withheld,
        may_write_members=caller.may("members:write"),
    )
    pieces = _pieces(replace(call, body_limit=context.batch_bytes))
    charset = _charset(call.request)
    account_id: UUID = caller.account_id
    if query.dry_run:
        found = await preview(context, account_id, wish, pieces, charset)
        return Reply(_preview_view(found), 200)
    received = await receive(context, account_id, wish, pieces, charset)
    admitted: set[UUID] = set()

    async def admit(work: UnitOfWork) -> Reply:
        batch = await context.batches.admit(
            work,
            account_id,
            received.receiving,
            received.fingerprint,
            received.terms,
            again=query.again or query.count is not None,
        )
        admitted.add(batch.batch_id)
        is_repeated = batch.batch_id != received.receiving.batch_id
        location = f"/v1/batches/{batch.batch_id}"
        return Reply(_view(batch, is_repeated=is_repeated), 202, {"Location": location})

    try:
        return await answer_once(context, call, admit, content=received.fingerprint)
    finally:
        if received.receiving.batch_id not in admitted:
            await asyncio.shield(context.batches.give_up(received.receiving.batch_id))


async def list_batches(call: Call[None, PageQuery], *, context: Context) -> Page[BatchView]:
    """List the account's batches, newest first."""
    batches = await context.batches.list(
        call.caller.account_id, uuid_position(call.query), call.query.limit + 1
    )
    return page_of(batches, call.query, _view, lambda batch: batch.batch_id)


async def read_batch(call: Call[None, None], *, context: Context) -> BatchView:
    """Tell how far a batch is."""
    return _view(await _find(call, context))


async def pause_batch(call: Call[None, None], *, context: Context) -> Reply:
    """Let a batch wait."""
    return await _control(call, context, "pause")


async def resume_batch(call: Call[None, None], *, context: Context) -> Reply:
    """Let a batch go on."""
    return await _control(call, context, "resume")


async def cancel_batch(call: Call[None, None], *, context: Context) -> Reply:
    """End a batch where it is."""
    return await _control(call, context, "cancel")


async def read_result(call: Call[None, None], *, context: Context) -> web.StreamResponse:
    """Send all rows with what became of them."""
    batch = await _find(call, context)
    return await send_csv(call.request, result_pieces(context, batch), "result.csv")


async def read_errors(call: Call[None, None], *, context: Context) -> web.StreamResponse:
    """Send the rows that failed."""
    batch = await _find(call, context)
    pieces = result_pieces(context, batch, only_errors=True)
    return await send_csv(call.request, pieces, "errors.csv")


async def _find(call: Call[None, None], context: Context) -> Batch:
    return await context.batches.get(call.caller.account_id, id_in_path(call, "batch_id"))


async def _control(call: Call[None, None], context: Context, action: Action) -> Reply:
    async def control(work: UnitOfWork) -> Reply:
        batch_id = id_in_path(call, "batch_id")
        batch = await context.batches.control(work, call.caller.account_id, batch_id, action)
        return Reply(_view(batch), 200)

    return await answer_once(context, call, control)


async def _pieces(call: Call[None, BatchQuery]) -> AsyncIterator[bytes]:
    """Read the body, or the file of a form, as it arrives; the next piece must come soon."""
    is_form = call.request.content_type == FORM_MEDIA
    pieces = _file_of_form(call) if is_form else call.chunks()
    while True:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                piece = await anext(pieces, None)
        except TimeoutError:
            raise SlowRequestError from None
        except (ConnectionError, web.RequestPayloadError) as error:
            raise BadRequestError("The body cannot be read to its end.") from error
        if piece is None:
            return
        yield piece


async def _file_of_form(call: Call[None, BatchQuery]) -> AsyncIterator[bytes]:
    size, limit = 0, call.body_limit
    try:
        form = await call.request.multipart()
        part = await form.next()
        if not isinstance(part, BodyPartReader) or part.name != "file":
            raise BadRequestError(ONE_FIELD)
        while piece := await part.read_chunk(PIECE):
            size += len(piece)
            if size > limit:
                raise TooLargeError(f"A file has at most {limit} bytes.")
            yield piece
        if not part.at_eof():
            raise BadRequestError("The form ends too early.")
        if await form.next() is not None:
            raise BadRequestError(ONE_FIELD)
    except (ValueError, AssertionError, HttpProcessingError) as error:
        raise BadRequestError("The form cannot be read.") from error


def _charset(request: web.Request) -> str | None:
    return None if request.content_type == FORM_MEDIA else request.charset


def _view(batch: Batch, *, is_repeated: bool = False) -> BatchView:
    now = clock.now()
    rate = batch.rate(now)
    left = None
    if batch.state == "running" and rate:
        left = now + timedelta(seconds=(batch.rows - batch.done) / rate)
    return BatchView(
        batch_id=batch.batch_id,
        kind=batch.kind,
        state=batch.state,
        rows=batch.rows,
        done=batch.done,
        failed=batch.failed,
        rate=None if rate is None else round(rate, 1),
        estimate=left,
        repeated=is_repeated,
        fault=batch.fault,
        created_at=batch.created_at,
        started_at=batch.started_at,
        ended_at=batch.ended_at,
    )


def _preview_view(found: Preview) -> PreviewView:
    return PreviewView(
        rows=found.rows,
        columns={column.name: column.target or None for column in found.columns},
        first=[_row_view(row) for row in found.shown],
    )


def _row_view(row: ShownRow) -> RowView:
    facts, values = row.content
    return RowView(
        line=row.line, template_id=row.template_id, facts=facts, values=values, error=row.error
    )


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of this module."""
    batches, read, write = "/v1/batches", "batches:read", "batches:write"
    one = f"{batches}/{{batch_id}}"
    return [
        Endpoint(
            "POST",
            batches,
            partial(create_batch, context=context),
            summary="Send a list of passes, links, members or changes",
            tag=TAG,
            scope=write,
            query=BatchQuery,
            returns=Begun,
            status=202,
            also=(200,),
            errors=(
                *REPEAT_ERRORS,
                TableError,
                BatchColumnsError,
                BatchEmptyError,
                BatchTooLongError,
                TooManyBatchesError,
                UnknownTemplateError,
                GoogleNotConfiguredError,
                TooLargeError,
                SlowRequestError,
            ),
            body_limit=MEBIBYTES * MEBIBYTE,
            raw=True,
            described=(CSV_MEDIA, LINES_MEDIA, FORM_MEDIA),
            description=DESCRIPTION,
        ),
        Endpoint(
            "GET",
            batches,
            partial(list_batches, context=context),
            summary="List batches, newest first",
            tag=TAG,
            scope=read,
            query=PageQuery,
            returns=Page[BatchView],
            errors=(InvalidCursorError,),
        ),
        Endpoint(
            "GET",
            one,
            partial(read_batch, context=context),
            summary="Read how far a batch is",
            tag=TAG,
            scope=read,
            returns=BatchView,
            errors=(BatchNotFoundError,),
        ),
        *(
            Endpoint(
                "POST",
                f"{one}/{action}",
                partial(handler, context=context),
                summary=summary,
                tag=TAG,
                scope=write,
                returns=BatchView,
                errors=(BatchNotFoundError, BatchEndedError, *REPEAT_ERRORS),
                description="No change if already in that state; a batch that has ended answers "
                "409. Rows that are in hand at that moment are still done.",
            )
            for action, handler, summary in (
                ("pause", pause_batch, "Pause a batch"),
                ("resume", resume_batch, "Resume a batch"),
                ("cancel", cancel_batch, "Cancel a batch"),
            )
        ),
        *(
            Endpoint(
                "GET",
                f"{one}/{name}.csv",
                partial(handler, context=context),
                summary=summary,
                tag=TAG,
                scope=read,
                raw=True,
                media=CSV_MEDIA,
                errors=(BatchNotFoundError, BatchGoesOnError),
                description=RESULT_DESCRIPTION,
            )
            for name, handler, summary in (
                ("result", read_result, "Read what became of all rows"),
                ("errors", read_errors, "Read the rows that failed"),
            )
        ),
    ]


DESCRIPTION: Final = """The body is CSV or JSON lines, or a form with one field, `file`. Rows \
begin when the whole file is here; a file that cannot be read, or that breaks off, leaves \
nothing. The answer is 202 with the batch, of which `GET /v1/batches/{batch_id}` tells how far it \
is.

CSV: separator, line ends and encoding are found out, a byte order mark says more; `Content-Type: \
text/csv; charset=…` says it for certain. The first row names the columns: `templateId` (an id or \
a template hash), `member_id`, `external_id`, `name`, `email`, `phone`, in `members` also `tier` \
and `points`, in `changes` `handle`; any other name is a path of the template. Columns that are \
unknown, read-only or there twice are refused before anything is done, with the nearest name. \
`link`, `handle`, `hashedSerialNumber` and `error`, as in a result, are left out. An empty cell \
says nothing. JSON lines: an object for each row; there null takes an own value away.

`kind=passes`: the member is the one of `member_id`, made if the row says who it is; else the one \
of `external_id`, or a new one. Rows of one file with the same `external_id` are not merged: the \
later one fails and names the line of the first. One whose person has a pass of the template \
already fails and gives that pass. PassKit's names (`members.externalId`, `person.displayName`, \
`utm_source`, `meta.seat` …) are understood in any case of letters; `values.` in the mapping \
tells a path of the same name. `kind=links` seals a link for each row by its program, with \
the columns and PassKit's names that links take (`campaign`, `expires_at`, `not_before`, \
`max_uses`, `person.displayName` …); without a program they are short ones, `/l/{short_key}`, of \
values that users may edit. `kind=members` changes members by `member_id` or `external_id` and \
makes those that are missing. `kind=changes` changes what cells name.

At most 5,000,000 rows, 200 columns, 64 KiB in a cell, 256 KiB in a row, 20 batches on their way. \
The same file with the same parameters within a day is the same batch, with `repeated`. A key \
needs `passes:write`, for links `links:write`, for members and columns about them \
`members:write`, as well. With `dry_run` the answer is 200: nothing is done."""

RESULT_DESCRIPTION: Final = """In the order of the file, with its separator, in UTF-8 with a byte \
order mark, every cell in quotes: the columns of the file, then `link`, `handle` \
(`hashedSerialNumber`, if the file has a column `templateId`; `member_id` for members) and \
`error`; an empty cell of a column `member_id` that a file of members has says whom it found or \
made. A text that a spreadsheet would take for a formula has an apostrophe before it, which is \
taken away when the file is sent again. A batch that goes on answers 409. File and results are \
deleted seven days after the end; of a member who is erased nothing is left in them but handles. \
Rows that made links are not known to be a member's: cells and links stay until then."""
