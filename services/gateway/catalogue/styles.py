"""Styles and style groups: checked, saved as revisions, announced to who composes."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Generic
from uuid import UUID

from services.gateway.catalogue.images import Images
from services.gateway.catalogue.templates import RevisionConflictError, refuse_withheld
from services.gateway.domain.styles import Look, LookDraft, Saved
from services.gateway.repository.styles import (
    STYLE_GROUPS,
    STYLES,
    Kind,
    LookRepository,
    plain,
)
from shared.contracts.gateway import ImageReference, StyleGroupSaved, StyleSaved
from shared.contracts.member import ReadMemberStyleUse, StyleUse
from shared.contracts.triggers import ReadPassStyleUse
from shared.database import Connection, Database, UnitOfWork
from shared.errors import ConflictError, InvalidError, NotFoundError
from shared.identifiers import new_id
from shared.messaging.requests import Requester
from shared.passes.language.rights import Withheld
from shared.passes.styles.choice import Named, chosen_style
from shared.passes.styles.groups import StyleGroup, check_group
from shared.passes.styles.laying import lay_over
from shared.passes.styles.style import Style, check_style
from shared.passes.template.compiled import compile_template
from shared.passes.template.document import TemplateDocument

Styling = tuple[UUID | None, UUID | None]
"""A style and a group that somebody names."""


class StyleNotFoundError(NotFoundError):
    """There is no such style in this account."""

    code = "style_not_found"


class StyleGroupNotFoundError(NotFoundError):
    """There is no such style group in this account."""

    code = "style_group_not_found"


class StyleInvalidError(InvalidError):
    """The style has errors."""

    code = "style_invalid"


class StyleGroupInvalidError(InvalidError):
    """The style group has errors."""

    code = "style_group_invalid"


class StyleInUseError(ConflictError):
    """A group, a template, a member or a pass names this style."""

    code = "style_in_use"


class StyleGroupInUseError(ConflictError):
    """A template, a member or a pass names this style group."""

    code = "style_group_in_use"


class UnknownStyleError(InvalidError):
    """There is no such style in this account."""

    code = "style_unknown"


class UnknownStyleGroupError(InvalidError):
    """There is no such style group in this account."""

    code = "style_group_unknown"


class _Looks(ABC, Generic[Look]):
    """What styles and groups have in common."""

    _kind: Kind[Look]
    _not_found: ClassVar[type[NotFoundError]]
    _in_use: ClassVar[type[ConflictError]]

    def __init__(self, database: Database, requester: Requester) -> None:
        self._database = database
        self._requester = requester

    async def add(
        self,
        work: UnitOfWork,
        account_id: UUID,
        draft: LookDraft[Look],
        *,
        look_id: UUID | None = None,
    ) -> Saved[Look]:
        """Save a new one."""
        await self._settle(work.connection, account_id, draft)
        looks = LookRepository(work.connection, self._kind)
        saved = await looks.add(account_id, look_id or new_id(), draft.document)
        work.publish(self._announced(saved, draft.images))
        return saved

    async def replace(
        self,
        account_id: UUID,
        look_id: UUID,
        draft: LookDraft[Look],
        expected: int | None = None,
    ) -> Saved[Look]:
        """Save the next revision, or nothing if nothing changed; `expected` guards the present."""
        async with self._database.work() as work:
            looks = LookRepository(work.connection, self._kind)
            present = await looks.find(account_id, look_id, locked=True)
            if present is None:
                raise self._not_found
            if present.document == draft.document:
                return present
            if expected not in {None, present.revision}:
                raise RevisionConflictError(f"It is at revision {present.revision}.")
            await self._settle(work.connection, account_id, draft)
            saved = await looks.raise_revision(present, draft.document)
            work.publish(self._announced(saved, draft.images))
            return saved

    async def delete(self, account_id: UUID, look_id: UUID) -> None:
        """Delete one that nobody names."""
        await self.get(account_id, look_id)
        uses = await asyncio.gather(
            self._requester.ask(
                ReadMemberStyleUse(account_id=account_id, named_id=look_id), StyleUse
            ),
            self._requester.ask(
                ReadPassStyleUse(account_id=account_id, named_id=look_id), StyleUse
            ),
        )
        if any(use.in_use for use in uses):
            raise self._in_use
        async with self._database.work() as work:
            looks = LookRepository(work.connection, self._kind)
            present = await looks.find(account_id, look_id, locked=True)
            if present is None:
                raise self._not_found
            if await self._is_named(looks, account_id, look_id):
                raise self._in_use
            revision = await looks.delete(present)
            gone = self._announced(present, {})
            work.publish(gone.model_copy(update={"revision": revision, "deleted": True}))

    async def get(self, account_id: UUID, look_id: UUID) -> Saved[Look]:
        """Read one."""
        async with self._database.connection() as connection:
            saved = await LookRepository(connection, self._kind).find(account_id, look_id)
        if saved is None:
            raise self._not_found
        return saved

    async def list(self, account_id: UUID, before: UUID | None, limit: int) -> list[Saved[Look]]:
        """List an account's, newest first."""
        async with self._database.connection() as connection:
            return await LookRepository(connection, self._kind).list_page(account_id, before, limit)

    async def find_many(self, account_id: UUID, ids: Collection[UUID]) -> dict[UUID, Saved[Look]]:
        """Find several; those that are not there lack."""
        if not ids:
            return {}
        async with self._database.connection() as connection:
            return await LookRepository(connection, self._kind).find_many(account_id, ids)

    async def _settle(
        self, connection: Connection, account_id: UUID, draft: LookDraft[Look]
    ) -> None:
        """Check what has to be so until the transaction ends."""

    async def _is_named(self, looks: LookRepository[Look], account_id: UUID, look_id: UUID) -> bool:
        return await looks.is_named_by_templates(account_id, look_id)

    @abstractmethod
    def _announced(
        self, saved: Saved[Look], images: Mapping[str, ImageReference], /
    ) -> StyleSaved | StyleGroupSaved: ...


class Styles(_Looks[Style]):
    """The styles of accounts."""

    _kind = STYLES
    _not_found = StyleNotFoundError
    _in_use = StyleInUseError

    def __init__(self, database: Database, requester: Requester, images: Images) -> None:
        super().__init__(database, requester)
        self._images = images

    async def prepare(
        self, account_id: UUID, style: Style, *, withheld: Sequence[Withheld] = ()
    ) -> LookDraft[Style]:
        """Check a style before a transaction is open; StyleInvalidError lists its errors.

        Its texts may not show what is `withheld` from who writes them: WithheldError.
        """
        findings = await asyncio.to_thread(check_style, style)
        images = dict(style.images())
        own = await self._images.find_own(account_id, images.values())
        for path, sha256 in images.items():
            if sha256 not in own:
                findings.error("unknown-image", path, "upload this image first")
        if findings.errors:
            raise StyleInvalidError(errors=findings.as_problem_errors())
        if withheld:
            await asyncio.to_thread(_check_rights, style, frozenset(withheld))
        (references,) = await self._images.references([style.assets.apple], plain=False)
        return LookDraft(style, findings.warnings, references)

    async def _is_named(
        self, looks: LookRepository[Style], account_id: UUID, look_id: UUID
    ) -> bool:
        is_grouped = await looks.is_in_groups(account_id, look_id)
        return is_grouped or await super()._is_named(looks, account_id, look_id)

    def _announced(
        self, saved: Saved[Style], images: Mapping[str, ImageReference], /
    ) -> StyleSaved:
        return style_saved(saved, images)


class StyleGroups(_Looks[StyleGroup]):
    """The style groups of accounts."""

    _kind = STYLE_GROUPS
    _not_found = StyleGroupNotFoundError
    _in_use = StyleGroupInUseError

    def prepare(self, group: StyleGroup) -> LookDraft[StyleGroup]:
        """Check a group; StyleGroupInvalidError lists its errors."""
        findings = check_group(group)
        if findings.errors:
            raise StyleGroupInvalidError(errors=findings.as_problem_errors())
        return LookDraft(group, findings.warnings, {})

    async def _settle(
        self, connection: Connection, account_id: UUID, draft: LookDraft[StyleGroup]
    ) -> None:
        """Keep the styles of a group from being deleted meanwhile."""
        rules = draft.document.rules
        styles = await LookRepository(connection, STYLES).find_many(
            account_id, {rule.style_id for rule in rules}, kept=True
        )
        faults = [
            {"pointer": f"$.rules[{at}].style_id", "detail": "Unknown style"}
            for at, rule in enumerate(rules)
            if rule.style_id not in styles
        ]
        if faults:
            raise UnknownStyleError(errors=faults)

    def _announced(
        self, saved: Saved[StyleGroup], _images: Mapping[str, ImageReference], /
    ) -> StyleGroupSaved:
        return style_group_saved(saved)


class Stylings:
    """What passes, members and templates name of both."""

    def __init__(self, styles: Styles, groups: StyleGroups) -> None:
        self._styles = styles
        self._groups = groups

    async def check(self, account_id: UUID, named: Sequence[Styling]) -> list[InvalidError | None]:
        """Say of each pair what is wrong with it: a style or a group that is not the account's."""
        styles = await self._styles.find_many(account_id, {s for s, _ in named if s})
        groups = await self._groups.find_many(account_id, {g for _, g in named if g})
        return [_fault(pair, styles, groups) for pair in named]

    async def choose(
        self, account_id: UUID, named: Sequence[Named], member: Mapping[str, Any] | None
    ) -> Saved[Style] | None:
        """Find the style that a pass has, of all that are named for it."""
        groups = await self._groups.find_many(account_id, {one.id for one in named if one.is_group})
        rules = {group_id: group.document.rules for group_id, group in groups.items()}
        wanted = {rule.style_id for group in rules.values() for rule in group}
        wanted |= {one.id for one in named if not one.is_group}
        styles = await self._styles.find_many(account_id, wanted)
        style_id = chosen_style(named, member, rules, styles)
        return styles[style_id] if style_id else None


def style_saved(saved: Saved[Style], images: Mapping[str, ImageReference]) -> StyleSaved:
    """Announce a style as it is."""
    return StyleSaved(
        style_id=saved.id,
        account_id=saved.account_id,
        revision=saved.revision,
        document=plain(saved.document),
        images=dict(images),
    )


def style_group_saved(saved: Saved[StyleGroup]) -> StyleGroupSaved:
    """Announce a group as it is."""
    return StyleGroupSaved(
        style_group_id=saved.id,
        account_id=saved.account_id,
        revision=saved.revision,
        document=plain(saved.document),
    )


def _fault(
    named: Styling, styles: Collection[UUID], groups: Collection[UUID]
) -> InvalidError | None:
    style_id, group_id = named
    if style_id is not None and style_id not in styles:
        return UnknownStyleError(errors=[{"pointer": "/style_id", "detail": "Unknown style"}])
    if group_id is not None and group_id not in groups:
        fault = {"pointer": "/style_group_id", "detail": "Unknown style group"}
        return UnknownStyleGroupError(errors=[fault])
    return None


def _check_rights(style: Style, withheld: frozenset[Withheld]) -> None:
    blank = TemplateDocument.model_validate({"pass": {"storeCard": {}}})
    compiled = compile_template(lay_over(style, blank), name="", organization="")
    refuse_withheld(plain(style), compiled, withheld)
