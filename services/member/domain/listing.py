"""What may be asked of a list of members, and where a page of it begins."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.member.domain.members import Fault, PageInvalidError, fault, is_member_id
from shared.contracts.member import (
    MAX_LISTED,
    MAX_NAME_KEY,
    MAX_POINTS,
    MEMBER_FILTERS,
    ListMembers,
    Member,
)
from shared.errors import InvalidError

MAX_BYTES: Final = 700 * 1024
"""Members of one answer: no message is over 1 MiB."""

MEMBER_BYTES: Final = 400
"""What a member takes on the wire besides its texts, at most."""

CHARACTER_BYTES: Final = 4

_WORDS: Final = {
    "name": f"must be 1 to {MAX_NAME_KEY} characters without control characters",
    "email": "must be 1 to 254 characters without spaces, with + written as %2B",
    "phone": "must be at most 32 of digits, + , x ( ) - and space, with a digit among them",
    "external_id": "must be 1 to 200 characters without control characters",
    "tier": "must be 1 to 64 characters without control characters",
}
_YEARS: Final = range(2, 9999)
"""In the first and the last year a moment may have no equal in UTC."""


class RangeEmptyError(InvalidError):
    """Of two bounds the upper one lies below the lower one: nobody is between them."""

    code = "range_empty"


@dataclass(frozen=True, slots=True)
class Listing:
    """A question for a page that there can be."""

    query: ListMembers
    key: str | int | datetime | None = None
    """What the last member before is sorted by, if not by its id."""


def checked_list(query: ListMembers) -> Listing:
    """Refuse a list that cannot be asked for, naming all that is wrong."""
    faults = [
        fault(f"?{name}", _WORDS[name])
        for name, text in _texts(query).items()
        if text is not None and not MEMBER_FILTERS[name].fits(text)
    ]
    faults += _faults_of_bounds(query)
    if not 1 <= query.limit <= MAX_LISTED:
        faults.append(fault("?limit", f"must be 1 to {MAX_LISTED}"))
    key = None
    if query.after is not None:
        try:
            key = _key(query)
        except ValueError:
            faults.append(fault("?cursor", "is none of this list"))
    if faults:
        raise PageInvalidError(errors=faults)
    if crossed := _crossed_bounds(query):
        raise RangeEmptyError(errors=crossed)
    return Listing(query, key)


def within(members: list[Member], room: int) -> tuple[list[Member], int]:
    """Keep of a page what there is room for, in bytes, and one member at least."""
    kept: list[Member] = []
    for member in members:
        texts = (member.name, member.email, member.phone, member.external_id, member.tier)
        room -= MEMBER_BYTES + CHARACTER_BYTES * sum(len(text) for text in texts if text)
        if room < 0 and kept:
            break
        kept.append(member)
    return kept, room


def _texts(query: ListMembers) -> dict[str, str | None]:
    return {
        "name": query.name_begins,
        "email": query.email_begins,
        "phone": query.phone_begins,
        "external_id": query.external_id,
        "tier": query.tier,
    }


def _faults_of_bounds(query: ListMembers) -> list[Fault]:
    points = [
        fault(f"?{name}", "must be an integer within ±1,000,000,000,000")
        for name in ("points_min", "points_max")
        if abs(getattr(query, name) or 0) > MAX_POINTS
    ]
    moments = [
        fault(f"?{name}", "must be a moment with its zone, of the years 2 to 9998")
        for name in ("created_from", "created_before")
        if not _is_moment(getattr(query, name))
    ]
    return points + moments


def _crossed_bounds(query: ListMembers) -> list[Fault]:
    faults: list[Fault] = []
    least, most = query.points_min, query.points_max
    if least is not None and most is not None and least > most:
        faults.append(fault("?points_max", "must not be less than points_min"))
    since, until = query.created_from, query.created_before
    if since is not None and until is not None and since >= until:
        faults.append(fault("?created_before", "must be later than created_from"))
    return faults


def _is_moment(moment: datetime | None) -> bool:
    return moment is None or (moment.tzinfo is not None and moment.year in _YEARS)


def _key(query: ListMembers) -> str | int | datetime | None:
    """Read where the page before ended; ValueError if no page of this order ends so."""
    if query.after is None or not is_member_id(query.after):
        raise ValueError
    match query.sort, query.after_key:
        case "member_id", None:
            return None
        case "name", str(name) if len(name) <= MAX_NAME_KEY and "\0" not in name:
            return name
        case "points", int(points) if abs(points) <= MAX_POINTS:
            return points
        case "created_at", str(text) if _is_moment(moment := datetime.fromisoformat(text)):
            return moment
        case _:
            raise ValueError
