"""Members under /v1 as lists: page by page as JSON, or all of a filter in one CSV file."""

import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final, Literal, cast, get_args
from uuid import UUID

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

from services.gateway.context import Context
from services.gateway.routes.files import CSV_MEDIA, CSV_PROMISES, send_csv
from services.gateway.usecases import exports
from shared.contracts.member import (
    MAX_POINTS,
    MEMBER_FILTERS,
    ListMembers,
    Member,
    MemberPage,
    MemberSort,
    SortKey,
    TextForm,
)
from shared.http.endpoint import AnyEndpoint, Call, Endpoint, Reply
from shared.http.pagination import (
    InvalidCursorError,
    Page,
    PageQuery,
    decode_cursor,
    encode_cursor,
)

TAG: Final = "Members"
MAX_TEXT: Final = 1000
ID: Final = "member_id"

Order = Literal[
    "member_id", "-member_id", "name", "-name", "points", "-points", "created_at", "-created_at"
]
Column = Literal[
    "member_id", "version", "name", "email", "phone", "external_id", "tier", "points",
    "style_id", "style_group_id", "created_at", "updated_at",
]  # fmt: skip
COLUMNS: Final[tuple[Column, ...]] = get_args(Column)

_KEY_KINDS: Final[Mapping[MemberSort, type]] = {
    "member_id": type(None),
    "name": str,
    "points": int,
    "created_at": str,
}
"""What a cursor holds besides the id, by what the list is sorted by."""

_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9:]{5})"
)


def schema_of(form: TextForm) -> JsonDict:
    return {"pattern": f"^{form.pattern}$", "maxLength": form.max_length}


def described(form: TextForm) -> FieldInfo:
    """Describe a text; the member service refuses in words what does not fit."""
    return Field(max_length=MAX_TEXT, json_schema_extra=schema_of(form))


def _read_moment(value: object) -> object:
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise ValueError("Must be a moment with its zone, with + written as %2B")
    return value


NameFilter = Annotated[str, described(MEMBER_FILTERS["name"])]
EmailFilter = Annotated[str, described(MEMBER_FILTERS["email"])]
PhoneFilter = Annotated[str, described(MEMBER_FILTERS["phone"])]
ExternalIdFilter = Annotated[str, described(MEMBER_FILTERS["external_id"])]
TierFilter = Annotated[str, described(MEMBER_FILTERS["tier"])]
Moment = Annotated[AwareDatetime, BeforeValidator(_read_moment)]
Points = Annotated[int, Field(ge=-MAX_POINTS, le=MAX_POINTS)]


class MemberState(BaseModel):
    """A member as it is now."""

    member_id: str
    version: int = Field(description="Rises with every change.")
    name: str | None
    email: str | None
    phone: str | None
    external_id: str | None
    tier: str | None
    points: int
    style_id: UUID | None = Field(description="What its passes look like.")
    style_group_id: UUID | None = Field(description="The same by points.")
    created_at: datetime
    updated_at: datetime


class ListedMember(MemberState):
    """A member in a list: the columns asked for."""

    model_config = ConfigDict(json_schema_extra={"required": [ID]})


class MemberFilters(BaseModel):
    """Which members, those that all of the filters let through, and what of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: NameFilter | None = Field(
        None, description="How the name, or the last word of it, begins, in capitals or not."
    )
    email: EmailFilter | None = Field(
        None, description="How the e-mail address begins, in capitals or not."
    )
    phone: PhoneFilter | None = Field(
        None,
        description="How the phone number begins. Only digits are compared; one is needed.",
    )
    external_id: ExternalIdFilter | None = Field(None, description="The whole external id.")
    tier: TierFilter | None = Field(None, description="The whole tier.")
    points_min: Points | None = None
    points_max: Points | None = Field(None, description="Not less than `points_min`.")
    created_from: Moment | None = None
    created_before: Moment | None = Field(None, description="Later than `created_from`.")
    template_id: UUID | None = Field(
        None,
        description="Members who came to a pass of this template by a link or a batch. Who was "
        "named when a pass was issued by a call is found by `GET /v1/passes`.",
    )
    columns: list[Column] = Field(
        [],
        max_length=len(COLUMNS),
        description=f"What to tell of each, besides `{ID}`; without it, everything.",
    )

    @property
    def shown(self) -> list[Column]:
        """The columns in the order in which they were asked for, the id first."""
        return list(dict.fromkeys((ID, *self.columns))) if self.columns else list(COLUMNS)

    def question(self, account_id: UUID) -> ListMembers:
        """Ask for the beginning of the list."""
        return ListMembers(
            account_id=account_id,
            name_begins=self.name,
            email_begins=self.email,
            phone_begins=self.phone,
            external_id=self.external_id,
            tier=self.tier,
            points_min=self.points_min,
            points_max=self.points_max,
            created_from=self.created_from,
            created_before=self.created_before,
            template_id=self.template_id,
        )


class MembersQuery(MemberFilters, PageQuery):
    """Which members to list, and in which order."""

    sort: Order = Field(
        ID,
        description="What they are sorted by; with `-` the largest come first. Names are compared "
        "without capitals by their first 64 characters; who has none comes before all others. "
        "Members that are alike follow each other by id.",
    )


class MembersPage(Page[ListedMember]):
    """Members in the order asked for."""


async def list_members(call: Call[None, MembersQuery], *, context: Context) -> Reply:
    """List the account's members."""
    query = call.query
    after, key = _position(query)
    question = query.question(call.caller.account_id).model_copy(
        update={
            "after": after,
            "after_key": key,
            "sort": query.sort.removeprefix("-"),
            "descending": query.sort.startswith("-"),
            "limit": query.limit,
        }
    )
    page = await context.requester.ask(question, MemberPage)
    cursor = _cursor(query, page) if page.more else None
    listed = [ListedMember(**shown(member)) for member in page.members]
    answer = MembersPage(data=listed, next_cursor=cursor)
    told: Any = {"data": {"__all__": set(query.shown)}, "next_cursor": True}
    return Reply(answer.model_dump_json(include=told).encode())


async def list_members_as_csv(
    call: Call[None, MemberFilters], *, context: Context
) -> web.StreamResponse:
    """Send all members of a filter, as they are read."""
    names = call.query.shown
    pages = exports.members_in_pages(context, call.query.question(call.caller.account_id))
    # Members have names: without the mark Excel takes their letters for others.
    pieces = exports.csv_pieces(
        names, pages, partial(exports.member_cells, names=names), mark=BOM_UTF8
    )
    return await send_csv(call.request, pieces, "members.csv")


def shown(member: Member) -> dict[str, Any]:
    """Tell all that an account may know of a member."""
    return {name: getattr(member, name) for name in COLUMNS}


def _cursor(query: MembersQuery, page: MemberPage) -> str:
    return encode_cursor(
        {"sort": query.sort, "at": page.members[-1].member_id, "key": page.last_key}
    )


def _position(query: MembersQuery) -> tuple[str | None, SortKey | None]:
    """Read where the page begins, of a cursor for this order."""
    if query.cursor is None:
        return None, None
    place = decode_cursor(query.cursor)
    key = place.get("key")
    kind = _KEY_KINDS[cast("MemberSort", query.sort.removeprefix("-"))]
    if place.get("sort") != query.sort or type(key) is not kind:
        raise InvalidCursorError
    match place.get("at"):
        case str(member_id):
            return member_id, key
        case _:
            raise InvalidCursorError


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of this module."""
    return [
        Endpoint(
            "GET",
            "/v1/members",
            partial(list_members, context=context),
            summary="List members",
            tag=TAG,
            scope="members:read",
            query=MembersQuery,
            returns=MembersPage,
            description="A cursor goes on in the order it was given in. A list that is sorted by "
            "name or points shows a member where it is at that time: one that moves between two "
            "pages may be in both, or in none.",
        ),
        Endpoint(
            "GET",
            "/v1/members.csv",
            partial(list_members_as_csv, context=context),
            summary="Export members as CSV",
            tag=TAG,
            scope="members:read",
            query=MemberFilters,
            raw=True,
            media=CSV_MEDIA,
            description=DESCRIPTION,
        ),
    ]


DESCRIPTION: Final = f"""All members of the filters by `{ID}`, in UTF-8 with a byte order mark, \
comma-separated, every cell in quotes (RFC 4180). Each member that was there at the beginning and \
stays is in the file exactly once, as it is when its row is written.

The first row names the columns: those asked for, or {", ".join(f"`{name}`" for name in COLUMNS)}.

{CSV_PROMISES}"""
