"""Links of link programs under /v1: made, revoked, counted."""

import asyncio
from functools import partial
from typing import Annotated, Final, Self
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    model_validator,
)

from services.gateway.catalogue.links import (
    LinkKeyEndedError,
    LinkKeyNotFoundError,
    ProgramNotFoundError,
)
from services.gateway.context import Context
from services.gateway.domain.links import (
    LinkInvalidError,
    LinkOrder,
)
from services.gateway.routes.once import REPEAT_ERRORS, answer_once
from services.gateway.routes.v1.link_programs import ROOT, TAG, find_program
from services.gateway.routes.v1.member_lists import MAX_TEXT
from services.gateway.routes.v1.reading import POSITION, id_in_path
from services.gateway.usecases.links import MadeLink, make_links
from services.gateway.usecases.passes import UnknownTemplateError, pointed
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
from shared.passes.links.tokens import MAX_CHANNEL_CHARACTERS, MAX_USES

MAX_ROWS: Final = 500
MAX_BODY_BYTES: Final = 4 * MEBIBYTE

Uses = Annotated[int, Field(ge=1, le=MAX_USES), WHOLE]
ChannelText = Annotated[str, Field(max_length=MAX_CHANNEL_CHARACTERS)]
MemberText = Annotated[str, Field(max_length=MAX_TEXT)]
Campaign = Annotated[str, Field(min_length=1, max_length=MAX_CHANNEL_CHARACTERS)]


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
        return LinkOrder(
            member,
            self.values,
            channel,
            self.expires_at,
            self.not_before,
            self.max_uses,
            self.campaign,
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
            "anyOf": [
                {
                    "required": ["links"],
                    "properties": {"links": {"type": "array", "items": {}}},
                    "maxProperties": 1,
                },
                {"properties": {"links": {"type": "null"}}},
            ],
        },
    )

    links: Annotated[list[NewLink], Field(min_length=1, max_length=MAX_ROWS)] | None = Field(
        None, description="Each says all of itself; beside them nothing is said."
    )

    @model_validator(mode="after")
    def _says_each_once(self) -> Self:
        others = sorted(self.model_fields_set - {"links"})
        if self.links is not None and others:
            raise ValueError(f"With links, each says its own {' and '.join(others)}")
        return self


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


async def create_links(call: Call[NewLinks, None], *, context: Context) -> Reply:
    """Make one link, or many."""
    program, keys = await find_program(call, context)
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


async def count_program(call: Call[None, PageQuery], *, context: Context) -> Page[CampaignView]:
    """Count clicks here and passes at their owner, both in one order."""
    program, _ = await find_program(call, context)
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
    ]
