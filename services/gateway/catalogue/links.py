"""Link programs and their keys; what a link says, and whether it still works."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, Literal
from uuid import UUID

from cachetools import LRUCache

from services.gateway.domain.links import (
    LINK_KEY_PURPOSE,
    MAX_LINK_KEYS,
    MAX_PROGRAMS,
    LinkKey,
    LinkKeyKind,
    LinkProgram,
)
from services.gateway.repository.links import LinkMark, LinkRepository
from shared import clock
from shared.database import Database, UnitOfWork
from shared.errors import ConflictError, GoneError, InvalidError, NotFoundError
from shared.identifiers import moment_of
from shared.messaging.joining import Joiner
from shared.passes.links.passkit import PassKitData, open_passkit_data, read_passkit_data
from shared.passes.links.tokens import LinkClaims, LinkSealer, key_id_of, link_key_id, new_link_key
from shared.sealing import MasterKeys

MAX_OPENED: Final = 10_000
"""Keys that are kept in memory, ready to be used."""

NO_GRACE: Final = timedelta()

RevocationSubject = Literal["link", "campaign", "key"]


class ProgramNotFoundError(NotFoundError):
    """There is no such link program in this account."""

    code = "link_program_not_found"


class TooManyProgramsError(ConflictError):
    """An account has at most 1,000 link programs."""

    code = "too_many_link_programs"


class TooManyLinkKeysError(ConflictError):
    """A link program has at most 20 keys: revoked ones count, since their links are told apart."""

    code = "too_many_link_keys"


class LinkKeyNotFoundError(InvalidError):
    """The link program has no such key."""

    code = "link_key_unknown"


class LinkKeyEndedError(ConflictError):
    """The link program has no key that seals: rotate it."""

    code = "link_key_ended"


class LinkNotFoundError(NotFoundError):
    """There is no such link."""

    code = "link_not_found"


class LinkEndedError(GoneError):
    """The link no longer works."""

    code = "link_ended"


@dataclass(frozen=True, slots=True)
class PublicProgram:
    """A program as those need it who open its links."""

    program: LinkProgram
    keys: Mapping[str, LinkKey]


@dataclass(frozen=True, slots=True)
class OpenedLink:
    """A link that could be read; whether it still works is another question."""

    program: LinkProgram
    content: LinkClaims | PassKitData
    is_key_ended: bool


class LinkPrograms:
    """The link programs of accounts."""

    def __init__(self, database: Database, master_keys: MasterKeys) -> None:
        self._database = database
        self._master_keys = master_keys
        self._opened = LRUCache[str, bytes](MAX_OPENED)
        self._sealers = LRUCache[str, LinkSealer](MAX_OPENED)
        self._programs: Joiner[UUID, PublicProgram | None] = Joiner(self._read, most=500)
        self._revocations: Joiner[LinkMark, bool] = Joiner(self._look_up, most=500)

    async def add(self, work: UnitOfWork, program: LinkProgram) -> LinkKey:
        """Keep a new program; its first key."""
        links = LinkRepository(work.connection)
        if await links.count_locked(program.account_id) >= MAX_PROGRAMS:
            raise TooManyProgramsError
        await links.add(program)
        return await self._add_key(links, program, "passwright", new_link_key())

    async def get(self, account_id: UUID, program_id: UUID) -> tuple[LinkProgram, list[LinkKey]]:
        """Read a program with its keys, the newest first."""
        async with self._database.connection() as connection:
            links = LinkRepository(connection)
            program = await links.find(account_id, program_id)
            if program is None:
                raise ProgramNotFoundError
            return program, await links.keys_of([program_id])

    async def list(
        self, account_id: UUID, before: UUID | None, limit: int
    ) -> "list[tuple[LinkProgram, list[LinkKey]]]":
        """List programs with their keys, newest first."""
        async with self._database.connection() as connection:
            links = LinkRepository(connection)
            programs = await links.list_page(account_id, before, limit)
            keys = await links.keys_of([program.program_id for program in programs])
        return [
            (program, [key for key in keys if key.program_id == program.program_id])
            for program in programs
        ]

    async def change(
        self, account_id: UUID, program_id: UUID, changes: Mapping[str, Any]
    ) -> tuple[LinkProgram, "list[LinkKey]"]:
        """Change what holds for the links of a program, those already sent included."""
        async with self._database.work() as work:
            links = LinkRepository(work.connection)
            program = await self._locked(links, account_id, program_id)
            program = replace(program, **changes, updated_at=clock.now())
            await links.save(program)
            return program, await links.keys_of([program_id])

    async def delete(self, account_id: UUID, program_id: UUID) -> None:
        """Delete a program with its keys: none of its links can be read any more."""
        async with self._database.work() as work:
            if not await LinkRepository(work.connection).delete(account_id, program_id):
                raise ProgramNotFoundError

    async def rotate(
        self, work: UnitOfWork, account_id: UUID, program_id: UUID, grace: timedelta | None
    ) -> tuple[LinkProgram, "list[LinkKey]"]:
        """Give a program a new key that seals; links of those before work for `grace` more."""
        links = LinkRepository(work.connection)
        program = await self._locked(links, account_id, program_id)
        if grace is not None:
            for key in await links.keys_of([program_id]):
                if key.kind == "passwright":
                    await links.end_keys(key, grace)
        await self._add_key(links, program, "passwright", new_link_key())
        return program, await links.keys_of([program_id])

    async def add_legacy(
        self, work: UnitOfWork, account_id: UUID, program_id: UUID, key: bytes
    ) -> LinkKey:
        """Let PassKit's own links of a key work; the same key again changes nothing."""
        links = LinkRepository(work.connection)
        program = await self._locked(links, account_id, program_id)
        return await self._add_key(links, program, "passkit", key)

    async def revoke(
        self,
        work: UnitOfWork,
        account_id: UUID,
        program_id: UUID,
        subject: RevocationSubject,
        name: str,
    ) -> None:
        """End a link, the links of a campaign that were made until now, or those of a key."""
        links = LinkRepository(work.connection)
        await self._locked(links, account_id, program_id)
        if subject != "key":
            await links.revoke(program_id, subject, name)
            return
        found = [key for key in await links.keys_of([program_id]) if key.key_id == name]
        if not found:
            fault = {"pointer": "/key_id", "detail": "Unknown key"}
            raise LinkKeyNotFoundError(errors=[fault])
        await links.end_keys(found[0], NO_GRACE)

    def sealing_key(self, keys: Collection[LinkKey]) -> tuple[str, bytes]:
        """Open the key that seals new links of a program: its newest that has not ended."""
        now = clock.now()
        for key in keys:  # newest first
            if key.kind == "passwright" and not key.has_ended(now):
                return key.key_id, self._open_key(key)
        raise LinkKeyEndedError

    def sealer(self, program: LinkProgram, keys: Collection[LinkKey]) -> LinkSealer:
        """Make what seals new links of a program."""
        _, key = self.sealing_key(keys)
        return program.sealer(key)

    async def open(self, program_id: UUID, data: str, iv: str | None) -> OpenedLink:
        """Read a link; LinkNotFoundError for whatever was not sealed for this program."""
        public = await self._programs.join(program_id)
        if public is None:
            raise LinkNotFoundError
        found = self._open_own(public, data) if iv is None else self._open_passkit(public, data, iv)
        if found is None:
            raise LinkNotFoundError
        return found

    async def check(self, program: LinkProgram, claims: LinkClaims) -> None:
        """Refuse a link that has ended, has not begun or was revoked: LinkEndedError."""
        now = clock.now()
        second = now.timestamp()
        is_late = claims.expires_at is not None and claims.expires_at <= second
        is_early = claims.not_before is not None and claims.not_before > second
        mark = LinkMark(
            program.program_id, str(claims.link_id), claims.campaign, moment_of(claims.link_id)
        )
        if is_late or is_early or await self._revocations.join(mark):
            raise LinkEndedError

    def _open_own(self, public: PublicProgram, token: str) -> OpenedLink | None:
        key = public.keys.get(key_id_of(token))
        if key is None or key.kind != "passwright":
            return None
        sealer = self._sealers.get(key.sealed)
        if sealer is None:
            sealer = self._sealers[key.sealed] = public.program.sealer(self._open_key(key))
        text = sealer.open(token)
        claims = None if text is None else LinkClaims.read(text)
        if claims is None:
            return None
        return OpenedLink(public.program, claims, key.has_ended(clock.now()))

    def _open_passkit(self, public: PublicProgram, data: str, iv: str) -> OpenedLink | None:
        read = read_passkit_data(data, iv)
        if read is None:
            return None
        for key in public.keys.values():
            if key.kind != "passkit":
                continue
            fields = open_passkit_data(self._open_key(key), *read)
            if fields is not None:
                return OpenedLink(public.program, fields, key.has_ended(clock.now()))
        return None

    async def _read(self, wanted: "list[UUID]") -> Sequence[PublicProgram | Exception | None]:
        async with self._database.connection() as connection:
            links = LinkRepository(connection)
            programs = await links.find_public(set(wanted))
            keys = await links.keys_of(list(programs))
        found = {
            program_id: PublicProgram(
                program, {key.key_id: key for key in keys if key.program_id == program_id}
            )
            for program_id, program in programs.items()
        }
        return [found.get(program_id) for program_id in wanted]

    async def _look_up(self, marks: "list[LinkMark]") -> Sequence[bool | Exception]:
        async with self._database.connection() as connection:
            revoked = await LinkRepository(connection).find_revoked(marks)
        return [(mark.program_id, mark.link_id) in revoked for mark in marks]

    async def _locked(
        self, links: LinkRepository, account_id: UUID, program_id: UUID
    ) -> LinkProgram:
        program = await links.find(account_id, program_id, locked=True)
        if program is None:
            raise ProgramNotFoundError
        return program

    async def _add_key(
        self, links: LinkRepository, program: LinkProgram, kind: LinkKeyKind, key: bytes
    ) -> LinkKey:
        owner = str(program.program_id)
        added = LinkKey(
            program_id=program.program_id,
            key_id=link_key_id(key),
            kind=kind,
            sealed=self._master_keys.seal(key, purpose=LINK_KEY_PURPOSE, owner=owner),
            created_at=clock.now(),
            ends_at=None,
        )
        present = await links.keys_of([program.program_id])
        for known in present:
            if known.key_id == added.key_id:
                return known
        if len(present) >= MAX_LINK_KEYS:
            raise TooManyLinkKeysError
        await links.add_key(added)
        return added

    def _open_key(self, key: LinkKey) -> bytes:
        opened = self._opened.get(key.sealed)
        if opened is None:
            owner = str(key.program_id)
            opened = self._master_keys.open(key.sealed, purpose=LINK_KEY_PURPOSE, owner=owner)
            self._opened[key.sealed] = opened
        return opened
