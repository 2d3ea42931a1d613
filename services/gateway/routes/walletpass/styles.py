"""Styles and style groups."""

from functools import partial
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from services.gateway.catalogue.styles import (
    StyleGroupInUseError,
    StyleGroupInvalidError,
    StyleGroupNotFoundError,
    StyleInUseError,
    StyleInvalidError,
    StyleNotFoundError,
)
from services.gateway.context import Context
from services.gateway.domain.styles import LookDraft
from services.gateway.routes.once import REPEAT_ERRORS, answer_once
from services.gateway.routes.walletpass.dialect import ROOT, endpoint
from services.gateway.routes.walletpass.style_words import (
    GroupOrder,
    GroupView,
    Removed,
    StyleOrder,
    StyleView,
)
from services.gateway.routes.walletpass.translation import (
    group_of,
    group_view,
    named_assets,
    odd_sizes,
    said,
    style_of,
    style_view,
)
from services.gateway.routes.walletpass.words import Success, naming, warnings_of
from services.gateway.usecases import assets
from services.gateway.usecases.assets import AssetUnknownError
from shared.database import UnitOfWork
from shared.http.endpoint import AnyEndpoint, Call, Reply
from shared.http.parsing import uuid_in_path
from shared.passes.styles.groups import StyleGroup
from shared.passes.styles.style import Style


def _in_path(name: str, example: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": {"type": "string", "format": "uuid"},
        "example": example,
    }


_STYLE: Final = _in_path("pass_style_id", "$PASS_STYLE_ID")
_GROUP: Final = _in_path("style_group_id", "$TIER_GROUP_ID")
_SPARE_STYLE: Final = _in_path("pass_style_id", "$SPARE_STYLE_ID")
_SPARE_GROUP: Final = _in_path("style_group_id", "$SPARE_GROUP_ID")


async def create_style(call: Call[StyleOrder, None], *, context: Context) -> Reply:
    """Create a style."""
    draft, warnings = await _prepare_style(call, context)

    async def add(work: UnitOfWork) -> Reply:
        saved = await context.styles.add(work, call.caller.account_id, draft)
        answer = Success[StyleView](data=style_view(saved), warnings=warnings)
        return Reply(answer, HTTPStatus.CREATED)

    return await answer_once(context, call, add)


async def read_style(call: Call[None, None], *, context: Context) -> Success[StyleView]:
    """Read a style."""
    saved = await context.styles.get(call.caller.account_id, _style_id(call))
    return Success[StyleView](data=style_view(saved))


async def replace_style(call: Call[StyleOrder, None], *, context: Context) -> Success[StyleView]:
    """Replace a style; passes that have it follow."""
    account_id, style_id = call.caller.account_id, _style_id(call)
    await context.styles.get(account_id, style_id)
    draft, warnings = await _prepare_style(call, context)
    saved = await context.styles.replace(account_id, style_id, draft)
    return Success[StyleView](data=style_view(saved), warnings=warnings)


async def delete_style(call: Call[None, None], *, context: Context) -> Success[Removed]:
    """Delete a style that nothing uses."""
    style_id = _style_id(call)
    await context.styles.delete(call.caller.account_id, style_id)
    return Success[Removed](data=Removed(id=style_id))


async def create_group(call: Call[GroupOrder, None], *, context: Context) -> Reply:
    """Create a style group."""
    draft, warnings = await _prepare_group(call, context)

    async def add(work: UnitOfWork) -> Reply:
        saved = await context.style_groups.add(work, call.caller.account_id, draft)
        answer = Success[GroupView](data=group_view(saved), warnings=warnings)
        return Reply(answer, HTTPStatus.CREATED)

    return await answer_once(context, call, add)


async def read_group(call: Call[None, None], *, context: Context) -> Success[GroupView]:
    """Read a style group."""
    saved = await context.style_groups.get(call.caller.account_id, _group_id(call))
    return Success[GroupView](data=group_view(saved))


async def replace_group(call: Call[GroupOrder, None], *, context: Context) -> Success[GroupView]:
    """Replace a style group; passes that have it follow."""
    account_id, group_id = call.caller.account_id, _group_id(call)
    await context.style_groups.get(account_id, group_id)
    draft, warnings = await _prepare_group(call, context)
    saved = await context.style_groups.replace(account_id, group_id, draft)
    return Success[GroupView](data=group_view(saved), warnings=warnings)


async def delete_group(call: Call[None, None], *, context: Context) -> Success[Removed]:
    """Delete a style group that nothing uses."""
    group_id = _group_id(call)
    await context.style_groups.delete(call.caller.account_id, group_id)
    return Success[Removed](data=Removed(id=group_id))


async def _prepare_style(
    call: Call[StyleOrder, None], context: Context
) -> tuple[LookDraft[Style], list[str] | None]:
    body, account_id = call.body, call.caller.account_id
    wanted = {place: text for _, place, text in named_assets(body)}
    found = await assets.find(context, account_id, wanted) if wanted else {}
    style, withheld = style_of(body, found), call.caller.withheld
    draft = await context.styles.prepare(account_id, style, withheld=withheld)
    return draft, warnings_of(body, [*odd_sizes(body, found), *said(draft.warnings)])


async def _prepare_group(
    call: Call[GroupOrder, None], context: Context
) -> tuple[LookDraft[StyleGroup], list[str] | None]:
    body, account_id = call.body, call.caller.account_id
    for index, rule in enumerate(body.rules):
        with naming(f"rules/{index}/pass_style_id"):
            await context.styles.get(account_id, rule.pass_style_id)
    draft = context.style_groups.prepare(group_of(body))
    return draft, warnings_of(body, said(draft.warnings))


def _style_id(call: Call[Any, Any]) -> UUID:
    found = uuid_in_path(call.path["pass_style_id"])
    if found is None:
        raise StyleNotFoundError
    return found


def _group_id(call: Call[Any, Any]) -> UUID:
    found = uuid_in_path(call.path["style_group_id"])
    if found is None:
        raise StyleGroupNotFoundError
    return found


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of styles and style groups."""
    read, write = "templates:read", "templates:write"
    styles, style = f"{ROOT}v1/pass-styles", f"{ROOT}v1/pass-styles/{{pass_style_id}}"
    groups, group = f"{ROOT}v1/style-groups", f"{ROOT}v1/style-groups/{{style_group_id}}"
    of_style: partial[AnyEndpoint] = partial(endpoint, returns=Success[StyleView])
    of_group: partial[AnyEndpoint] = partial(endpoint, returns=Success[GroupView])
    refused_style = (AssetUnknownError, StyleInvalidError)
    refused_group = (StyleGroupInvalidError, StyleNotFoundError)
    return [
        of_style(
            "POST",
            styles,
            partial(create_style, context=context),
            summary="Create a style",
            scope=write,
            body=StyleOrder,
            status=HTTPStatus.CREATED,
            errors=(*refused_style, *REPEAT_ERRORS),
        ),
        of_style(
            "GET",
            style,
            partial(read_style, context=context),
            summary="Read a style",
            scope=read,
            parameters=(_STYLE,),
            errors=(StyleNotFoundError,),
        ),
        of_style(
            "PUT",
            style,
            partial(replace_style, context=context),
            summary="Replace a style",
            scope=write,
            body=StyleOrder,
            parameters=(_STYLE,),
            errors=(*refused_style, StyleNotFoundError),
            description="Passes that have it follow.",
        ),
        endpoint(
            "DELETE",
            style,
            partial(delete_style, context=context),
            summary="Delete a style that nothing uses",
            scope=write,
            returns=Success[Removed],
            parameters=(_SPARE_STYLE,),
            errors=(StyleNotFoundError, StyleInUseError),
        ),
        of_group(
            "POST",
            groups,
            partial(create_group, context=context),
            summary="Create a style group",
            scope=write,
            body=GroupOrder,
            status=HTTPStatus.CREATED,
            errors=(*refused_group, *REPEAT_ERRORS),
            description="Both ends of a rule are included, and the first rule that takes the "
            "points wins. In a gap the nearest rule below chooses, below all rules the lowest.",
        ),
        of_group(
            "GET",
            group,
            partial(read_group, context=context),
            summary="Read a style group",
            scope=read,
            parameters=(_GROUP,),
            errors=(StyleGroupNotFoundError,),
        ),
        of_group(
            "PUT",
            group,
            partial(replace_group, context=context),
            summary="Replace a style group",
            scope=write,
            body=GroupOrder,
            parameters=(_GROUP,),
            errors=(*refused_group, StyleGroupNotFoundError),
            description="Passes that have it follow.",
        ),
        endpoint(
            "DELETE",
            group,
            partial(delete_group, context=context),
            summary="Delete a style group that nothing uses",
            scope=write,
            returns=Success[Removed],
            parameters=(_SPARE_GROUP,),
            errors=(StyleGroupNotFoundError, StyleGroupInUseError),
        ),
    ]
