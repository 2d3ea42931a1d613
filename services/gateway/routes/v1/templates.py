"""Templates over HTTP."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

from aiohttp import hdrs
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from services.gateway.catalogue.identities import UnknownIdentityError
from services.gateway.catalogue.previews import SAMPLE_MEMBER, Preview, Sample
from services.gateway.catalogue.templates import (
    IdentityFixedError,
    RevisionConflictError,
    RevisionNotFoundError,
    TemplateInvalidError,
    TemplateNotFoundError,
)
from services.gateway.context import Context
from services.gateway.domain import Template
from services.gateway.routes.once import REPEAT_ERRORS, answer_once
from services.gateway.routes.v1.paging import (
    number_position,
    page_of,
    uuid_position,
)
from shared.database import UnitOfWork
from shared.http.endpoint import AnyEndpoint, Call, Endpoint, Reply
from shared.http.pagination import InvalidCursorError, Page, PageQuery
from shared.http.parsing import WHOLE, uuid_in_path
from shared.passes.language.actions import MAX_POINTS
from shared.passes.language.paths import Leaf
from shared.passes.schema.findings import Finding, Findings, Wallet
from shared.passes.schema.registry import enumeration
from shared.passes.schema.values import MISSING
from shared.passes.template.document import (
    GooglePart,
    PassPart,
    PropertiesPart,
    TemplateDocument,
    TriggersPart,
)

TAG = "Templates"
MAX_REVISION = 2**31 - 1


EXAMPLE: JsonDict = {
    "name": "Coffee card",
    "pass": {
        "description": "Coffee card",
        "storeCard": {
            "headerFields": [{"key": "points", "label": "Points", "value": 0}],
            "backFields": [{"key": "news", "label": "News", "value": "", "changeMessage": "%@"}],
        },
    },
    "properties": {"psExportPaths": "hashedSerialNumber, structure_headerFields_points_value"},
    "localizations": {"de": {"Points": "Punkte"}},
    "barcode_policy": "handle",
}


class DraftTemplate(TemplateDocument):
    """A template to be checked; it may be as incomplete as one likes."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    name: str = Field("", max_length=200)
    identity_id: UUID | None = Field(
        None, description="The identity that signs its passes; the newest real one if left out."
    )

    @property
    def document(self) -> TemplateDocument:
        """What of it is the template itself."""
        return TemplateDocument.model_validate({name: getattr(self, name) for name in DOCUMENT})


class SampleMember(BaseModel):
    """What a sample pass knows of its member."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(None, max_length=200)
    email: str | None = Field(None, max_length=320)
    points: Annotated[int, Field(ge=-MAX_POINTS, le=MAX_POINTS)] | None = None
    tier: str | None = Field(None, max_length=200)
    external_id: str | None = Field(None, max_length=200)


class SamplePass(BaseModel):
    """A pass that a template is tried on."""

    model_config = ConfigDict(extra="forbid")

    values: dict[str, Any] = Field(
        default_factory=dict[str, Any], description="Its own values, by path."
    )
    member: SampleMember | None = Field(
        default_factory=lambda: SampleMember.model_validate(SAMPLE_MEMBER),
        description="Its member; null: it has none. Left out, it is somebody made up.",
    )


class CheckedTemplate(DraftTemplate):
    """A template to be checked, and what it is to be tried on."""

    sample: SamplePass = Field(default_factory=SamplePass)


class NewTemplate(DraftTemplate):
    """A template to be saved."""

    name: str = Field(min_length=1, max_length=200, examples=["Coffee card"])


class ChangedTemplate(NewTemplate):
    """A template as it is to be from now on."""

    revision: Annotated[int, Field(ge=1, le=MAX_REVISION), WHOLE] | None = Field(
        None,
        description="The revision this one is based on; refused if there is a newer one.",
    )


DOCUMENT = tuple(TemplateDocument.model_fields)


class FindingView(BaseModel):
    """One place in a template that is wrong or odd."""

    model_config = ConfigDict(from_attributes=True, title="Finding")

    severity: Literal["error", "warning"]
    code: str
    path: str = Field(description="A JSON path.", examples=["$.pass.storeCard.headerFields[0]"])
    detail: str
    wallet: Wallet | None = Field(
        None, description="The wallet that minds; null: whichever the pass is for."
    )


class TemplateHead(BaseModel):
    """A template without its document."""

    model_config = ConfigDict(from_attributes=True)

    template_id: UUID
    model_id: int = Field(description="The number by which the Pass2U API knows it.")
    name: str
    revision: int = Field(description="Rises by one with each change.")
    identity_id: UUID
    created_at: datetime
    updated_at: datetime


class SavedTemplate(TemplateHead):
    """A template that was saved, and what is odd about it."""

    warnings: list[FindingView]


class TemplateView(TemplateHead):
    """A template with its whole document."""

    model_config = ConfigDict(title="Template")

    pass_: PassPart = Field(alias="pass")
    properties: PropertiesPart
    triggers: TriggersPart
    images: dict[str, str]
    localizations: dict[str, dict[str, str]] = Field(default_factory=dict)
    google: GooglePart = Field(default_factory=dict)
    barcode_policy: str
    scan_when_void: bool = False
    void_when_expired: bool = False
    style_id: UUID | None = None
    style_group_id: UUID | None = None


class RevisionView(BaseModel):
    """One save of a template."""

    model_config = ConfigDict(from_attributes=True, title="Revision")

    revision: int
    name: str
    created_at: datetime


class PathView(BaseModel):
    """One value that a pass of the template may have of its own."""

    model_config = ConfigDict(title="Path")

    path: str = Field(
        description="The name by which `values` of a pass, rules and texts mean it.",
        examples=["structure_headerFields_points_value"],
    )
    kind: str = Field(
        description="What it takes: `string`, `integer`, `number`, `boolean`, `date`, `colour`, "
        "`value` (a text or a number), `image`, `any`, an enumeration, an object or a list.",
        examples=["value"],
    )
    words: list[str] = Field(description="The words that an enumeration takes.", examples=[[]])
    given: bool = Field(description="Whether the template itself has something there.")
    editable: bool = Field(description="Whether users may change it.")
    read_only: bool = Field(description="Whether nobody sets it: it follows from elsewhere.")
    default: Any = Field(
        description="What a pass has there without a value of its own; null is nothing.",
        examples=[0],
    )
    label: str = Field(description="What people read of it; else the path.", examples=["Points"])
    place: str | None = Field(
        description="Where the template has it, or would: a JSON path. Facts of members and the "
        "serial number have no place.",
        examples=["$.pass.storeCard.headerFields[0].value"],
    )


class AppleDocuments(BaseModel):
    """What Apple Wallet would be given of the sample."""

    pass_: dict[str, Any] = Field(alias="pass", description="Its pass.json, without a token.")


class GoogleDocuments(BaseModel):
    """What Google Wallet would be given of the sample; the ids are made up."""

    class_: dict[str, Any] | None = Field(
        alias="class", description="null: the template names a class that is there already."
    )
    object_: dict[str, Any] = Field(alias="object")


class Check(BaseModel):
    """All that was found in a template; without errors it can be saved.

    A sample pass is composed for both wallets also with errors: what is wrong is left out.
    """

    findings: list[FindingView]
    apple: AppleDocuments
    google: GoogleDocuments


async def create_template(call: Call[NewTemplate, None], *, context: Context) -> Reply:
    account_id, body = call.caller.account_id, call.body
    draft = await context.templates.prepare(
        account_id, body.name, body.document, body.identity_id, withheld=call.caller.withheld
    )

    async def add(work: UnitOfWork) -> Reply:
        saved = await context.templates.add(work, account_id, draft)
        location = {hdrs.LOCATION: f"/v1/templates/{saved.template_id}"}
        return Reply(_saved(saved, draft.warnings), 201, {**location, **_tag(saved)})

    return await answer_once(context, call, add)


async def check_template(call: Call[CheckedTemplate, None], *, context: Context) -> Check:
    body, member = call.body, call.body.sample.member
    sample = Sample(body.sample.values, None if member is None else member.model_dump())
    findings, shown = await context.templates.try_out(
        call.caller.account_id, body.name, body.document, body.identity_id, sample
    )
    return Check.model_validate(show_check(findings, shown))


def show_check(findings: Findings, shown: Preview) -> dict[str, Any]:
    """Tell what a Check has."""
    return {
        "findings": [FindingView.model_validate(finding) for finding in findings],
        "apple": {"pass": shown.pass_json},
        "google": {"class": shown.google_class, "object": shown.google_object},
    }


async def list_templates(call: Call[None, PageQuery], *, context: Context) -> Page[TemplateHead]:
    rows = await context.templates.list(
        call.caller.account_id, uuid_position(call.query), call.query.limit + 1
    )
    return page_of(rows, call.query, TemplateHead.model_validate, lambda row: row.template_id)


async def show_template(call: Call[None, None], *, context: Context) -> Reply:
    template = await context.templates.get(call.caller.account_id, _template_id(call))
    return Reply(_view(template), headers=_tag(template))


async def change_template(call: Call[ChangedTemplate, None], *, context: Context) -> Reply:
    account_id, body, template_id = call.caller.account_id, call.body, _template_id(call)
    expected = body.revision
    if hdrs.IF_MATCH in call.request.headers:
        expected = _expected(call.request.headers[hdrs.IF_MATCH])
        if body.revision not in {None, expected}:
            raise RevisionConflictError("If-Match and `revision` differ.")
    draft = await context.templates.prepare(
        account_id,
        body.name,
        body.document,
        body.identity_id,
        withheld=call.caller.withheld,
        present=await context.templates.get(account_id, template_id),
    )
    saved = await context.templates.replace(account_id, template_id, draft, expected)
    return Reply(_saved(saved, draft.warnings), headers=_tag(saved))


async def delete_template(call: Call[None, None], *, context: Context) -> None:
    await context.templates.delete(call.caller.account_id, _template_id(call))


async def list_revisions(call: Call[None, PageQuery], *, context: Context) -> Page[RevisionView]:
    rows = await context.templates.list_revisions(
        call.caller.account_id,
        _template_id(call),
        number_position(call.query),
        call.query.limit + 1,
    )
    return page_of(rows, call.query, RevisionView.model_validate, lambda row: row.revision)


async def show_revision(call: Call[None, None], *, context: Context) -> TemplateView:
    number = int(call.path["revision"])
    if number > MAX_REVISION:
        raise RevisionNotFoundError
    template = await context.templates.get_revision(
        call.caller.account_id, _template_id(call), number
    )
    return _view(template)


async def list_paths(call: Call[None, PageQuery], *, context: Context) -> Page[PathView]:
    # By position: a path may be longer than a cursor.
    leaves = await context.templates.list_paths(call.caller.account_id, _template_id(call))
    start = number_position(call.query) or 0
    rows = list(enumerate(leaves, 1))[start : start + call.query.limit + 1]
    return page_of(rows, call.query, lambda row: _path_view(row[1]), lambda row: row[0])


def _path_view(leaf: Leaf) -> PathView:
    kind = leaf.rule.type
    return PathView(
        path=leaf.path,
        kind="image" if leaf.source == "image" else kind.text,
        words=sorted(enumeration(kind.name)) if kind.kind == "enumeration" else [],
        given=leaf.default is not MISSING,
        editable=leaf.editable,
        read_only=leaf.is_read_only,
        default=None if leaf.default is MISSING else leaf.default,
        label=leaf.label,
        place=leaf.json_path,
    )


def _template_id(call: Call[Any, Any]) -> UUID:
    template_id = uuid_in_path(call.path["template_id"])
    if template_id is None:
        raise TemplateNotFoundError
    return template_id


def _saved(template: Template, warnings: list[Finding]) -> SavedTemplate:
    head = TemplateHead.model_validate(template)
    return SavedTemplate(
        **head.model_dump(), warnings=[FindingView.model_validate(each) for each in warnings]
    )


def _view(template: Template) -> TemplateView:
    head = TemplateHead.model_validate(template)
    return TemplateView(**head.model_dump(), **template.document)


def _tag(template: Template) -> dict[str, str]:
    return {hdrs.ETAG: f'"{template.revision}"'}


def _expected(if_match: str) -> int | None:
    """Read the revision that If-Match names; `*` is any."""
    text = if_match.strip()
    if text == "*":
        return None
    number = text.removeprefix('"').removesuffix('"')
    if not (number.isascii() and number.isdigit() and len(number) < len(str(MAX_REVISION))):
        raise RevisionConflictError("If-Match takes the ETag of the template: its revision.")
    return int(number)


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the addresses of templates."""
    # Not the address of the check, which has methods of its own.
    one, read, write = (
        r"/v1/templates/{template_id:(?!check$)[^/]+}", "templates:read", "templates:write",
    )  # fmt: skip
    return [
        Endpoint(
            "POST",
            "/v1/templates",
            partial(create_template, context=context),
            summary="Create a template",
            tag=TAG,
            scope=write,
            body=NewTemplate,
            returns=SavedTemplate,
            status=201,
            errors=(*REPEAT_ERRORS, TemplateInvalidError, UnknownIdentityError),
        ),
        Endpoint(
            "POST",
            "/v1/templates/check",
            partial(check_template, context=context),
            summary="Check a template without saving it",
            tag=TAG,
            scope=read,
            body=CheckedTemplate,
            returns=Check,
            errors=(UnknownIdentityError,),
            description="What was found, and what both wallets would be given of a sample pass.",
        ),
        Endpoint(
            "GET",
            "/v1/templates",
            partial(list_templates, context=context),
            summary="List the templates, newest first",
            tag=TAG,
            scope=read,
            query=PageQuery,
            returns=Page[TemplateHead],
            errors=(InvalidCursorError,),
        ),
        Endpoint(
            "GET",
            one,
            partial(show_template, context=context),
            summary="Show a template with its whole document",
            tag=TAG,
            scope=read,
            returns=TemplateView,
            errors=(TemplateNotFoundError,),
        ),
        Endpoint(
            "PUT",
            one,
            partial(change_template, context=context),
            summary="Change a template",
            tag=TAG,
            scope=write,
            body=ChangedTemplate,
            returns=SavedTemplate,
            errors=(
                IdentityFixedError,
                RevisionConflictError,
                TemplateInvalidError,
                TemplateNotFoundError,
                UnknownIdentityError,
            ),
            description="Each change is a revision; the same content again is none. With If-Match "
            "(or `revision`) it is refused if somebody else changed the template meanwhile.",
        ),
        Endpoint(
            "DELETE",
            one,
            partial(delete_template, context=context),
            summary="Delete a template with its passes",
            tag=TAG,
            scope=write,
            status=204,
            errors=(TemplateNotFoundError,),
        ),
        Endpoint(
            "GET",
            one + "/revisions",
            partial(list_revisions, context=context),
            summary="List the revisions of a template, newest first",
            tag=TAG,
            scope=read,
            query=PageQuery,
            returns=Page[RevisionView],
            errors=(InvalidCursorError, TemplateNotFoundError),
        ),
        Endpoint(
            "GET",
            one + "/paths",
            partial(list_paths, context=context),
            summary="List the paths of a template that a pass may set",
            tag=TAG,
            scope=read,
            query=PageQuery,
            returns=Page[PathView],
            errors=(InvalidCursorError, TemplateNotFoundError),
            description="Those that the template gives something come first, in its order, then "
            "all others by name. They are those of the newest revision.",
        ),
        Endpoint(
            "GET",
            one + "/revisions/{revision:[0-9]{1,18}}",
            partial(show_revision, context=context),
            summary="Show a template as it was",
            tag=TAG,
            scope=read,
            returns=TemplateView,
            errors=(RevisionNotFoundError, TemplateNotFoundError),
        ),
    ]
