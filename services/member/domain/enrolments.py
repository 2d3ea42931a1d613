"""The rules of enrolments: who is given the one there is, and who gets a new one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal
from uuid import UUID

from services.member.domain.members import Draft, Key, MemberExistsError, Roster, draft
from shared.contracts.member import (
    Enrolled,
    EnrolMember,
    Enrolment,
    EnrolmentNews,
    Member,
    SaveMember,
)
from shared.errors import GoneError, NotFoundError, NotReadyError
from shared.identifiers import new_id

Seat = tuple[UUID, UUID, str]
"""Account, template, and the member that has one enrolment for it."""

Link = tuple[UUID, UUID]
"""Account, and a link of which only so many may come."""

_COMPARED: Final = ("name", "email", "phone")


class LinkUsedUpError(GoneError):
    """As many passes as this link may give have been given."""

    code = "link_used_up"


class EnrolmentNotFoundError(NotFoundError):
    """No enrolment of this account has a pass of this handle."""

    code = "enrolment_not_found"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A command to enrol somebody, whose fields hold what they may."""

    command: EnrolMember
    draft: Draft

    @property
    def claim(self) -> tuple[UUID, str] | None:
        """The external id within its account."""
        external_id = self.draft.external_id
        return (self.command.account_id, external_id) if external_id is not None else None

    @property
    def link(self) -> Link | None:
        """The link, if it is limited."""
        command = self.command
        if command.link_id is None or command.max_uses is None:
            return None
        return command.account_id, command.link_id


@dataclass(frozen=True, slots=True)
class Entry:
    """An enrolment, and what only we need of it."""

    enrolment: Enrolment
    replaced_handle: str | None = None
    open_link_id: UUID | None = None

    @property
    def seat(self) -> Seat:
        one = self.enrolment
        return one.account_id, one.template_id, one.member_id

    @property
    def key(self) -> Key:
        return self.enrolment.account_id, self.enrolment.member_id


def wanted(command: EnrolMember) -> Wanted:
    """Check the fields of a command as those of a new member are."""
    save = SaveMember(
        command_id=command.command_id,
        account_id=command.account_id,
        member_id=command.member_id,
        mode="create",
        fields={"external_id": None, **command.fields},
    )
    return Wanted(command, draft(save))


@dataclass(slots=True)
class Desk:
    """What a batch of enrolments touches, locked; each is given or made here, in their order."""

    roster: Roster
    uses: Mapping[Link, int]
    stored: list[Entry]
    others: Mapping[Key, Member]
    """Members of stored enrolments that are not in the roster."""
    news: list[EnrolmentNews] = field(default_factory=list[EnrolmentNews])
    _uses: dict[Link, int] = field(init=False)
    _entries: dict[Seat, Entry] = field(init=False)

    def __post_init__(self) -> None:
        self._uses = dict(self.uses)
        self._entries = {entry.seat: entry for entry in self.stored}

    def enrol(self, wanted: Wanted) -> Enrolled | NotReadyError:
        command, holder = wanted.command, None
        if wanted.claim is not None:
            holder = self.roster.holder(*wanted.claim)
            if holder is None:
                return self._without_holder(wanted)
        unlike = [] if holder is None else differing(holder, wanted)
        found = self._find(wanted, holder)
        if found is None:
            entry = self._make(wanted, holder)
            self._note("enrolled", entry.enrolment.enrolment_id, entry, command)
        else:
            entry = self._with_new_handle(found, command)
        if unlike:
            self._note("conflict", new_id(), entry, command, unlike)
        return Enrolled(
            enrolment=entry.enrolment,
            member=self.roster.find(entry.key) or self.others[entry.key],
            is_new=found is None,
            differs=bool(unlike),
        )

    def added(self) -> list[Entry]:
        """List the enrolments that are new."""
        known = {entry.seat for entry in self.stored}
        return [entry for seat, entry in self._entries.items() if seat not in known]

    def changed(self) -> list[Entry]:
        """List the stored enrolments that have another handle now."""
        now = [(entry, self._entries[entry.seat]) for entry in self.stored]
        return [after for before, after in now if after is not before]

    def used(self) -> dict[Link, int]:
        """Tell the uses of those links that have more now."""
        return {link: uses for link, uses in self._uses.items() if uses != self.uses[link]}

    def _without_holder(self, wanted: Wanted) -> NotReadyError:
        """Tell why nobody has the external id, though whoever lacked it was reserved with it."""
        if self.roster.find(wanted.draft.key) is not None:
            raise MemberExistsError
        # It left its member between our two looks; the next look finds or makes one that has it.
        return NotReadyError()

    def _find(self, wanted: Wanted, holder: Member | None) -> Entry | None:
        command = wanted.command
        if holder is not None:
            return self._entries.get((command.account_id, command.template_id, holder.member_id))
        if command.replaces is not None and (entry := self._replaced(command)):
            return entry
        return self._open(command) if self._is_used_up(wanted) else None

    def _make(self, wanted: Wanted, holder: Member | None) -> Entry:
        if self._is_used_up(wanted):
            raise LinkUsedUpError
        command = wanted.command
        if holder is None:
            member = self.roster.save(wanted.draft).member
        elif holder.version == 0:
            save = wanted.draft.command.model_copy(update={"member_id": holder.member_id})
            member = self.roster.save(replace(wanted.draft, command=save)).member
        else:
            member = holder
        enrolment = Enrolment(
            enrolment_id=new_id(),
            account_id=command.account_id,
            template_id=command.template_id,
            member_id=member.member_id,
            handle=command.handle,
            external_id=member.external_id,
            program_id=command.program_id,
            campaign=command.campaign,
            created_at=self.roster.moment,
        )
        if wanted.link is not None:
            self._uses[wanted.link] += 1
        is_open = wanted.link is not None and wanted.claim is None
        entry = Entry(enrolment, open_link_id=command.link_id if is_open else None)
        self._entries[entry.seat] = entry
        return entry

    def _with_new_handle(self, entry: Entry, command: EnrolMember) -> Entry:
        """Name a new pass in place of the deleted one, unless somebody else has done so."""
        if entry.enrolment.handle != command.replaces:
            return entry
        enrolment = entry.enrolment.model_copy(update={"handle": command.handle})
        entry = replace(entry, enrolment=enrolment, replaced_handle=command.replaces)
        self._entries[entry.seat] = entry
        return entry

    def _note(
        self,
        kind: Literal["enrolled", "conflict"],
        event_id: UUID,
        entry: Entry,
        command: EnrolMember,
        fields: Sequence[str] = (),
    ) -> None:
        one = entry.enrolment
        self.news.append(
            EnrolmentNews(
                event_id=event_id,
                kind=kind,
                account_id=one.account_id,
                template_id=one.template_id,
                member_id=one.member_id,
                enrolment_id=one.enrolment_id,
                handle=one.handle,
                program_id=command.program_id,
                fields=list(fields),
                occurred_at=self.roster.moment,
            )
        )

    def _is_used_up(self, wanted: Wanted) -> bool:
        most = wanted.command.max_uses
        return wanted.link is not None and most is not None and self._uses[wanted.link] >= most

    def _replaced(self, command: EnrolMember) -> Entry | None:
        """Find the enrolment that names the deleted pass, or named it before the present one."""
        for entry in self._of_template(command):
            if command.replaces in {entry.enrolment.handle, entry.replaced_handle}:
                return entry
        return None

    def _open(self, command: EnrolMember) -> Entry | None:
        """Find the first enrolment of the link that has led to no pass yet."""
        for entry in self._of_template(command):
            if entry.open_link_id == command.link_id:
                return entry
        return None

    def _of_template(self, command: EnrolMember) -> Iterator[Entry]:
        for (account_id, template_id, _), entry in self._entries.items():
            if (account_id, template_id) == (command.account_id, command.template_id):
                yield entry


def differing(member: Member, wanted: Wanted) -> list[str]:
    """Name what was given of a person and is otherwise on the member; a new one has it all."""
    if member.version == 0:
        return []
    given = wanted.draft.changes
    return [
        name
        for name in _COMPARED
        if (text := _plain(name, given.get(name))) and text != _plain(name, getattr(member, name))
    ]


def _plain(name: str, text: str | None) -> str:
    trimmed = (text or "").strip()
    return trimmed.casefold() if name == "email" else trimmed
