"""Link programs under /v1: their keys, their links, what is revoked and what came of them."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    field_validator,
    model_validator,
)

from services.gateway.catalogue.links import (
    LinkKeyEndedError,
    LinkKeyNotFoundError,
    ProgramNotFoundError,
    TooManyLinkKeysError,
    TooManyProgramsError,
)
from services.gateway.context import Context
from services.gateway.domain.links import (
    MAX_LINK_KEYS,
    MAX_VALID_DAYS,
    REGIONS,
    AutoFill,
    CreateOn,
    LinkInvalidError,
    LinkKey,
    LinkKeyKind,
    LinkOrder,
    LinkProgram,
)
from services.gateway.routes.once import REPEAT_ERRORS, answer_once
from services.gateway.routes.v1.member_lists import MAX_TEXT
from services.gateway.routes.v1.paging import page_of, uuid_position
from services.gateway.routes.v1.reading import POSITION, check_template, id_in_path
from services.gateway.usecases.links import MadeLink, link_base, make_links
from services.gateway.usecases.passes import UnknownTemplateError, pointed
from shared import clock
from shared.contracts.member import MAX_POINTS
from shared.contracts.message import JsonObject
from shared.contracts.triggers import CampaignCount, CampaignCounts, CampaignSource, ReadCampaigns
from shared.database import UnitOfWork
from shared.errors import ApplicationError, NotFoundError
from shared.http.endpoint import MEBIBYTE, AnyEndpoint, Call, Endpoint, Reply
from shared.http.pagination import (
    InvalidCursorError,
    Page,
    PageQuery,
    decode_cursor,
    encode_cursor,
)
from shared.http.parsing import WHOLE
from shared.http.problems import Problem, problem
from shared.identifiers import new_id
from shared.passes.links.passkit import PASSKIT_KEY
from shared.passes.links.tokens import MAX_CHANNEL_CHARACTERS, MAX_USES
from shared.sealing import write_base64url

TAG: Final = "Links"
MAX_ROWS: Final = 500
MAX_BODY_BYTES: Final = 4 * MEBIBYTE
ROOT: Final = "/v1/link-programs"

Region = Annotated[str, Field(min_length=2, max_length=2, examples=["DE"])]
Days = Annotated[int, Field(ge=1, le=MAX_VALID_DAYS), WHOLE]
Grace = Annotated[int, Field(ge=0, le=MAX_VALID_DAYS * 86_400), WHOLE]
Uses = Annotated[int, Field(ge=1, le=MAX_USES), WHOLE]
ChannelText = Annotated[str, Field(max_length=MAX_CHANNEL_CHARACTERS)]

MemberText = Annotated[str, Field(max_length=MAX_TEXT)]
Campaign = Annotated[str, Field(min_length=1, max_length=MAX_CHANNEL_CHARACTERS)]


def _known_region(region: str | None) -> str | None:
    if region is not None and region not in REGIONS:
        raise ValueError("a country of ISO 3166 is needed, such as DE")
    return region


class ChangedProgram(BaseModel):
    """What changes of a link program; it holds for links that were sent already, too."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "Autumn"}]})

    name: Annotated[str, Field(min_length=1, max_length=100)] = ""
    auto_fill_external_id: AutoFill = Field(
        "none",
        description="From what a link without an external id gets one: with one a second click "
        "leads to the same pass, without one to another member and another pass.",
    )
    create_on: CreateOn = Field(
        "visit", description="Whether a click makes the pass, or a button on the page it opens."
    )
    valid_days: Days | None = Field(
        None, description="How long links made from now on work, unless they say so themselves."
    )
    one_time: bool = Field(default=False, description="Whether a link makes only one pass.")
    default_region: Region | None = Field(
        None, description="The country in which phone numbers without one are meant."
    )

    _region = field_validator("default_region")(_known_region)


class NewProgram(ChangedProgram):
    """A link program to be."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "Autumn mailing",
                    "template_id": "0198f3c2-7d4e-7a31-9c55-2f6b8f0e1a77",
                    "auto_fill_external_id": "email",
                }
            ]
        },
    )

    name: str = Field(min_length=1, max_length=100)
    template_id: UUID


class LinkKeyView(BaseModel):
    """A key of a link program, without itself."""

    model_config = ConfigDict(from_attributes=True, title="LinkKey")

    key_id: str = Field(description="It stands in each link that the key sealed.")
    kind: LinkKeyKind = Field(description="`passkit`: it opens links that PassKit made.")
    created_at: datetime
    ends_at: datetime | None = Field(description="From then on its links no longer work.")


class ProgramView(BaseModel):
    """A link program."""

    model_config = ConfigDict(title="LinkProgram")

    program_id: UUID
    template_id: UUID
    name: str
    auto_fill_external_id: AutoFill
    create_on: CreateOn
    valid_days: int | None
    one_time: bool
    default_region: str | None
    key_id: str | None = Field(description="The key that seals new links, unless all have ended.")
    base_url: str = Field(description="What all its links begin with.")
    keys: list[LinkKeyView] = Field(description=f"At most {MAX_LINK_KEYS}, newest first.")
    created_at: datetime
    updated_at: datetime


class LinkKeyRotation(BaseModel):
    """How a program changes its key."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{}]})

    grace: Grace | None = Field(
        None,
        description="How many seconds links of the present keys still work; null: until these "
        "are revoked.",
    )


class LinkKeyFile(BaseModel):
    """All that is needed to make links elsewhere, with `python -m services links`."""

    program_id: UUID
    account_id: UUID
    template_id: UUID
    name: str
    auto_fill_external_id: AutoFill
    create_on: CreateOn
    valid_days: int | None
    one_time: bool
    default_region: str | None
    created_at: datetime
    updated_at: datetime
    base_url: str
    key_id: str
    key: str = Field(
        description="32 bytes in base64url. Whoever has it makes links that may say anything.",
        repr=False,
    )
    template_name: str
    organization_name: str
    template: JsonObject = Field(description="By which values are checked.")


class LinkMember(BaseModel):
    """The member that a link makes, where its external id has none yet."""

    model_config = ConfigDict(extra="forbid")

    name: MemberText | None = None
    email: MemberText | None = None
    phone: MemberText | None = Field(
        default=None, description="With + and the country, or in the program's default region."
    )
    tier: MemberText | None = None
    points: Annotated[int, Field(ge=-MAX_POINTS, le=MAX_POINTS), WHOLE] | None = None


class Utm(BaseModel):
    """The `utm_` words of a link."""

    model_config = ConfigDict(extra="forbid")

    source: ChannelText = ""
    medium: ChannelText = ""
    campaign: ChannelText = ""
    term: ChannelText = ""
    content: ChannelText = ""


class NewLink(BaseModel):
    """A link to be."""

    model_config = ConfigDict(extra="forbid")

    external_id: MemberText | None = Field(
        None, description="Who is meant: all links of one external id lead to one pass."
    )
    member: LinkMember = LinkMember()
    values: JsonObject = Field(
        {},
        description="The pass's own values by path; PassKit's names are understood, too.",
        examples=[{"structure_headerFields_points_value": 5}],
    )
    expires_at: AwareDatetime | None = None
    not_before: AwareDatetime | None = None
    max_uses: Uses | None = Field(None, description="How many passes it makes at most.")
    campaign: ChannelText | None = Field(
        None, description="By which it can be revoked; the same as the campaign in `utm`."
    )
    utm: Utm = Utm()

    @property
    def order(self) -> LinkOrder:
        """As the use case takes it."""
        member = self.member.model_dump(exclude_none=True)
        if self.external_id is not None:
            member["external_id"] = self.external_id
        channel = {name: text for name, text in self.utm.model_dump().items() if text}
        if self.campaign:
            channel["campaign"] = self.campaign
        return LinkOrder(
            member, self.values, channel, self.expires_at, self.not_before, self.max_uses
        )


class NewLinks(NewLink):
    """One link, or in `links` up to 500."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "member": {"name": "Percy PassKit", "email": "percy@example.com"},
                    "values": {"structure_headerFields_points_value": 5},
                    "campaign": "autumn",
                }
            ],
        },
    )

    links: Annotated[list[NewLink], Field(min_length=1, max_length=MAX_ROWS)] | None = None


class LinkRow(BaseModel):
    """A link, ready to be sent; it is stored nowhere."""

    model_config = ConfigDict(title="Link")

    url: str
    link_id: UUID = Field(description="By which it can be revoked.")


class FailedLink(BaseModel):
    """One of many links that could not be made."""

    error: Problem


class LinkRows(BaseModel):
    """What became of each row, in the order asked."""

    model_config = ConfigDict(title="Links")

    links: list[LinkRow | FailedLink]


class MadeLinks(RootModel[LinkRow | LinkRows]):
    """One link, or what became of each row."""


class Revocation(BaseModel):
    """What is to work no longer: one of these."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"campaign": "last autumn"}],
            "minProperties": 1,
            "maxProperties": 1,
        },
    )

    link_id: UUID | None = Field(None, description="One link.")
    campaign: Campaign | None = Field(
        None, description="All links of a campaign that were made until now."
    )
    key_id: Annotated[str, Field(max_length=20)] | None = Field(
        None, description="All links that a key sealed."
    )

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        given = (self.link_id, self.campaign, self.key_id)
        if sum(one is not None for one in given) != 1:
            raise ValueError("One of link_id, campaign and key_id is needed")
        return self


class CampaignView(BaseModel):
    """What came of the links of a campaign and source."""

    model_config = ConfigDict(title="Campaign")

    campaign: str = Field(description="Empty for links of no campaign.")
    source: str = Field(description="The `utm_source`; empty where nothing was said.")
    clicks: int = Field(
        description="Of persons, on links that could be read, also if they work no longer."
    )
    issued: int = Field(description="Passes made.")
    installed: int = Field(description="Passes that got onto a device.")


class LegacyKey(BaseModel):
    """A key by which another system has sealed links."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"kind": "passkit", "key": "0" * 64}]}
    )

    kind: Literal["passkit"]
    key: str = Field(pattern=f"^{PASSKIT_KEY.pattern}$", repr=False, description="64 hex digits.")


async def create_program(call: Call[NewProgram, None], *, context: Context) -> Reply:
    """Make a program with its first key."""
    account_id, body = call.caller.account_id, call.body
    await check_template(context, account_id, body.template_id)
    now = clock.now()
    program = LinkProgram(
        program_id=new_id(),
        account_id=account_id,
        created_at=now,
        updated_at=now,
        **body.model_dump(),
    )

    async def add(work: UnitOfWork) -> Reply:
        key = await context.links.add(work, program)
        location = f"{ROOT}/{program.program_id}"
        return Reply(_view(context, program, [key]), 201, {"Location": location})

    return await answer_once(context, call, add)


async def list_programs(call: Call[None, PageQuery], *, context: Context) -> Page[ProgramView]:
    """List programs, newest first."""
    before, limit = uuid_position(call.query), call.query.limit + 1
    rows = await context.links.list(call.caller.account_id, before, limit)
    return page_of(
        rows, call.query, lambda row: _view(context, *row), lambda row: row[0].program_id
    )


async def read_program(call: Call[None, None], *, context: Context) -> ProgramView:
    """Read a program."""
    return _view(context, *await _found(call, context))


async def change_program(call: Call[ChangedProgram, None], *, context: Context) -> ProgramView:
    """Change a program."""
    changes = call.body.model_dump(exclude_unset=True)
    program_id = id_in_path(call, "program_id")
    changed = await context.links.change(call.caller.account_id, program_id, changes)
    return _view(context, *changed)


async def delete_program(call: Call[None, None], *, context: Context) -> None:
    """Delete a program."""
    await context.links.delete(call.caller.account_id, id_in_path(call, "program_id"))


async def rotate_link_key(call: Call[LinkKeyRotation, None], *, context: Context) -> Reply:
    """Give a program another key."""
    account_id, program_id = call.caller.account_id, id_in_path(call, "program_id")
    seconds = call.body.grace
    grace = None if seconds is None else timedelta(seconds=seconds)

    async def rotate(work: UnitOfWork) -> Reply:
        rotated = await context.links.rotate(work, account_id, program_id, grace)
        return Reply(_view(context, *rotated), 200)

    return await answer_once(context, call, rotate)


async def export_link_key(call: Call[None, None], *, context: Context) -> LinkKeyFile:
    """Hand out the key that seals, with all that checks what is sealed."""
    program, keys = await _found(call, context)
    key_id, key = context.links.sealing_key(keys)
    template = await context.templates.get(program.account_id, program.template_id)
    account = await context.accounts.get(program.account_id, program.account_id)
    return LinkKeyFile(
        **_facts(program),
        account_id=program.account_id,
        base_url=link_base(context, program),
        key_id=key_id,
        key=write_base64url(key),
        template_name=template.name,
        organization_name=account.organization_name,
        template=template.document,
    )


async def create_links(call: Call[NewLinks, None], *, context: Context) -> Reply:
    """Make one link, or many."""
    program, keys = await _found(call, context)
    rows = call.body.links
    orders = [row.order for row in ([call.body] if rows is None else rows)]
    withheld = call.caller.withheld

    async def make(_work: UnitOfWork) -> Reply:
        made = await make_links(context, program, keys, orders, withheld)
        if rows is not None:
            shown = [_row(outcome, f"/links/{n}") for n, outcome in enumerate(made)]
            return Reply(LinkRows(links=shown), 201)
        if isinstance(made[0], ApplicationError):
            raise pointed(made[0])
        return Reply(LinkRow(url=made[0].url, link_id=made[0].link_id), 201)

    return await answer_once(context, call, make)


async def revoke_links(call: Call[Revocation, None], *, context: Context) -> None:
    """End links before their time."""
    account_id, program_id = call.caller.account_id, id_in_path(call, "program_id")
    body = call.body
    async with context.database.work() as work:
        revoke = partial(context.links.revoke, work, account_id, program_id)
        if body.link_id is not None:
            await revoke("link", str(body.link_id))
        elif body.campaign is not None:
            await revoke("campaign", body.campaign)
        else:
            await revoke("key", body.key_id or "")


async def add_legacy_key(call: Call[LegacyKey, None], *, context: Context) -> Reply:
    """Let links work that another system has sealed."""
    account_id, program_id = call.caller.account_id, id_in_path(call, "program_id")

    async def add(work: UnitOfWork) -> Reply:
        key = bytes.fromhex(call.body.key)
        added = await context.links.add_legacy(work, account_id, program_id, key)
        return Reply(LinkKeyView.model_validate(added), 201)

    return await answer_once(context, call, add)


async def count_program(call: Call[None, PageQuery], *, context: Context) -> Page[CampaignView]:
    """Count clicks here and passes at their owner, both in one order."""
    program, _ = await _found(call, context)
    after, limit = _place(call.query), call.query.limit + 1
    question = ReadCampaigns(
        account_id=program.account_id,
        template_id=program.template_id,
        program_id=program.program_id,
        after=CampaignSource(campaign=after[0], source=after[1]) if after else None,
        limit=limit,
    )
    clicks, made = await asyncio.gather(
        context.link_clicks.read(program.program_id, after, limit),
        context.requester.ask(question, CampaignCounts),
    )
    counts = {(one.campaign, one.source): one for one in made.counts}
    places = sorted({*clicks, *counts})
    shown = [
        _campaign(place, clicks.get(place, 0), counts.get(place))
        for place in places[: call.query.limit]
    ]
    more = len(places) > call.query.limit
    cursor = encode_cursor({POSITION: places[call.query.limit - 1]}) if more else None
    return Page[CampaignView](data=shown, next_cursor=cursor)


def _campaign(place: tuple[str, str], clicks: int, made: CampaignCount | None) -> CampaignView:
    issued, installed = (made.issued, made.installed) if made else (0, 0)
    campaign, source = place
    return CampaignView(
        campaign=campaign, source=source, clicks=clicks, issued=issued, installed=installed
    )


def _place(query: PageQuery) -> tuple[str, str] | None:
    """Read after which campaign and source the page begins."""
    if query.cursor is None:
        return None
    match decode_cursor(query.cursor).get(POSITION):
        case [str(campaign), str(source)] if "\0" not in campaign + source:
            return campaign, source
        case _:
            raise InvalidCursorError


async def _found(call: Call[Any, Any], context: Context) -> tuple[LinkProgram, list[LinkKey]]:
    return await context.links.get(call.caller.account_id, id_in_path(call, "program_id"))


def _view(context: Context, program: LinkProgram, keys: Sequence[LinkKey]) -> ProgramView:
    now = clock.now()
    sealing = (key.key_id for key in keys if key.kind == "passwright" and not key.has_ended(now))
    return ProgramView(
        **_facts(program),
        key_id=next(sealing, None),
        base_url=link_base(context, program),
        keys=[LinkKeyView.model_validate(key) for key in keys],
    )


def _facts(program: LinkProgram) -> dict[str, Any]:
    return {name: getattr(program, name) for name in _FACTS}


_FACTS: Final = tuple(
    name for name in ProgramView.model_fields if name in LinkProgram.__dataclass_fields__
)


def _row(outcome: MadeLink | ApplicationError, at: str) -> LinkRow | FailedLink:
    if isinstance(outcome, ApplicationError):
        return FailedLink(error=Problem.model_validate(problem(pointed(outcome, at=at))))
    return LinkRow(url=outcome.url, link_id=outcome.link_id)


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of this module."""
    one, read, write = f"{ROOT}/{{program_id}}", "links:read", "links:write"
    missing = (NotFoundError, ProgramNotFoundError)
    endpoint: partial[AnyEndpoint] = partial(Endpoint, tag=TAG)
    return [
        endpoint(
            "POST",
            ROOT,
            partial(create_program, context=context),
            summary="Create a link program",
            scope=write,
            body=NewProgram,
            returns=ProgramView,
            status=201,
            errors=(*REPEAT_ERRORS, UnknownTemplateError, TooManyProgramsError),
        ),
        endpoint(
            "GET",
            ROOT,
            partial(list_programs, context=context),
            summary="List link programs",
            scope=read,
            query=PageQuery,
            returns=Page[ProgramView],
            errors=(InvalidCursorError,),
        ),
        endpoint(
            "GET",
            one,
            partial(read_program, context=context),
            summary="Read a link program",
            scope=read,
            returns=ProgramView,
            errors=missing,
        ),
        endpoint(
            "PATCH",
            one,
            partial(change_program, context=context),
            summary="Change a link program",
            scope=write,
            body=ChangedProgram,
            returns=ProgramView,
            errors=missing,
        ),
        endpoint(
            "DELETE",
            one,
            partial(delete_program, context=context),
            summary="Delete a link program",
            scope=write,
            status=204,
            errors=missing,
            description="Its keys go with it: none of its links works again. Passes stay.",
        ),
        endpoint(
            "POST",
            f"{one}/rotate",
            partial(rotate_link_key, context=context),
            summary="Give a link program another key",
            scope=write,
            body=LinkKeyRotation,
            returns=ProgramView,
            errors=(*missing, *REPEAT_ERRORS, TooManyLinkKeysError),
            description="New links are sealed by the new key; those of the present ones work on "
            "for `grace` seconds, or until their key is revoked.",
        ),
        endpoint(
            "GET",
            f"{one}/key-file",
            partial(export_link_key, context=context),
            summary="Export the key of a link program",
            scope="*",
            returns=LinkKeyFile,
            errors=(*missing, LinkKeyEndedError),
            description="For `python -m services links`, which makes links without the server. "
            "Such links may show whatever a key with the scope `*` may see.",
        ),
        endpoint(
            "POST",
            f"{one}/links",
            partial(create_links, context=context),
            summary="Make one link, or up to 500",
            scope=write,
            body=NewLinks,
            returns=MadeLinks,
            status=201,
            body_limit=MAX_BODY_BYTES,
            errors=(
                *missing,
                *REPEAT_ERRORS,
                LinkInvalidError,
                UnknownTemplateError,
                LinkKeyEndedError,
            ),
            description="With `links` the answer is 201 also when some rows fail: each row has "
            "its link or its error, in the order asked. Nothing of a link is stored; member and "
            "pass are made at the first click. Placeholders in values show what the API key that "
            "made the link may see.",
        ),
        endpoint(
            "POST",
            f"{one}/revocations",
            partial(revoke_links, context=context),
            summary="Revoke links",
            scope=write,
            body=Revocation,
            status=204,
            errors=(*missing, LinkKeyNotFoundError),
            description="By `link_id`, by `campaign` (of links made until now), or by `key_id`. "
            "Passes that were made stay.",
        ),
        endpoint(
            "GET",
            f"{one}/counts",
            partial(count_program, context=context),
            summary="Count clicks, passes and installs by campaign",
            scope=read,
            query=PageQuery,
            returns=Page[CampaignView],
            errors=(*missing, InvalidCursorError),
            description="A click is counted within a second. By day and by all words of `utm`: "
            "`GET /v1/templates/{template_id}/sources`.",
        ),
        endpoint(
            "POST",
            f"{one}/legacy-keys",
            partial(add_legacy_key, context=context),
            summary="Let links that PassKit made work",
            scope=write,
            body=LegacyKey,
            returns=LinkKeyView,
            status=201,
            errors=(*missing, *REPEAT_ERRORS, TooManyLinkKeysError),
            description="Links `/c/…?data=…&iv=…` that were sealed by this key lead to passes of "
            "the program, once their host and path are replaced by its `base_url`. Such links can "
            "be altered by whoever holds one: revoke the key when they are no longer needed.",
        ),
    ]
