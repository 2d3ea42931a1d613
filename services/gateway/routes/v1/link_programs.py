"""Link programs under /v1, with their keys."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
)

from services.gateway.catalogue.links import (
    LinkKeyEndedError,
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
    LinkKey,
    LinkKeyKind,
    LinkProgram,
)
from services.gateway.routes.once import REPEAT_ERRORS, answer_once
from services.gateway.routes.v1.paging import page_of, uuid_position
from services.gateway.routes.v1.reading import check_template, id_in_path
from services.gateway.usecases.links import link_base
from services.gateway.usecases.passes import UnknownTemplateError
from shared import clock
from shared.contracts.message import JsonObject
from shared.database import UnitOfWork
from shared.errors import NotFoundError
from shared.http.endpoint import AnyEndpoint, Call, Endpoint, Reply
from shared.http.pagination import (
    InvalidCursorError,
    Page,
    PageQuery,
)
from shared.http.parsing import WHOLE
from shared.identifiers import new_id
from shared.passes.links.passkit import PASSKIT_KEY
from shared.sealing import write_base64url

TAG: Final = "Links"
ROOT: Final = "/v1/link-programs"

Region = Annotated[str, Field(min_length=2, max_length=2, examples=["DE"])]
Days = Annotated[int, Field(ge=1, le=MAX_VALID_DAYS), WHOLE]
Grace = Annotated[int, Field(ge=0, le=MAX_VALID_DAYS * 86_400), WHOLE]


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
    return _view(context, *await find_program(call, context))


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
    program, keys = await find_program(call, context)
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


async def add_legacy_key(call: Call[LegacyKey, None], *, context: Context) -> Reply:
    """Let links work that another system has sealed."""
    account_id, program_id = call.caller.account_id, id_in_path(call, "program_id")

    async def add(work: UnitOfWork) -> Reply:
        key = bytes.fromhex(call.body.key)
        added = await context.links.add_legacy(work, account_id, program_id, key)
        return Reply(LinkKeyView.model_validate(added), 201)

    return await answer_once(context, call, add)


async def find_program(call: Call[Any, Any], context: Context) -> tuple[LinkProgram, list[LinkKey]]:
    """Read the program that the path names, with its keys."""
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
