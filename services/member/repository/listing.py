"""The statements that list members: each filter and order written so that an index serves it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from services.member.domain.listing import Listing
from shared.contracts.member import ListMembers, MemberSort

FEW: Final = 20_000
"""So many members are sorted in a moment; of more, the first are soon met on the way through an
index of their order."""

# As in the indexes and statistics of migration 0003.
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


@dataclass(slots=True)
class Statement:
    """A statement, and the arguments it was written with."""

    text: str = ""
    arguments: list[Any] = field(default_factory=list[Any])

    def put(self, argument: object, kind: str) -> str:
        self.arguments.append(argument)
        return f"${len(self.arguments)}::{kind}"

    @property
    def parts(self) -> tuple[Any, ...]:
        """The text and the arguments, as asyncpg takes them."""
        return self.text, *self.arguments


def is_filtered(query: ListMembers) -> bool:
    """Tell whether a list leaves somebody out."""
    others = {"account_id", "after", "after_key", "sort", "descending", "limit"}
    return bool(query.model_dump(exclude=others, exclude_none=True))


def expectation(asked: Listing) -> Statement:
    """Ask the planner how many members the filters let through: it knows within a millisecond."""
    written = Statement()
    written.text = (
        f"EXPLAIN (FORMAT JSON) SELECT FROM members AS m WHERE {_filters(asked, written)}"
    )
    return written


def listing_of_few(asked: Listing, columns: str) -> Statement:
    """Sort all that the filters let through; `found` tells whether these were few after all.

    To the planner alone what a filter lets through lies anywhere in an order: it would look for
    those of the lowest tier among those of the most points first.
    """
    written, query = Statement(), asked.query
    filters = _filters(asked, written)
    order, direction = _order(query)
    written.text = f"""
        SELECT {columns}, {_key(query)} AS key, count(*) OVER () AS found
        FROM (
            SELECT *
            FROM members AS m
            WHERE {filters}
            LIMIT {FEW + 1}
        ) AS m
        ORDER BY {_by(order, direction)}
        LIMIT {written.put(query.limit + 1, "int")}
        """  # noqa: S608 - our own words, see `put`
    return written


def listing_in_order(asked: Listing, columns: str) -> Statement:
    """Go through the members in their order until there are enough that the filters let through."""
    written, query = Statement(), asked.query
    conditions = _conditions(asked, written)
    order, direction = _order(query)
    limit = written.put(query.limit + 1, "int")
    branches = [conditions]
    if query.name_begins is not None:
        # Apart: in the order of names those of a beginning are a piece of the index.
        name, last_word = _names(query.name_begins, written)
        branches = [[*conditions, name], [*conditions, last_word, f"NOT {name}"]]
    found = " UNION ALL ".join(
        f"(SELECT * FROM members AS m WHERE {' AND '.join(branch)}"  # noqa: S608 - our own words
        f" ORDER BY {_by(order, direction)} LIMIT {limit})"
        for branch in branches
    )
    written.text = f"""
        SELECT {columns}, {_key(query)} AS key
        FROM ({found}) AS m
        ORDER BY {_by(order, direction)}
        LIMIT {limit}
        """  # noqa: S608 - our own words, see `put`
    return written


def _filters(asked: Listing, written: Statement) -> str:
    conditions = _conditions(asked, written)
    if asked.query.name_begins is not None:
        conditions.append(f"({' OR '.join(_names(asked.query.name_begins, written))})")
    return " AND ".join(conditions)


def _conditions(asked: Listing, written: Statement) -> list[str]:
    """Write all that a member must be, but for its name."""
    query, put = asked.query, written.put
    conditions = [f"m.account_id = {put(query.account_id, 'uuid')}", "NOT m.deleted"]
    if query.email_begins is not None:
        conditions.append(_begins(_EMAIL, f"lower({put(query.email_begins, 'text')})"))
    if query.phone_begins is not None:
        digits = "".join(filter(str.isdecimal, query.phone_begins))
        conditions.append(_begins(_PHONE, put(digits, "text")))
    for comparison, value, kind in (
        ("m.external_id =", query.external_id, "text"),
        ("m.tier =", query.tier, "text"),
        ("m.points >=", query.points_min, "bigint"),
        ("m.points <=", query.points_max, "bigint"),
        ("m.created_at >=", query.created_from, "timestamptz"),
        ("m.created_at <", query.created_before, "timestamptz"),
    ):
        if value is not None:
            conditions.append(f"{comparison} {put(value, kind)}")
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
    if query.after is not None:
        order, _ = _order(query)
        kinds = [_KEYS[query.sort][1]] if query.sort in _KEYS else []
        before = [*(put(asked.key, kind) for kind in kinds), put(query.after, "text")]
        side = "<" if query.descending else ">"
        conditions.append(f"({', '.join(order)}) {side} ({', '.join(before)})")
    return conditions


def _names(text: str, written: Statement) -> tuple[str, str]:
    start = f"lower({written.put(text, 'text')})"
    return f"({_begins(_NAME, start)})", f"({_begins(_LAST_WORD, start)})"


def _begins(expression: str, start: str) -> str:
    """Write it as a range, which an index serves, unlike LIKE, whatever the text is."""
    return (
        f"""{expression} BETWEEN ({start} COLLATE "C") AND ({start} || chr(1114111) COLLATE "C")"""
    )


def _key(query: ListMembers) -> str:
    return _KEYS[query.sort][0] if query.sort in _KEYS else "NULL"


def _order(query: ListMembers) -> tuple[list[str], str]:
    keys = [_KEYS[query.sort][0]] if query.sort in _KEYS else []
    return [*keys, "m.member_id"], "DESC" if query.descending else "ASC"


def _by(order: Sequence[str], direction: str) -> str:
    return ", ".join(f"{part} {direction}" for part in order)
