"""Style groups over HTTP, and what a pass looks like by one at any number of points."""

from functools import partial
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.gateway.catalogue.previews import Sample
from services.gateway.catalogue.styles import (
    StyleGroupInUseError,
    StyleGroupInvalidError,
    StyleGroupNotFoundError,
    UnknownStyleError,
)
from services.gateway.catalogue.templates import RevisionConflictError
from services.gateway.context import Context
from services.gateway.domain.styles import Saved
from services.gateway.routes.once import REPEAT_ERRORS, answer_once
from services.gateway.routes.v1.paging import page_of, uuid_position
from services.gateway.routes.v1.reading import check_template
from services.gateway.routes.v1.styles import TAG, Expected, LookHead, head_of
from services.gateway.routes.v1.templates import Check, FindingView, SamplePass, show_check
from services.gateway.usecases.passes import UnknownTemplateError
from shared.database import UnitOfWork
from shared.http.endpoint import AnyEndpoint, Call, Endpoint, Reply
from shared.http.pagination import InvalidCursorError, Page, PageQuery
from shared.http.parsing import uuid_in_path
from shared.passes.schema.findings import Finding
from shared.passes.styles.groups import Points, StyleGroup, choose
from shared.passes.styles.laying import lay_over
from shared.passes.template.document import TemplateDocument


class NewStyleGroup(StyleGroup):
    """A style group to be saved."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Tier colours",
                    "rules": [
                        {
                            "style_id": "0198f3c2-7d4e-7a31-9c55-2f6b8f0e1a78",
                            "min_points": 0,
                            "max_points": 100,
                        }
                    ],
                }
            ]
        }
    )

    @property
    def group(self) -> StyleGroup:
        """What of it is the group itself."""
        return StyleGroup(name=self.name, rules=self.rules)


class ChangedStyleGroup(NewStyleGroup):
    """A style group as it is to be from now on."""

    revision: Expected | None = Field(
        None, description="The revision this one is based on; refused if there is a newer one."
    )


class StyleGroupView(StyleGroup, LookHead):
    """A style group."""

    model_config = ConfigDict(title="StyleGroup", json_schema_extra={"examples": []})

    style_group_id: UUID


class SavedStyleGroupView(StyleGroupView):
    """A style group that was saved, and what is odd about it."""

    model_config = ConfigDict(title="SavedStyleGroup")

    warnings: list[FindingView]


class Previewed(BaseModel):
    """What a style group is to be tried on."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"template_id": "0198f3c2-7d4e-7a31-9c55-2f6b8f0e1a77", "points": 120}]
        },
    )

    template_id: UUID
    points: Points = Field(description="Of the sample's member.")
    sample: SamplePass = Field(default_factory=SamplePass)


class GroupPreview(Check):
    """Which style a group chooses, and what both wallets would be given of the sample with it."""

    style_id: UUID
    style_name: str


async def create_style_group(call: Call[NewStyleGroup, None], *, context: Context) -> Reply:
    """Create a style group."""
    account_id = call.caller.account_id
    draft = context.style_groups.prepare(call.body.group)

    async def add(work: UnitOfWork) -> Reply:
        saved = await context.style_groups.add(work, account_id, draft)
        headers = {"Location": f"/v1/style-groups/{saved.id}"}
        return Reply(_saved(saved, draft.warnings), 201, headers)

    return await answer_once(context, call, add)


async def list_style_groups(
    call: Call[None, PageQuery], *, context: Context
) -> Page[StyleGroupView]:
    """List the account's style groups."""
    rows = await context.style_groups.list(
        call.caller.account_id, uuid_position(call.query), call.query.limit + 1
    )
    return page_of(rows, call.query, _view, lambda row: row.id)


async def show_style_group(call: Call[None, None], *, context: Context) -> StyleGroupView:
    """Show a style group."""
    return _view(await context.style_groups.get(call.caller.account_id, _group_id(call)))


async def change_style_group(
    call: Call[ChangedStyleGroup, None], *, context: Context
) -> SavedStyleGroupView:
    """Change a style group; the passes that have it follow."""
    account_id, group_id = call.caller.account_id, _group_id(call)
    draft = context.style_groups.prepare(call.body.group)
    saved = await context.style_groups.replace(account_id, group_id, draft, call.body.revision)
    return _saved(saved, draft.warnings)


async def delete_style_group(call: Call[None, None], *, context: Context) -> None:
    """Delete a style group that nobody names."""
    await context.style_groups.delete(call.caller.account_id, _group_id(call))


async def preview_style_group(call: Call[Previewed, None], *, context: Context) -> GroupPreview:
    """Compose a sample with the style that a group chooses."""
    account_id, body = call.caller.account_id, call.body
    group = await context.style_groups.get(account_id, _group_id(call))
    await check_template(context, account_id, body.template_id)
    template = await context.templates.get(account_id, body.template_id)
    style = await context.styles.get(account_id, choose(group.document.rules, body.points))
    document = lay_over(style.document, TemplateDocument.model_validate(template.document))
    member = {} if body.sample.member is None else body.sample.member.model_dump()
    sample = Sample(body.sample.values, {**member, "points": body.points})
    findings, shown = await context.templates.try_out(
        account_id, template.name, document, template.identity_id, sample
    )
    return GroupPreview.model_validate(
        {"style_id": style.id, "style_name": style.name, **show_check(findings, shown)}
    )


def _group_id(call: Call[Any, Any]) -> UUID:
    group_id = uuid_in_path(call.path["style_group_id"])
    if group_id is None:
        raise StyleGroupNotFoundError
    return group_id


def _view(saved: Saved[StyleGroup]) -> StyleGroupView:
    return StyleGroupView(style_group_id=saved.id, **head_of(saved), **dict(saved.document))


def _saved(saved: Saved[StyleGroup], warnings: list[Finding]) -> SavedStyleGroupView:
    told = [FindingView.model_validate(finding) for finding in warnings]
    return SavedStyleGroupView(**dict(_view(saved)), warnings=told)


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the addresses of style groups."""
    all_, one, read, write = (
        "/v1/style-groups", "/v1/style-groups/{style_group_id}",
        "templates:read", "templates:write",
    )  # fmt: skip
    return [
        Endpoint(
            "POST",
            all_,
            partial(create_style_group, context=context),
            summary="Create a style group",
            tag=TAG,
            scope=write,
            body=NewStyleGroup,
            returns=SavedStyleGroupView,
            status=201,
            errors=(*REPEAT_ERRORS, StyleGroupInvalidError, UnknownStyleError),
            description="The first rule that takes the points of a pass's member chooses its "
            "style. In a gap it is the nearest rule below, under all of them the lowest. A pass "
            "without a member has no points.",
        ),
        Endpoint(
            "GET",
            all_,
            partial(list_style_groups, context=context),
            summary="List the style groups, newest first",
            tag=TAG,
            scope=read,
            query=PageQuery,
            returns=Page[StyleGroupView],
            errors=(InvalidCursorError,),
        ),
        Endpoint(
            "GET",
            one,
            partial(show_style_group, context=context),
            summary="Show a style group",
            tag=TAG,
            scope=read,
            returns=StyleGroupView,
            errors=(StyleGroupNotFoundError,),
        ),
        Endpoint(
            "PUT",
            one,
            partial(change_style_group, context=context),
            summary="Change a style group",
            tag=TAG,
            scope=write,
            body=ChangedStyleGroup,
            returns=SavedStyleGroupView,
            errors=(
                RevisionConflictError,
                StyleGroupInvalidError,
                StyleGroupNotFoundError,
                UnknownStyleError,
            ),
            description="The passes that have it are composed anew; those that look otherwise then "
            "are pushed. The same content again is no change.",
        ),
        Endpoint(
            "DELETE",
            one,
            partial(delete_style_group, context=context),
            summary="Delete a style group",
            tag=TAG,
            scope=write,
            status=204,
            errors=(StyleGroupInUseError, StyleGroupNotFoundError),
            description="Refused with 409 while a template, a member or a pass names it. Its "
            "styles stay.",
        ),
        Endpoint(
            "POST",
            f"{one}/preview",
            partial(preview_style_group, context=context),
            summary="Show what a pass looks like by a group at any number of points",
            tag=TAG,
            scope=read,
            body=Previewed,
            returns=GroupPreview,
            errors=(StyleGroupNotFoundError, UnknownTemplateError),
            description="The style that is chosen, and what both wallets would be given of a "
            "sample pass of a template with it.",
        ),
    ]
