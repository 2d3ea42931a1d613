"""Positions in lists that are ordered by one id or number."""

from collections.abc import Callable, Sequence
from typing import TypeVar
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from shared.http.pagination import (
    InvalidCursorError,
    Page,
    PageQuery,
    decode_cursor,
    encode_cursor,
)

Row = TypeVar("Row")
Item = TypeVar("Item")

_POSITION = "at"
_UUID = TypeAdapter(UUID)


def uuid_position(query: PageQuery) -> UUID | None:
    """Read after which id the page begins."""
    if query.cursor is None:
        return None
    try:
        return _UUID.validate_python(decode_cursor(query.cursor).get(_POSITION))
    except ValidationError as error:
        raise InvalidCursorError from error


def number_position(query: PageQuery, largest: int = 2**31 - 1) -> int | None:
    """Read after which number the page begins."""
    if query.cursor is None:
        return None
    match decode_cursor(query.cursor).get(_POSITION):
        case int(number) if 0 <= number <= largest:
            return number
        case _:
            raise InvalidCursorError


def page_of(
    rows: Sequence[Row],
    query: PageQuery,
    item: Callable[[Row], Item],
    position: Callable[[Row], UUID | int],
) -> Page[Item]:
    """Make a page of rows, of which one more than the limit was read."""
    shown = rows[: query.limit]
    cursor = None
    if len(rows) > query.limit:
        last = position(shown[-1])
        cursor = encode_cursor({_POSITION: last if isinstance(last, int) else str(last)})
    return Page[Item](data=[item(row) for row in shown], next_cursor=cursor)
