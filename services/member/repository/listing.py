"""The statement that lists members: each filter and order written so that an index serves it."""

from typing import Any, Final

from services.member.domain.listing import Listing
from shared.contracts.member import MemberSort

# As in the indexes of migration 0003.
_NAME: Final = "left(lower(coalesce(m.name, '')), 64)"
_LAST_WORD: Final = "left(lower(substring(m.name FROM ' ([^ ]+)$')), 64)"
_EMAIL: Final = "lower(m.email)"
_PHONE: Final = "translate(m.phone, '+,x() -', '')"

_KEYS: Final[dict[MemberSort, tuple[str, str]]] = {
    "name": (f'{_NAME} COLLATE "C"', "text"),
    "points": ("m.points", "bigint"),
    "created_at": ("m.created_at", "timestamptz"),
}
"""What a list is sorted by before the member id, and its type."""


def listing(asked: Listing, columns: str) -> tuple[str, list[Any]]:
    """Write one row more than a page as a statement and its arguments; `key`: by what it sorts."""
    query = asked.query
    arguments: list[Any] = []

    def put(argument: object, kind: str) -> str:
        arguments.append(argument)
        return f"${len(arguments)}::{kind}"

    def begins(expression: str, text: str) -> str:
        """Write it as a range, which an index serves, unlike LIKE, whatever the text is."""
        end = f"{text} || chr(1114111)"
        return f'{expression} BETWEEN ({text} COLLATE "C") AND ({end} COLLATE "C")'

    conditions = [f"m.account_id = {put(query.account_id, 'uuid')}", "NOT m.deleted"]
    if query.name_begins is not None:
        name = f"lower({put(query.name_begins, 'text')})"
        conditions.append(f"({begins(_NAME, name)} OR {begins(_LAST_WORD, name)})")
    if query.email_begins is not None:
        conditions.append(begins(_EMAIL, f"lower({put(query.email_begins, 'text')})"))
    if query.phone_begins is not None:
        digits = "".join(filter(str.isdecimal, query.phone_begins))
        conditions.append(begins(_PHONE, put(digits, "text")))
    for expression, value, kind in (
        ("m.external_id =", query.external_id, "text"),
        ("m.tier =", query.tier, "text"),
        ("m.points >=", query.points_min, "bigint"),
        ("m.points <=", query.points_max, "bigint"),
        ("m.created_at >=", query.created_from, "timestamptz"),
        ("m.created_at <", query.created_before, "timestamptz"),
    ):
        if value is not None:
            conditions.append(f"{expression} {put(value, kind)}")
    if query.template_id is not None:
        conditions.append(
            f"""EXISTS (
                SELECT
                FROM enrolments AS e
                WHERE e.account_id = m.account_id
                    AND e.template_id = {put(query.template_id, "uuid")}
                    AND e.member_id = m.member_id
            )"""  # noqa: S608 - our own words, see `put`
        )
    key, kind = _KEYS.get(query.sort, ("NULL", ""))
    order = [key, "m.member_id"] if kind else ["m.member_id"]
    if query.after is not None:
        before = [put(asked.key, kind)] if kind else []
        before.append(put(query.after, "text"))
        side = "<" if query.descending else ">"
        conditions.append(f"({', '.join(order)}) {side} ({', '.join(before)})")
    direction = "DESC" if query.descending else "ASC"
    statement = f"""
        SELECT {columns}, {key} AS key
        FROM members AS m
        WHERE {" AND ".join(conditions)}
        ORDER BY {", ".join(f"{part} {direction}" for part in order)}
        LIMIT {put(query.limit + 1, "int")}
        """  # noqa: S608 - our own words, see `put`
    return statement, arguments
