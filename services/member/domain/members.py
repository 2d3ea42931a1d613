"""The rules of members: what their fields may hold, and how a batch of commands changes them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from shared.contracts.member import (
    MAX_POINTS,
    MEMBER_ID,
    MEMBER_TEXTS,
    REASON,
    AdjustPoints,
    DeleteMember,
    ListEnrolments,
    ListPoints,
    Member,
    MemberSaved,
    PointsEntry,
    ReadMember,
    SaveMember,
)
from shared.errors import ApplicationError, ConflictError, InvalidError, NotFoundError
from shared.identifiers import new_id

MAX_ROWS = 250
SET: Final = "set"
"""The reason of an entry that sets the balance, unless another is given."""

Key = tuple[UUID, str]
"""What names a member: account, then member id."""

Fault = dict[str, Any]
Row = TypeVar("Row")
Reply = TypeVar("Reply")
PageQuery = TypeVar("PageQuery", ListPoints, ListEnrolments)

_TEXTS: Final = {
    "name": "must be at most 200 characters without control characters, or null",
    "email": "must be an e-mail address of at most 254 characters, or null",
    "phone": "must be at most 32 of digits, + , x ( ) - and space, or null",
    "external_id": "must be 1 to 200 characters without control characters, or null",
    "tier": "must be at most 64 characters without control characters, or null",
}
_STYLES: Final = ("style_id", "style_group_id")
_ERASED: Final[dict[str, Any]] = dict.fromkeys((*_TEXTS, *_STYLES))


class MemberNotFoundError(NotFoundError):
    """There is no such member in this account."""

    code = "member_not_found"


class MemberExistsError(ConflictError):
    """There is a member with this id already."""

    code = "member_exists"


class ExternalIdTakenError(ConflictError):
    """Another member of this account has this external id."""

    code = "external_id_taken"

    def __init__(self) -> None:
        super().__init__(errors=[fault("/external_id", "belongs to another member")])


class MemberInvalidError(InvalidError):
    """The member cannot be saved so."""

    code = "member_invalid"


class PointsRefusedError(InvalidError):
    """The points cannot be changed so."""

    code = "points_refused"


class PageInvalidError(InvalidError):
    """There is no such page."""

    code = "page_invalid"


@dataclass(frozen=True, slots=True)
class Draft:
    """A command to save a member, whose fields hold what they may."""

    command: SaveMember
    changes: dict[str, Any]

    @property
    def key(self) -> Key:
        return self.command.account_id, self.command.member_id

    @property
    def external_id(self) -> str | None:
        return self.changes.get("external_id")


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """An entry with what it is stored under."""

    account_id: UUID
    version: int
    entry: PointsEntry


def is_member_id(text: str) -> bool:
    return MEMBER_ID.fits(text)


def possible_key(
    message: DeleteMember | AdjustPoints | ReadMember | ListPoints | ListEnrolments,
) -> Key | None:
    """Name the member a message is about; None if no member can have such an id."""
    return (message.account_id, message.member_id) if is_member_id(message.member_id) else None


def without_person(member: Member) -> Member:
    """Leave out who a member is and what it has."""
    kept = {"account_id", "member_id", "version", "created_at", "updated_at"}
    return Member(**member.model_dump(include=kept))


def draft(command: SaveMember) -> Draft:
    """Check the fields of a command; what `replace` does not give becomes null, but for points."""
    faults = [
        fault(f"/{name}", detail)
        for name, value in command.fields.items()
        if (detail := _complaint(name, value)) is not None
    ]
    faults += _complaint_of_reason(command.reason)
    if not is_member_id(command.member_id):
        faults.insert(0, fault("/member_id", "must be 1 to 64 of A-Z a-z 0-9 . _ ~ -"))
    if faults:
        raise MemberInvalidError(errors=faults)
    changes = {**(_ERASED if command.mode == "replace" else {}), **command.fields}
    changes |= {name: UUID(changes[name]) for name in _STYLES if changes.get(name)}
    return Draft(command, changes)


def checked_adjustment(command: AdjustPoints) -> AdjustPoints:
    """Check what can be known without the member."""
    faults: list[Fault] = []
    if command.delta == 0 or abs(command.delta) > MAX_POINTS:
        faults.append(fault("/delta", "must be other than 0, within ±1,000,000,000,000"))
    faults += _complaint_of_reason(command.reason)
    if faults:
        raise PointsRefusedError(errors=faults)
    return command


def checked_page(query: PageQuery) -> PageQuery:
    """Refuse a page that cannot be asked for."""
    if not 1 <= query.limit <= MAX_ROWS:
        raise PageInvalidError(errors=[fault("?limit", f"must be 1 to {MAX_ROWS}")])
    return query


def each(
    act: Callable[[Row], Reply], rows: Sequence[Row | ApplicationError]
) -> list[Reply | ApplicationError]:
    """Act on each row in order; one that fails, or has failed before, stands as its error."""
    outcomes: list[Reply | ApplicationError] = []
    for row in rows:
        if isinstance(row, ApplicationError):
            outcomes.append(row)
            continue
        try:
            outcomes.append(act(row))
        except ApplicationError as error:
            outcomes.append(error)
    return outcomes


@dataclass(slots=True)
class Roster:
    """The members a batch touches, locked; its commands change them here, in their order."""

    stored: dict[Key, Member]
    moment: datetime
    lines: list[LedgerLine] = field(default_factory=list[LedgerLine])
    _members: dict[Key, Member] = field(init=False)
    _holders: dict[tuple[UUID, str], str] = field(init=False)

    def __post_init__(self) -> None:
        self._members = dict(self.stored)
        self._holders = {
            (member.account_id, member.external_id): member.member_id
            for member in self.stored.values()
            if member.external_id is not None
        }

    def save(self, wanted: Draft) -> MemberSaved:
        mode, before = wanted.command.mode, self._members.get(wanted.key)
        if before is None or (before.deleted and mode == "merge"):
            raise MemberNotFoundError
        if mode == "create" and not before.deleted:
            raise MemberExistsError
        if wanted.external_id is not None:
            self._refuse_taken(before, wanted.external_id)
        changes, reason = wanted.changes, wanted.command.reason or SET
        if before.deleted:
            changes = {**changes, "deleted": False, "created_at": self.moment}
        return MemberSaved(member=self._change(before, changes, reason), created=before.deleted)

    def delete(self, command: DeleteMember) -> Member:
        changes = {**_ERASED, "points": 0, "deleted": True}
        return self._change(self._living(command), changes, None)

    def adjust(self, command: AdjustPoints) -> PointsEntry:
        before = self._living(command)
        balance = before.points + command.delta
        if not 0 <= balance <= MAX_POINTS:
            limit = "fall below 0" if balance < 0 else "exceed 1,000,000,000,000"
            raise PointsRefusedError(errors=[fault("/delta", f"the balance must not {limit}")])
        self._change(before, {"points": balance}, command.reason)
        return self.lines[-1].entry

    def find(self, key: Key) -> Member | None:
        """Find a member as it is by now; one of version 0 is a reservation."""
        return self._members.get(key)

    def holder(self, account_id: UUID, external_id: str) -> Member | None:
        """Find who has an external id, or is reserved for it."""
        member_id = self._holders.get((account_id, external_id))
        return None if member_id is None else self._members[account_id, member_id]

    def changed(self) -> list[Member]:
        """List the newest state of each member that is no longer as stored."""
        return [m for key, m in self._members.items() if m is not self.stored[key]]

    def unused(self) -> list[Key]:
        """List the reservations of which no member came."""
        return [key for key, member in self._members.items() if member.version == 0]

    def handed_over(self) -> list[Key]:
        """List the members whose external id went to another one within this batch."""
        return [
            key
            for key, member in self.stored.items()
            if member.external_id is not None
            and self._holders.get((member.account_id, member.external_id), member.member_id)
            != member.member_id
        ]

    def _living(self, command: DeleteMember | AdjustPoints) -> Member:
        member = self._members.get((command.account_id, command.member_id))
        if member is None or member.deleted:
            raise MemberNotFoundError
        return member

    def _refuse_taken(self, member: Member, external_id: str) -> None:
        holder = self._holders.get((member.account_id, external_id), member.member_id)
        if holder != member.member_id:
            raise ExternalIdTakenError

    def _change(self, before: Member, changes: dict[str, Any], reason: str | None) -> Member:
        """Change a member and write the ledger's line; no change if already in that state."""
        if all(getattr(before, name) == value for name, value in changes.items()):
            return before
        raised = {"version": before.version + 1, "updated_at": self.moment}
        after = before.model_copy(update={**changes, **raised})
        if before.external_id is not None:
            self._holders.pop((before.account_id, before.external_id))
        if after.external_id is not None:
            self._holders[after.account_id, after.external_id] = after.member_id
        if after.points != before.points:
            self._write_line(after, after.points - before.points, reason)
        self._members[after.account_id, after.member_id] = after
        return after

    def _write_line(self, member: Member, delta: int, reason: str | None) -> None:
        entry = PointsEntry(
            entry_id=new_id(),
            member_id=member.member_id,
            delta=delta,
            balance=member.points,
            reason=reason,
            created_at=self.moment,
        )
        self.lines.append(LedgerLine(member.account_id, member.version, entry))


def _complaint(name: str, value: object) -> str | None:
    if name == "points":
        good = type(value) is int and abs(value) <= MAX_POINTS
        return None if good else "must be an integer within ±1,000,000,000,000"
    if name in _STYLES:
        return None if value is None or _is_id(value) else "must be an id, or null"
    form = MEMBER_TEXTS.get(name)
    if form is None:
        return "is not a field of a member"
    if value is None or (isinstance(value, str) and form.fits(value)):
        return None
    return _TEXTS[name]


def _is_id(value: object) -> bool:
    try:
        return isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        return False


def _complaint_of_reason(reason: str | None) -> list[Fault]:
    if reason is None or REASON.fits(reason):
        return []
    return [fault("/reason", "must be at most 200 characters, none a control one")]


def fault(pointer: str, detail: str) -> Fault:
    """Say what is wrong, and where."""
    return {"pointer": pointer, "detail": detail}
