"""What the routes of /v1 read from a call beside its body: ids and cursors."""

from typing import Any
from uuid import UUID

from services.gateway.context import Context
from services.gateway.usecases.passes import UnknownTemplateError
from shared.errors import NotFoundError
from shared.http.endpoint import Call
from shared.http.pagination import InvalidCursorError, PageQuery, decode_cursor, encode_cursor
from shared.http.parsing import uuid_in_path

POSITION = "at"
"""What `paging` calls it, too."""


def id_in_path(call: Call[Any, Any], name: str) -> UUID:
    """Read an id in the path; what cannot be one names nothing that there is."""
    found = uuid_in_path(call.path[name])
    if found is None:
        raise NotFoundError
    return found


def text_position(query: PageQuery) -> str | None:
    """Read after which text the page begins."""
    if query.cursor is None:
        return None
    match decode_cursor(query.cursor).get(POSITION):
        case str(text) if "\0" not in text:
            return text
        case _:
            raise InvalidCursorError


def cursor_at(position: str | int | UUID) -> str:
    """Write where the next page begins."""
    plain = position if isinstance(position, int) else str(position)
    return encode_cursor({POSITION: plain})


async def check_template(context: Context, account_id: UUID, template_id: UUID | None) -> None:
    """Refuse a body that names a template which is not the account's."""
    if template_id and template_id not in await context.templates.current(
        account_id, [template_id]
    ):
        raise UnknownTemplateError(
            errors=[{"pointer": "/template_id", "detail": "Unknown template"}]
        )
