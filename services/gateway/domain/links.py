"""Links: what a program says of them, and how what somebody orders becomes what a link says."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final, Literal, get_args
from uuid import UUID

import orjson
import phonenumbers

from shared import clock
from shared.contracts.member import MAX_POINTS, MEMBER_TEXTS
from shared.errors import InvalidError
from shared.identifiers import new_id
from shared.passes.language.paths import MESSAGE_PATH
from shared.passes.language.rights import Withheld, marks_for
from shared.passes.language.state import PassState
from shared.passes.links.names import LinkNames, plain_text
from shared.passes.links.tokens import (
    FAR_FUTURE,
    MAX_CHANNEL_CHARACTERS,
    MAX_TOKEN_CHARACTERS,
    MAX_USES,
    MAX_VALUES_BYTES,
    LinkClaims,
    LinkSealer,
)
from shared.passes.schema.values import Json, is_number, parse_number, to_text
from shared.passes.template.compiled import CompiledTemplate
from shared.passes.template.showing import check_shown

LINK_KEY_PURPOSE: Final = "link key"

MAX_PROGRAMS: Final = 1000
MAX_LINK_KEYS: Final = 20
MAX_VALID_DAYS: Final = 3660
MAX_EMAIL: Final = MEMBER_TEXTS["external_id"].max_length
"""An e-mail may become an external id."""

AutoFill = Literal["none", "email", "phone"]
CreateOn = Literal["visit", "button"]
LinkKeyKind = Literal["passwright", "passkit"]

CHANNEL_PARTS: Final = ("source", "medium", "campaign", "term", "content")
REGIONS: Final[frozenset[str]] = frozenset(phonenumbers.SUPPORTED_REGIONS)

_REFUSED: Final[Mapping[str, str]] = {
    "name": "at most 200 characters without control characters",
    "email": f"an e-mail address of at most {MAX_EMAIL} characters is needed",
    "phone": "a phone number is needed, with + and the country or in the program's default region",
    "external_id": "1 to 200 characters without control characters are needed",
    "tier": "at most 64 characters without control characters",
    "points": f"a whole number up to {MAX_POINTS} is needed",
}

_PLACES: Final[Mapping[str, str]] = {"external_id": "/external_id"}

Fault = dict[str, str]


class LinkInvalidError(InvalidError):
    """A link cannot say this."""

    code = "link_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkProgram:
    """What holds for all links of a template that were made for one occasion."""

    program_id: UUID
    account_id: UUID
    template_id: UUID
    name: str
    auto_fill_external_id: AutoFill = "none"
    create_on: CreateOn = "visit"
    valid_days: int | None = None
    one_time: bool = False
    default_region: str | None = None
    """In which a phone number without a country is meant, such as DE."""
    created_at: datetime
    updated_at: datetime

    def sealer(self, key: bytes) -> LinkSealer:
        """Make what seals and opens its links with a key."""
        return LinkSealer(key, account_id=self.account_id, program_id=self.program_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkKey:
    """A key of a program, sealed."""

    program_id: UUID
    key_id: str
    kind: LinkKeyKind
    sealed: str = field(repr=False)
    created_at: datetime
    ends_at: datetime | None

    def has_ended(self, at: datetime) -> bool:
        return self.ends_at is not None and self.ends_at <= at


@dataclass(frozen=True, slots=True)
class LinkOrder:
    """A link that somebody wants."""

    member: Mapping[str, Json] = field(default_factory=dict[str, Json])
    values: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """By path, or by PassKit's names."""
    channel: Mapping[str, Json] = field(default_factory=dict[str, Json])
    expires_at: datetime | None = None
    not_before: datetime | None = None
    max_uses: int | None = None
    campaign: str | None = None
    """The same as that of the channel."""


class LinkMaker:
    """Makes the claims of links of one program, checked against one revision of its template."""

    def __init__(self, program: LinkProgram, compiled: CompiledTemplate) -> None:
        self._program = program
        self._compiled = compiled

    @cached_property
    def _names(self) -> LinkNames:
        return LinkNames(self._compiled)  # of which a click on our own links needs nothing

    def claims(self, order: LinkOrder, withheld: Sequence[Withheld] = ()) -> LinkClaims:
        """Turn an order into what its link says; LinkInvalidError names all that is wrong."""
        faults: list[Fault] = []
        data = self._names.sort(order.values)
        region = self._program.default_region
        member, wrong = clean_member({**data.member, **order.member}, region)
        faults += [_fault(_PLACES.get(name, f"/member/{name}"), _REFUSED[name]) for name in wrong]
        campaign = {"campaign": order.campaign} if order.campaign else {}
        faults += [
            _fault(f"/{name}", "is said twice, each time in another way")
            for one, other in (
                (_without_name(data.member), order.member),
                (data.channel, order.channel),
                ({**data.channel, **order.channel}, campaign),
            )
            for name in _differing(one, other)
        ]
        channel, wrong = _clean_channel({**data.channel, **order.channel, **campaign})
        detail = f"at most {MAX_CHANNEL_CHARACTERS} characters are needed, none of them NUL"
        faults += [_fault(f"/utm/{name}", detail) for name in wrong]
        now = clock.now()
        expires_at = order.expires_at
        if expires_at is None and self._program.valid_days is not None:
            expires_at = now + timedelta(days=self._program.valid_days)
        if expires_at and expires_at <= max(now, order.not_before or now):
            faults.append(_fault("/expires_at", "a moment to come is needed, after not_before"))
        values: dict[str, Any] = {}
        try:
            values = self._checked(data.values, member, withheld)
        except InvalidError as error:
            faults += [
                _fault(f"/values/{fault['pointer']}".rstrip("/"), fault["detail"])
                for fault in error.errors
            ]
        if self._compiled.lacks_message(values):
            faults.append(_fault(f"/values/{MESSAGE_PATH}", "the barcode's message is needed"))
        if len(orjson.dumps([member, values])) > MAX_VALUES_BYTES:
            faults.append(_fault("", f"a link holds at most {MAX_VALUES_BYTES // 1024} KiB"))
        if faults:
            raise LinkInvalidError(errors=faults)
        return LinkClaims(
            link_id=new_id(),
            member=member,
            values=values,
            expires_at=_second(expires_at),
            not_before=_second(order.not_before),
            max_uses=order.max_uses or (1 if self._program.one_time else None),
            withheld=tuple(withheld),
            **channel,
        )

    def known_names(self, names: Iterable[str]) -> list[str]:
        """List the names that mean something, or are PassKit's: those are left out."""
        return [
            name
            for name in names
            if all(self._compiled.find(path) for path in self._names.sort({name: ""}).values)
        ]

    def external_id(self, facts: Mapping[str, Json], values: Mapping[str, Json]) -> str:
        """Tell the external id that a link would have at this moment, if any."""
        return self._external_id(self._program, facts, values)

    def other_external_ids(
        self, facts: Mapping[str, Json], values: Mapping[str, Json]
    ) -> list[str]:
        """List what it would be if the program filled it from something else, as it may later."""
        now = self._program.auto_fill_external_id
        programs = [
            replace(self._program, auto_fill_external_id=fill)
            for fill in get_args(AutoFill)
            if fill != now
        ]
        known = self.external_id(facts, values)
        others = {self._external_id(program, facts, values) for program in programs}
        return sorted(others - {known, ""})

    def _external_id(
        self, program: LinkProgram, facts: Mapping[str, Json], values: Mapping[str, Json]
    ) -> str:
        given = {**self._names.sort(values).member, **facts}
        wanted = {"external_id", program.auto_fill_external_id}
        member = {name: value for name, value in given.items() if name in wanted}
        return to_text(_with_external_id(program, member).get("external_id", ""))

    def foreign_claims(self, link_id: UUID, given: Mapping[str, Json]) -> LinkClaims:
        """Make of a link that another system sealed what is possible, and leave out the rest."""
        data = self._names.sort({name: value for name, value in given.items() if value})
        channel, _ = _clean_channel(data.channel)
        member, _ = clean_member(data.member, self._program.default_region)
        return LinkClaims(link_id=link_id, member=member, values=data.values, **channel)

    def fitting(self, values: Mapping[str, Json]) -> dict[str, Json]:
        """Leave out what the template of today does not take: whoever clicks cannot mend it."""
        left = dict(values)
        while left:
            try:
                return self._checked(left, {}, ())
            except InvalidError as error:
                wrong = {fault["pointer"] for fault in error.errors} & left.keys()
                if not wrong:
                    break
                left = {path: value for path, value in left.items() if path not in wrong}
        return {}

    def _checked(
        self, given: Mapping[str, Json], member: Mapping[str, Json], withheld: Sequence[Withheld]
    ) -> dict[str, Any]:
        """Check values as triggers does when it issues a pass with them."""
        present = {path: value for path, value in given.items() if value is not None}
        values = self._compiled.check_values(present, may_expand=True)
        marks = (mark for path, v in values.items() for mark in marks_for(path, v, withheld))
        state = PassState(
            handle="",
            serial="",
            values=values,
            member=dict(member),
            voided=False,
            changed_at=clock.now(),
            literal=frozenset(marks),
        )
        check_shown(state, values, self._compiled)
        return values


def clean_member(
    given: Mapping[str, Json], region: str | None
) -> tuple[dict[str, Json], list[str]]:
    """Write the fields of a member as they are compared; those that do not fit are named.

    A phone number that cannot be read is named, and kept for those who cannot ask for another.
    """
    fields: dict[str, Json] = {}
    wrong: list[str] = []
    for name, value in given.items():
        text = plain_text(value)
        if not text:
            continue
        settled: Json = text if _fits(name, text) else None
        if name == "points":
            settled = _points(value)
        elif name == "phone" and (number := _phone(text, region)):
            settled = number
        elif name == "phone":
            wrong.append(name)
        if settled is not None:
            fields[name] = settled
        elif name not in wrong:
            wrong.append(name)
    return fields, wrong


def member_of(program: LinkProgram, claims: LinkClaims) -> dict[str, Json]:
    """Say who a link is for, with the external id that its program gives them by now."""
    return _with_external_id(program, claims.member)


def _with_external_id(program: LinkProgram, given: Mapping[str, Json]) -> dict[str, Json]:
    fields, _ = clean_member(given, program.default_region)
    filled = fields.get(program.auto_fill_external_id)
    if filled and "external_id" not in fields:
        # Two ways to write one address are one person.
        fields["external_id"] = to_text(filled).casefold()
    return fields


def _without_name(member: Mapping[str, Json]) -> dict[str, Json]:
    """Leave out what forename and surname make only where no name is given."""
    return {field: value for field, value in member.items() if field != "name"}


def _differing(one: Mapping[str, Json], other: Mapping[str, Json]) -> list[str]:
    """List what both say, but not alike."""
    return [name for name in one if name in other and to_text(one[name]) != to_text(other[name])]


OWN_COLUMNS: Final = (*MEMBER_TEXTS, "points", "campaign", "expires_at", "not_before", "max_uses")
"""Columns of a table of links besides names of values."""


def order_of_row(row: Mapping[str, str]) -> LinkOrder:
    """Read a row of a table by its head; LinkInvalidError where a cell cannot be read."""
    given = {name.strip(): text.strip() for name, text in row.items() if text.strip()}
    faults: list[Fault] = []
    moments: dict[str, datetime | None] = {}
    for name in ("expires_at", "not_before"):
        try:
            text = given.pop(name, "")
            moments[name] = _moment(text) if text else None
        except ValueError:
            faults.append(_fault(f"/{name}", "a moment such as 2027-01-31T18:30:00Z is needed"))
    uses = given.pop("max_uses", None)
    max_uses = None if uses is None else _uses(uses)
    if uses is not None and max_uses is None:
        faults.append(_fault("/max_uses", f"a whole number from 1 to {MAX_USES} is needed"))
    if faults:
        raise LinkInvalidError(errors=faults)
    campaign = given.pop("campaign", None)
    member = {name: given.pop(name) for name in (*MEMBER_TEXTS, "points") if name in given}
    return LinkOrder(
        member,
        given,
        expires_at=moments["expires_at"],
        not_before=moments["not_before"],
        max_uses=max_uses,
        campaign=campaign,
    )


def seal_link(base_url: str, sealer: LinkSealer, claims: LinkClaims) -> str:
    """Write the address of a link; LinkInvalidError if it would be too long for servers."""
    token = sealer.seal(claims.to_bytes())
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise LinkInvalidError(errors=[_fault("", "all that the link says is too long")])
    return f"{base_url}?data={token}"


def _fits(name: str, text: str) -> bool:
    form = MEMBER_TEXTS.get(name)
    return form is not None and form.fits(text) and (name != "email" or len(text) <= MAX_EMAIL)


def _uses(text: str) -> int | None:
    number = parse_number(text)
    return number if isinstance(number, int) and 0 < number <= MAX_USES else None


def _points(value: Json) -> int | None:
    number = parse_number(value) if isinstance(value, str) else value
    if not is_number(number) or number != int(number) or abs(number) > MAX_POINTS:
        return None
    return int(number)


def _phone(text: str, region: str | None) -> str | None:
    """Write a phone number in E.164."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _clean_channel(given: Mapping[str, Json]) -> tuple[dict[str, Any], list[str]]:
    texts = {name: plain_text(value) for name, value in given.items()}
    wrong = [
        name for name, text in texts.items() if len(text) > MAX_CHANNEL_CHARACTERS or "\0" in text
    ]
    return {name: text for name, text in texts.items() if text and name not in wrong}, wrong


def _second(moment: datetime | None) -> int | None:
    return None if moment is None else min(max(0, int(moment.timestamp())), FAR_FUTURE)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _fault(pointer: str, detail: str) -> Fault:
    return {"pointer": pointer, "detail": detail}
