"""Styles over HTTP."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from services.gateway.catalogue.styles import (
    StyleInUseError,
    StyleInvalidError,
    StyleNotFoundError,
)
from services.gateway.catalogue.templates import RevisionConflictError
from services.gateway.context import Context
from services.gateway.domain.styles import Saved
from services.gateway.routes.once import REPEAT_ERRORS, answer_once
from services.gateway.routes.v1.paging import page_of, uuid_position
from services.gateway.routes.v1.templates import MAX_REVISION, FindingView
from shared.database import UnitOfWork
from shared.http.endpoint import AnyEndpoint, Call, Endpoint, Reply
from shared.http.pagination import InvalidCursorError, Page, PageQuery
from shared.http.parsing import WHOLE, uuid_in_path
from shared.passes.schema.findings import Finding
from shared.passes.styles.style import Style

TAG = "Styles"
EXAMPLE: JsonDict = {
    "name": "Silver",
    "brand_colors": {"background_color": "rgb(192, 192, 192)"},
    "secondary_fields": [{"key": "tier", "label": "Membership", "value": "{member_tier}"}],
}

Expected = Annotated[int, Field(ge=1, le=MAX_REVISION), WHOLE]
"""The revision that a change is based on."""


class NewStyle(Style):
    """A style to be saved."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    @property
    def style(self) -> Style:
        """What of it is the style itself."""
        return Style.model_validate({name: getattr(self, name) for name in Style.model_fields})


class ChangedStyle(NewStyle):
    """A style as it is to be from now on."""

    revision: Expected | None = Field(
        None, description="The revision this one is based on; refused if there is a newer one."
    )


class LookHead(BaseModel):
    """What is known of a style or a group besides what its author wrote."""

    revision: int = Field(description="Rises by one with each change.")
    created_at: datetime
    updated_at: datetime


class StyleView(Style, LookHead):
    """A style."""

    model_config = ConfigDict(title="Style", json_schema_extra={"examples": []})

    style_id: UUID


class SavedStyleView(StyleView):
    """A style that was saved, and what is odd about it."""

    model_config = ConfigDict(title="SavedStyle")

    warnings: list[FindingView]


async def create_style(call: Call[NewStyle, None], *, context: Context) -> Reply:
    """Create a style."""
    account_id = call.caller.account_id
    draft = await context.styles.prepare(account_id, call.body.style, withheld=call.caller.withheld)

    async def add(work: UnitOfWork) -> Reply:
        saved = await context.styles.add(work, account_id, draft)
        headers = {"Location": f"/v1/styles/{saved.id}"}
        return Reply(_saved(saved, draft.warnings), 201, headers)

    return await answer_once(context, call, add)


async def list_styles(call: Call[None, PageQuery], *, context: Context) -> Page[StyleView]:
    """List the account's styles."""
    rows = await context.styles.list(
        call.caller.account_id, uuid_position(call.query), call.query.limit + 1
    )
    return page_of(rows, call.query, _view, lambda row: row.id)


async def show_style(call: Call[None, None], *, context: Context) -> StyleView:
    """Show a style."""
    return _view(await context.styles.get(call.caller.account_id, _style_id(call)))


async def change_style(call: Call[ChangedStyle, None], *, context: Context) -> SavedStyleView:
    """Change a style; the passes that have it follow."""
    account_id, style_id = call.caller.account_id, _style_id(call)
    draft = await context.styles.prepare(account_id, call.body.style, withheld=call.caller.withheld)
    saved = await context.styles.replace(account_id, style_id, draft, call.body.revision)
    return _saved(saved, draft.warnings)


async def delete_style(call: Call[None, None], *, context: Context) -> None:
    """Delete a style that nobody names."""
    await context.styles.delete(call.caller.account_id, _style_id(call))


def _style_id(call: Call[Any, Any]) -> UUID:
    style_id = uuid_in_path(call.path["style_id"])
    if style_id is None:
        raise StyleNotFoundError
    return style_id


def head_of(saved: Saved[Any]) -> dict[str, Any]:
    """Tell of a style or a group what LookHead has."""
    return {name: getattr(saved, name) for name in LookHead.model_fields}


def _view(saved: Saved[Style]) -> StyleView:
    return StyleView(style_id=saved.id, **head_of(saved), **saved.document.model_dump())


def _saved(saved: Saved[Style], warnings: list[Finding]) -> SavedStyleView:
    told = [FindingView.model_validate(finding) for finding in warnings]
    return SavedStyleView(**_view(saved).model_dump(), warnings=told)


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the addresses of styles."""
    all_, one, read, write = (
        "/v1/styles", "/v1/styles/{style_id}", "templates:read", "templates:write",
    )  # fmt: skip
    return [
        Endpoint(
            "POST",
            all_,
            partial(create_style, context=context),
            summary="Create a style",
            tag=TAG,
            scope=write,
            body=NewStyle,
            returns=SavedStyleView,
            status=201,
            errors=(*REPEAT_ERRORS, StyleInvalidError),
            description="Colours, the format of the barcode and images each take the place of the "
            "template's; a group of fields takes the place of the whole group. What is null or "
            "left out stays the template's. Texts may name what those of templates may.",
        ),
        Endpoint(
            "GET",
            all_,
            partial(list_styles, context=context),
            summary="List the styles, newest first",
            tag=TAG,
            scope=read,
            query=PageQuery,
            returns=Page[StyleView],
            errors=(InvalidCursorError,),
        ),
        Endpoint(
            "GET",
            one,
            partial(show_style, context=context),
            summary="Show a style",
            tag=TAG,
            scope=read,
            returns=StyleView,
            errors=(StyleNotFoundError,),
        ),
        Endpoint(
            "PUT",
            one,
            partial(change_style, context=context),
            summary="Change a style",
            tag=TAG,
            scope=write,
            body=ChangedStyle,
            returns=SavedStyleView,
            errors=(RevisionConflictError, StyleInvalidError, StyleNotFoundError),
            description="The passes that have it are composed anew; those that look otherwise then "
            "are pushed. The same content again is no change.",
        ),
        Endpoint(
            "DELETE",
            one,
            partial(delete_style, context=context),
            summary="Delete a style",
            tag=TAG,
            scope=write,
            status=204,
            errors=(StyleInUseError, StyleNotFoundError),
            description="Refused with 409 while a group, a template, a member or a pass names it.",
        ),
    ]
