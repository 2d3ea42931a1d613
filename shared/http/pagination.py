"""Pages of a list: opaque cursors, the query that asks for a page and the answer that holds one."""

import base64
import binascii
from typing import Any, Generic, TypeVar, cast

import orjson
from pydantic import BaseModel, ConfigDict, Field

from shared.errors import InvalidError

CURSOR_LENGTH = 4096
Item = TypeVar("Item")


class InvalidCursorError(InvalidError):
    """The cursor is not one that this list gave out."""

    code = "invalid_cursor"


class PageQuery(BaseModel):
    """Which page of a list; lists with filters derive from it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit: int = Field(50, ge=1, le=250, description="How many items to return at most.")
    cursor: str | None = Field(
        None,
        max_length=CURSOR_LENGTH,
        json_schema_extra={"pattern": "^[A-Za-z0-9_-]*$"},
        description="The next_cursor of the page before; without it, the first page.",
    )


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    data: list[Item] = Field(description="The items of this page.")
    next_cursor: str | None = Field(
        None, description="Ask with it for the next page; null on the last."
    )

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """Name a page after its items, as generators of clients want it: AccountPage."""
        (item,) = params
        config: dict[str, Any] = getattr(item, "model_config", {})
        return f"{config.get('title', item.__name__)}Page"


def encode_cursor(position: dict[str, Any]) -> str:
    """Write a position in a list as an opaque string."""
    cursor = base64.urlsafe_b64encode(orjson.dumps(position)).rstrip(b"=").decode()
    if len(cursor) > CURSOR_LENGTH:
        raise ValueError("a cursor's position must be short")
    return cursor


def decode_cursor(cursor: str) -> dict[str, Any]:
    """Read what `encode_cursor` wrote; its values are still the client's word and want checking."""
    if len(cursor) > CURSOR_LENGTH:
        raise _invalid()
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        position: object = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (UnicodeEncodeError, binascii.Error, orjson.JSONDecodeError) as error:
        raise _invalid() from error
    if not isinstance(position, dict):
        raise _invalid()
    return cast("dict[str, Any]", position)


def _invalid() -> InvalidCursorError:
    fault = {"pointer": "?cursor", "detail": "Unknown cursor"}
    return InvalidCursorError(errors=[fault])
