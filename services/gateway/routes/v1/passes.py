"""Passes under /v1: issuing them, reading them, and letting things happen to them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationInfo, field_validator

from services.gateway.catalogue.google_issuers import GoogleNotConfiguredError
from services.gateway.context import Context
from services.gateway.routes.once import answered, begin
from services.gateway.routes.v1 import pass_lists, timeline
from services.gateway.routes.v1.google_passes import GooglePassView
from services.gateway.routes.v1.pass_lists import MemberId, PassState, show_state
from services.gateway.routes.v1.reading import id_in_path
from services.gateway.usecases import google, passes
from services.gateway.usecases.passes import Change, Order
from shared.contracts.message import JsonObject
from shared.contracts.notifier import GoogleState
from shared.contracts.triggers import (
    Counts,
    PassChanged,
    PassCreated,
    ReadCounts,
    Refusal,
    StyleKey,
)
from shared.errors import ApplicationError, GoneError, NotFoundError
from shared.http.endpoint import MEBIBYTE, AnyEndpoint, Call, Endpoint, Reply
from shared.http.problems import Problem, problem
from shared.passes.language.rights import Withheld

MAX_ROWS = 500
MAX_BODY_BYTES = 4 * MEBIBYTE
TAG = "Passes"

Values = Annotated[
    JsonObject,
    Field(
        description="The pass's own values by path. Under `images_logo` and the like: the address "
        "of a PNG, which is fetched now, or the `sha256` of an uploaded image.",
        examples=[{"structure_headerFields_points_value": 120}],
    ),
]


StyleId = Annotated[
    UUID | None, Field(description="What the pass looks like, whatever its member's style is.")
]
StyleGroupId = Annotated[
    UUID | None, Field(description="The same by its member's points; it goes before `style_id`.")
]


class PassOrder(BaseModel):
    """One pass to issue."""

    model_config = ConfigDict(extra="forbid")

    member_id: MemberId | None = Field(None, description="Whose pass it is.")
    values: Values = {}
    style_id: StyleId = None
    style_group_id: StyleGroupId = None


Wallet = Literal["apple", "google"]
Wallets = Annotated[
    list[Wallet],
    Field(
        min_length=1,
        max_length=2,
        description="With `google` each pass is prepared in Google Wallet, and kept in step there. "
        "Without it Google hears of a pass when its holder wants it there.",
    ),
]


class PassOrders(BaseModel):
    """One pass, or in `passes` up to 500 of one template."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "template_id": "0198f3c2-7d4e-7a31-9c55-2f6b8f0e1a77",
                    "member_id": "ada",
                    "values": {"structure_headerFields_points_value": 120},
                }
            ],
            "anyOf": [
                {
                    "required": ["passes"],
                    "properties": {
                        "passes": {"type": "array", "items": {}},
                        "member_id": {"type": "null"},
                        "values": {"type": "null"},
                        "style_id": {"type": "null"},
                        "style_group_id": {"type": "null"},
                    },
                },
                {"properties": {"passes": {"type": "null"}}},
            ],
        },
    )

    template_id: UUID
    passes: Annotated[list[PassOrder], Field(min_length=1, max_length=MAX_ROWS)] | None = None
    member_id: MemberId | None = Field(None, description="Whose pass it is.")
    values: Values | None = None
    style_id: StyleId = None
    style_group_id: StyleGroupId = None
    wallets: Wallets = ["apple"]

    @field_validator("member_id", "values", "style_id", "style_group_id")
    @classmethod
    def _is_one_pass(cls, value: object, info: ValidationInfo) -> object:
        if value is not None and info.data.get("passes") is not None:
            raise ValueError("Each of the passes has its own")
        return value


class ChangedValues(BaseModel):
    """New values of a pass."""

    model_config = ConfigDict(extra="forbid")

    values: JsonObject = Field(
        description="The pass's own values by path, images as when it is issued; null takes an own "
        "value away.",
        examples=[{"structure_headerFields_points_value": 130}],
    )


class ChangedPass(ChangedValues):
    """New values of a pass, or another choice of a style."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"values": {"structure_headerFields_points_value": 130}}]},
    )

    values: JsonObject = Field(
        {},
        description="The pass's own values by path, images as when it is issued; null takes an own "
        "value away.",
        examples=[{"structure_headerFields_points_value": 130}],
    )
    style_id: StyleId = None
    style_group_id: StyleGroupId = None

    @property
    def styles(self) -> dict[StyleKey, UUID | None]:
        """What is said of its style; null takes it away."""
        given: dict[StyleKey, UUID | None] = {
            "style_id": self.style_id,
            "style_group_id": self.style_group_id,
        }
        return {key: named for key, named in given.items() if key in self.model_fields_set}


class PreparedView(BaseModel):
    """A pass at Google, where it comes by itself from now on."""

    model_config = ConfigDict(from_attributes=True, title="PreparedAtGoogle")

    object_id: str
    class_id: str
    state: GoogleState
    detail: str = Field(description="Why it waits or was refused.")


class IssuedRow(BaseModel):
    """One of many passes, issued."""

    handle: str = Field(description="The unguessable public name of the pass.")
    version: int
    url: str = Field(description="The pass's public page.")
    google: PreparedView | None = Field(default=None, description="What was prepared at Google.")


class IssuedPass(IssuedRow):
    """A pass, issued."""

    download_url: str = Field(description="The pass as a .pkpass file.")


class FailedRow(BaseModel):
    """One of many passes that could not be issued."""

    error: Problem


class IssuedPasses(BaseModel):
    """What became of each row, in the order asked."""

    passes: list[IssuedRow | FailedRow]


class Issued(RootModel[IssuedPass | IssuedPasses]):
    """One pass, or what became of each row."""


class AppleState(BaseModel):
    """A pass in Apple Wallet, and in what else reads its files."""

    model_config = ConfigDict(title="ApplePassState")

    devices: int = Field(description="On how many devices it is now.")


class WalletStates(BaseModel):
    """A pass in each wallet."""

    apple: AppleState
    google: GooglePassView | None = Field(description="Null: not known at this moment.")


class PassInWallets(PassState):
    """A pass as it is now, and how it stands in each wallet."""

    wallets: WalletStates


class PassChange(BaseModel):
    """What became of what happened to a pass."""

    handle: str
    version: int
    sequence: int = Field(description="The number of this event in the pass's log.")
    updated: bool = Field(description="Whether a value other than the scan texts changed.")
    scan_text: str | None
    scan_color: str | None
    description: str | None
    information_url: str | None
    information_label: str | None
    display_url: str | None
    voided: bool = Field(default=False, description="Whether the pass is void.")
    expired: bool = Field(
        default=False,
        description="Whether its date has passed: at a scan or check before its rules ran, else "
        "after what happened.",
    )
    refused: Refusal | None = Field(
        None,
        description="Why a scan or check was refused: its rules did not run, it does not count as "
        "one, and `scan_text` and `scan_color` say so. `scan_when_void` of the template lets it "
        "happen.",
    )


class Statistics(BaseModel):
    """How many events of each kind the passes of a template had."""

    totals: dict[str, int] = Field(
        description="Refused scans and checks count as `scan_refused` and `check_refused` only."
    )
    days: dict[str, dict[str, int]] = Field(description="By day (UTC) and kind.")


async def issue_passes(call: Call[PassOrders, None], *, context: Context) -> Reply:
    """Issue one pass, or many."""
    body, account_id = call.body, call.caller.account_id
    claim = await begin(context, call)
    if "google" in body.wallets:
        await google.check(context, account_id, body.template_id)
    if body.passes is None:
        order = _order(body, call.caller.withheld)
        issued = await passes.issue(context, account_id, body.template_id, order, claim.command_id)
        url = passes.page_url(context, issued.handle)
        [prepared] = await _prepared(call, context, [issued])
        if isinstance(prepared, ApplicationError):
            raise prepared
        return answered(
            claim,
            IssuedPass(
                handle=issued.handle,
                version=issued.version,
                url=url,
                download_url=url + passes.FILE_SUFFIX,
                google=prepared,
            ),
            headers={"Location": f"/v1/passes/{issued.handle}"},
        )
    outcomes = await passes.issue_many(
        context,
        account_id,
        body.template_id,
        [_order(row, call.caller.withheld) for row in body.passes],
        claim.command_id,
    )
    prepared = await _prepared(call, context, outcomes)
    rows = [_row(context, *pair) for pair in zip(outcomes, prepared, strict=True)]
    return answered(claim, IssuedPasses.model_construct(passes=rows))


async def _prepared(
    call: Call[PassOrders, None],
    context: Context,
    outcomes: Sequence[PassCreated | ApplicationError],
) -> Sequence[PreparedView | ApplicationError | None]:
    """Want issued passes at Google, if that was asked for; many of them without haste."""
    if "google" not in call.body.wallets:
        return [None] * len(outcomes)
    in_bulk = call.body.passes is not None

    async def prepare(outcome: PassCreated | ApplicationError) -> PreparedView | ApplicationError:
        if isinstance(outcome, ApplicationError):
            return outcome
        try:
            kept = await google.keep(
                context, call.caller.account_id, call.body.template_id, outcome, in_bulk=in_bulk
            )
        except ApplicationError as error:
            return error
        return PreparedView.model_validate(kept)

    return await asyncio.gather(*map(prepare, outcomes))


def _row(
    context: Context,
    outcome: PassCreated | ApplicationError,
    prepared: PreparedView | ApplicationError | None,
) -> IssuedRow | FailedRow:
    """Show a row; one that could not be prepared has failed, and can be sent again with its key."""
    if isinstance(outcome, ApplicationError):
        return FailedRow(error=Problem.model_validate(problem(outcome)))
    if isinstance(prepared, ApplicationError):
        return FailedRow(error=Problem.model_validate(problem(prepared)))
    url = passes.page_url(context, outcome.handle)
    return IssuedRow(handle=outcome.handle, version=outcome.version, url=url, google=prepared)


def _order(row: PassOrder | PassOrders, withheld: Sequence[Withheld]) -> Order:
    return Order(
        row.values or {},
        row.member_id,
        withheld=withheld,
        style_id=row.style_id,
        style_group_id=row.style_group_id,
    )


async def read_pass(call: Call[None, None], *, context: Context) -> PassInWallets:
    """Read one pass, and how it stands in each wallet."""
    account_id, handle = call.caller.account_id, call.path["handle"]
    found, at_google = await asyncio.gather(
        passes.read(context, account_id, handle), google.state(context, account_id, handle)
    )
    (shown,) = await context.showcase.up_to_date([found])
    wallets = WalletStates(
        apple=AppleState(devices=found.devices - found.google_devices),
        google=None if at_google is None else GooglePassView.model_validate(at_google),
    )
    return PassInWallets(**dict(show_state(context, shown)), wallets=wallets)


async def update_pass(call: Call[ChangedPass, None], *, context: Context) -> Reply:
    """Change values of a pass or its style, and push it."""
    return await _change(call, context, "update", call.body.values, call.body.styles)


async def edit_pass(call: Call[ChangedValues, None], *, context: Context) -> Reply:
    """Log an edit by the holder or the staff, with its rules."""
    return await _change(call, context, "edit", call.body.values)


async def register_pass(call: Call[ChangedValues, None], *, context: Context) -> Reply:
    """Log the holder's registration, with its rules."""
    return await _change(call, context, "register", call.body.values)


async def scan_pass(call: Call[None, None], *, context: Context) -> Reply:
    """Scan a pass."""
    return await _change(call, context, "scan")


async def check_pass(call: Call[None, None], *, context: Context) -> Reply:
    """Look at a pass as a scan would, with the rules of a check."""
    return await _change(call, context, "check")


async def void_pass(call: Call[None, None], *, context: Context) -> Reply:
    """Void a pass."""
    return await _change(call, context, "void")


async def unvoid_pass(call: Call[None, None], *, context: Context) -> Reply:
    """Make a voided pass valid again."""
    return await _change(call, context, "unvoid")


async def delete_pass(call: Call[None, None], *, context: Context) -> Reply:
    """Delete a pass; its timeline stays."""
    claim = await begin(context, call)
    handle = call.path["handle"]
    account_id = call.caller.account_id
    await passes.change(context, account_id, handle, "delete", command_id=claim.command_id)
    return answered(claim, None)


async def read_statistics(call: Call[None, None], *, context: Context) -> Statistics:
    """Count what happened to the passes of a template."""
    account_id, template_id = call.caller.account_id, id_in_path(call, "template_id")
    if template_id not in await context.templates.current(account_id, [template_id]):
        raise NotFoundError
    question = ReadCounts(account_id=account_id, template_id=template_id)
    counts = await context.requester.ask(question, Counts)
    return Statistics(totals=counts.totals, days=counts.days)


async def _change(
    call: Call[Any, Any],
    context: Context,
    kind: Change,
    values: JsonObject | None = None,
    styles: Mapping[StyleKey, UUID | None] = passes.NO_STYLES,
) -> Reply:
    claim = await begin(context, call)
    account_id, handle = call.caller.account_id, call.path["handle"]
    changed = await passes.change(
        context,
        account_id,
        handle,
        kind,
        command_id=claim.command_id,
        values=values,
        withheld=call.caller.withheld,
        styles=styles,
    )
    return answered(claim, _changed(changed))


def _changed(changed: PassChanged) -> PassChange:
    return PassChange(**dict(changed))


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of this module."""
    one, read, write = "/v1/passes/{handle}", "passes:read", "passes:write"

    def change(
        action: str,
        handler: Callable[..., Awaitable[Reply]],
        summary: str,
        *,
        scope: str = write,
        body: type[ChangedValues] | None = None,
    ) -> AnyEndpoint:
        return Endpoint(
            "POST", f"{one}/{action}", partial(handler, context=context), summary=summary, tag=TAG,
            scope=scope, body=body, returns=PassChange, errors=(NotFoundError, GoneError),
        )  # fmt: skip

    return [
        Endpoint(
            "POST",
            "/v1/passes",
            partial(issue_passes, context=context),
            summary="Issue one pass, or up to 500 of one template",
            tag=TAG,
            scope=write,
            body=PassOrders,
            returns=Issued,
            status=201,
            body_limit=MAX_BODY_BYTES,
            errors=(GoogleNotConfiguredError,),
            description="With `passes` the answer is 201 also when some rows fail: each row has "
            "its pass or its error, in the order asked. Sent again with the same Idempotency-Key, "
            "no pass is issued twice. A row that was issued and could not be prepared at Google "
            "has failed: sent again, it is prepared.",
        ),
        *pass_lists.endpoints(context),
        Endpoint(
            "GET",
            one,
            partial(read_pass, context=context),
            summary="Read a pass",
            tag=TAG,
            scope=read,
            returns=PassInWallets,
            errors=(NotFoundError, GoneError),
        ),
        Endpoint(
            "PATCH",
            one,
            partial(update_pass, context=context),
            summary="Change values of a pass, or its style",
            tag=TAG,
            scope=write,
            body=ChangedPass,
            returns=PassChange,
            errors=(NotFoundError, GoneError),
            description="The pass is pushed to its devices. Takes an Idempotency-Key, as POST.",
        ),
        Endpoint(
            "DELETE",
            one,
            partial(delete_pass, context=context),
            summary="Delete a pass",
            tag=TAG,
            scope=write,
            status=204,
            errors=(NotFoundError, GoneError),
        ),
        change("scan", scan_pass, "Scan a pass", scope="scans:write"),
        change("check", check_pass, "Check a pass", scope="scans:write"),
        change("edit", edit_pass, "Edit a pass's values, with its rules", body=ChangedValues),
        change("register", register_pass, "Register a pass's holder", body=ChangedValues),
        change("void", void_pass, "Void a pass"),
        change("unvoid", unvoid_pass, "Make a voided pass valid again"),
        *timeline.endpoints(context),
        Endpoint(
            "GET",
            "/v1/templates/{template_id}/statistics",
            partial(read_statistics, context=context),
            summary="Count what happened to the passes of a template",
            tag="Templates",
            scope="templates:read",
            returns=Statistics,
            errors=(NotFoundError,),
        ),
    ]
