"""Templates: checked, saved as revisions, announced to every service that projects them."""

import asyncio
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from services.gateway.catalogue.identities import Identities
from services.gateway.catalogue.images import Images
from services.gateway.catalogue.previews import SAMPLE, Preview, Sample, Setting, preview
from services.gateway.domain import Revision, Standing, Template, TemplateSummary
from services.gateway.repository.accounts import AccountRepository
from services.gateway.repository.styles import STYLE_GROUPS, STYLES, LookRepository
from services.gateway.repository.templates import TemplateRepository
from shared import clock
from shared.contracts.gateway import ImageReference, TemplateDeleted, TemplateSaved
from shared.database import Database, UnitOfWork
from shared.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from shared.identifiers import new_id
from shared.messaging.joining import Joiner
from shared.passes.apple.pass_json import WEB_SERVICE_PATH, AppleIssuer
from shared.passes.language.paths import Leaf
from shared.passes.language.rights import Withheld, is_withheld
from shared.passes.schema.findings import Finding, Findings
from shared.passes.schema.values import (
    MISSING,
    Json,
    Steps,
    is_object,
    json_pointer,
    texts_within,
)
from shared.passes.template.checking import IMAGE_DIGEST
from shared.passes.template.compiled import CompiledTemplate, compile_template
from shared.passes.template.document import TemplateDocument, check_template

MAX_LISTED_TEXTS = 100
"""Texts that are named in one refusal."""


class TemplateNotFoundError(NotFoundError):
    """There is no such template in this account."""

    code = "template_not_found"


class RevisionNotFoundError(NotFoundError):
    """The template has no such revision."""

    code = "revision_not_found"


class TemplateInvalidError(InvalidError):
    """The template has errors."""

    code = "template_invalid"


class RevisionConflictError(ConflictError):
    """The template was changed meanwhile."""

    code = "revision_conflict"


class IdentityFixedError(ConflictError):
    """A template keeps its signing identity: phones refuse a pass that changes its pass type."""

    code = "template_identity_fixed"


class WithheldError(ForbiddenError):
    """Texts would show what this API key may not see.

    Facts of members need the scope `members:read`, the client hash and what carries it `*`.
    """

    code = "text_not_allowed"


@dataclass(frozen=True, slots=True)
class Draft:
    """A template that passed the check, ready to be saved."""

    name: str
    document: TemplateDocument
    identity_id: UUID | None
    images: dict[str, ImageReference]
    warnings: list[Finding]


class Templates:
    """The templates of accounts."""

    def __init__(
        self, database: Database, images: Images, identities: Identities, base_url: str
    ) -> None:
        self._database = database
        self._images = images
        self._identities = identities
        self._base_url = base_url
        self._readers: Joiner[tuple[UUID, UUID], Standing | None] = Joiner(self._read, most=500)

    async def check(
        self, account_id: UUID, name: str, document: TemplateDocument, identity_id: UUID | None
    ) -> Findings:
        """Find all that is wrong or odd with a template, its images and its identity included."""
        findings, setting = await self._inspect(account_id, name, document, identity_id)
        if document.google:
            await asyncio.to_thread(preview, document, SAMPLE, setting, findings)
        return findings

    async def try_out(
        self,
        account_id: UUID,
        name: str,
        document: TemplateDocument,
        identity_id: UUID | None,
        sample: Sample,
    ) -> tuple[Findings, Preview]:
        """Check a template, and compose a sample of it for both wallets whatever is found."""
        findings, setting = await self._inspect(account_id, name, document, identity_id)
        return findings, await asyncio.to_thread(preview, document, sample, setting, findings)

    async def prepare(
        self,
        account_id: UUID,
        name: str,
        document: TemplateDocument,
        identity_id: UUID | None,
        *,
        withheld: Sequence[Withheld] = (),
        present: Template | None = None,
    ) -> Draft:
        """Check a template before a transaction is open; TemplateInvalidError lists its errors.

        A template that is there keeps its identity unless another is named. A writer from whom
        something is `withheld` may let texts show no more of it than they do in the `present`
        revision: WithheldError.
        """
        kept = present.identity_id if present else None
        findings = await self.check(account_id, name, document, identity_id or kept)
        if findings.errors:
            raise TemplateInvalidError(errors=findings.as_problem_errors())
        if withheld:
            await asyncio.to_thread(_check_rights, document, present, frozenset(withheld))
        (images,) = await self._images.references([document.images])
        return Draft(name, document, identity_id, images, findings.warnings)

    async def add(
        self, work: UnitOfWork, account_id: UUID, draft: Draft, *, template_id: UUID | None = None
    ) -> Template:
        """Save a new template; its identity is the one given, else the account's best."""
        identity = await self._identities.choose(work.connection, account_id, draft.identity_id)
        saved = await TemplateRepository(work.connection).add(
            account_id,
            template_id or new_id(),
            identity.identity_id,
            draft.name,
            _plain(draft.document),
        )
        await self._announce(work, saved, draft.images)
        return saved

    async def replace(
        self, account_id: UUID, template_id: UUID, draft: Draft, expected: int | None
    ) -> Template:
        """Save the next revision, or nothing if nothing changed; `expected` guards the present."""
        async with self._database.work() as work:
            return await self.replace_in(work, account_id, template_id, draft, expected=expected)

    async def replace_in(
        self,
        work: UnitOfWork,
        account_id: UUID,
        template_id: UUID,
        draft: Draft,
        *,
        expected: int | None,
    ) -> Template:
        """Replace within a unit of work; the template stays locked until it ends."""
        templates = TemplateRepository(work.connection)
        present = await templates.find_locked(account_id, template_id)
        if present is None:
            raise TemplateNotFoundError
        document = _plain(draft.document)
        identity_id = await self._next_identity(work, present, draft.identity_id)
        same = (draft.name, identity_id) == (present.name, present.identity_id)
        if same and orjson.dumps(document) == orjson.dumps(present.document):
            return present
        if expected not in {None, present.revision}:
            raise RevisionConflictError(f"The template is at revision {present.revision}.")
        saved = await templates.raise_revision(present, identity_id, draft.name, document)
        await self._announce(work, saved, draft.images)
        return saved

    async def delete(self, account_id: UUID, template_id: UUID) -> None:
        """Delete a template, with its passes."""
        async with self._database.work() as work:
            revision = await TemplateRepository(work.connection).delete(account_id, template_id)
            if revision is None:
                raise TemplateNotFoundError
            work.publish(
                TemplateDeleted(template_id=template_id, account_id=account_id, revision=revision)
            )

    async def get(self, account_id: UUID, template_id: UUID) -> Template:
        """Read a template with its whole document."""
        async with self._database.connection() as connection:
            template = await TemplateRepository(connection).find(account_id, template_id)
        if template is None:
            raise TemplateNotFoundError
        return template

    async def list_paths(self, account_id: UUID, template_id: UUID) -> "list[Leaf]":
        """List what a pass may have: what the template gives first, then the rest by name."""
        async with self._database.connection() as connection:
            template = await TemplateRepository(connection).find(account_id, template_id)
            account = await AccountRepository(connection).find(account_id, account_id)
        if template is None or account is None:
            raise TemplateNotFoundError
        compiled = await asyncio.to_thread(
            compile_template,
            TemplateDocument.model_validate(template.document),
            name=template.name,
            organization=account.organization_name,
        )
        leaves = {**compiled.path_index.given, **dict(sorted(compiled.path_index.known.items()))}
        return sorted(leaves.values(), key=lambda leaf: leaf.default is MISSING)

    async def get_revision(self, account_id: UUID, template_id: UUID, revision: int) -> Template:
        """Read a template as it was."""
        async with self._database.connection() as connection:
            template = await TemplateRepository(connection).find_revision(
                account_id, template_id, revision
            )
        if template is None:
            raise RevisionNotFoundError
        return template

    async def list(
        self, account_id: UUID, before: UUID | None, limit: int
    ) -> list[TemplateSummary]:
        """List an account's templates, newest first."""
        async with self._database.connection() as connection:
            return await TemplateRepository(connection).list_page(account_id, before, limit)

    async def list_revisions(
        self, account_id: UUID, template_id: UUID, before: int | None, limit: int
    ) -> "list[Revision]":
        """List a template's revisions, newest first."""
        async with self._database.connection() as connection:
            revisions = await TemplateRepository(connection).list_revisions(
                account_id, template_id, before, limit
            )
        if not revisions and before is None:
            raise TemplateNotFoundError
        return revisions

    async def current(self, account_id: UUID, template_ids: Collection[UUID]) -> dict[UUID, int]:
        """Find the present revisions of those that are living templates of the account.

        Always from the database: who saved a template issues from it at once.
        """
        wanted = list(dict.fromkeys(template_ids))
        standings = await asyncio.gather(
            *(self.standing(account_id, template_id) for template_id in wanted)
        )
        return {
            template_id: standing.revision
            for template_id, standing in zip(wanted, standings, strict=True)
            if standing is not None
        }

    async def standing(self, account_id: UUID, template_id: UUID) -> Standing | None:
        """Find what passes of a living template of the account are made with at this moment."""
        return await self._readers.join((account_id, template_id))

    async def _read(
        self, wanted: "list[tuple[UUID, UUID]]"
    ) -> Sequence[Standing | Exception | None]:
        pairs = sorted(set(wanted))
        async with self._database.connection() as connection:
            found = await TemplateRepository(connection).find_current(pairs)
        return [found.get(pair) for pair in wanted]

    async def _inspect(
        self, account_id: UUID, name: str, document: TemplateDocument, identity_id: UUID | None
    ) -> tuple[Findings, Setting]:
        """Check what no sample is needed for; with it comes what a sample needs."""
        async with self._database.connection() as connection:
            identity = await self._identities.choose(connection, account_id, identity_id)
            account = await AccountRepository(connection).find(account_id, account_id)
        if account is None:
            raise LookupError(account_id)
        findings = await asyncio.to_thread(check_template, document)
        for detail in self._identities.warnings(identity):
            findings.warn("identity", "$.identity_id", detail)
        if document.style_id or document.style_group_id:
            await self._check_styling(account_id, document, findings)
        images = dict(_images_of(document))
        own = await self._images.find_own(account_id, images.values())
        for path, sha256 in images.items():
            if sha256 not in own:
                findings.error("unknown-image", path, "upload this image first")
        return findings, Setting(
            name=name,
            organization=account.organization_name,
            apple=AppleIssuer(
                identity.pass_type_identifier,
                identity.team_identifier,
                self._base_url + WEB_SERVICE_PATH,
            ),
            base_url=self._base_url,
            images=own,
            plain_logo=await self._images.plain_logo(),
            at=clock.now(),
        )

    async def _check_styling(
        self, account_id: UUID, document: TemplateDocument, findings: Findings
    ) -> None:
        async with self._database.connection() as connection:
            styles, groups = (
                LookRepository(connection, STYLES),
                LookRepository(connection, STYLE_GROUPS),
            )
            named = document.style_id
            if named is not None and await styles.find(account_id, named) is None:
                findings.error("unknown-style", "$.style_id", "there is none with this id")
            named = document.style_group_id
            if named is not None and await groups.find(account_id, named) is None:
                findings.error("unknown-style", "$.style_group_id", "there is none with this id")

    async def _next_identity(
        self, work: UnitOfWork, present: Template, wanted: UUID | None
    ) -> UUID:
        """Let go of a development identity for a real one: no phone holds its passes."""
        if wanted is None or wanted == present.identity_id:
            return present.identity_id
        chosen = await self._identities.choose(work.connection, present.account_id, wanted)
        held = await self._identities.choose(
            work.connection, present.account_id, present.identity_id
        )
        if not held.development:
            raise IdentityFixedError
        return chosen.identity_id

    async def _announce(
        self, work: UnitOfWork, template: Template, images: dict[str, ImageReference]
    ) -> None:
        accounts = AccountRepository(work.connection)
        account = await accounts.find(template.account_id, template.account_id)
        if account is None:
            raise LookupError(template.account_id)
        work.publish(template_saved(template, account.organization_name, images))


def _images_of(document: TemplateDocument) -> Iterator[tuple[str, str]]:
    """Give the images that a template names, by JSON path."""
    for name, sha256 in document.images.items():
        yield f"$.images.{name}", sha256
    given: Json = document.google.get("images")
    for name, sha256 in given.items() if is_object(given) else ():
        if isinstance(sha256, str) and IMAGE_DIGEST.fullmatch(sha256):
            yield f"$.google.images.{name}", sha256


def _check_rights(
    document: TemplateDocument, present: Template | None, withheld: frozenset[Withheld]
) -> None:
    known: set[tuple[Steps, str]] = set()
    if present is not None:
        before = TemplateDocument.model_validate(present.document)
        known = set(_texts_showing(_plain(before), _compiled(before), withheld))
    refuse_withheld(_plain(document), _compiled(document), withheld, known)


def refuse_withheld(
    written: dict[str, Any],
    compiled: CompiledTemplate,
    withheld: frozenset[Withheld],
    known: Collection[tuple[Steps, str]] = (),
) -> None:
    """Raise WithheldError if what is written has texts that show more than those that are known."""
    new = [shown for shown in _texts_showing(written, compiled, withheld) if shown not in known]
    if new:
        raise WithheldError(
            errors=[
                {
                    "pointer": json_pointer(steps),
                    "detail": f"It shows {{{name}}}, which the key may not see.",
                }
                for steps, name in new[:MAX_LISTED_TEXTS]
            ]
        )


def _compiled(document: TemplateDocument) -> CompiledTemplate:
    return compile_template(document, name="", organization="")


def _texts_showing(
    written: dict[str, Any], compiled: CompiledTemplate, withheld: frozenset[Withheld]
) -> Iterator[tuple[Steps, str]]:
    """Give the places of texts that show what is withheld, with the name they show."""
    for steps, text in texts_within(written):
        if "{" in text:
            for name in sorted(compiled.names_shown(text)):
                if is_withheld(name, withheld):
                    yield steps, name


def template_saved(
    template: Template, organization_name: str, images: dict[str, ImageReference]
) -> TemplateSaved:
    """Announce a template as it is."""
    return TemplateSaved(
        template_id=template.template_id,
        account_id=template.account_id,
        revision=template.revision,
        template_name=template.name,
        organization_name=organization_name,
        apple_identity_id=template.identity_id,
        document=template.document,
        images=images,
    )


def _plain(document: TemplateDocument) -> dict[str, Any]:
    # Without what is newer than templates are, unless it is used: saving the same again makes no
    # revision.
    newer = (
        "localizations", "google", "scan_when_void", "void_when_expired", "style_id",
        "style_group_id",
    )  # fmt: skip
    left_out = {name for name in newer if not getattr(document, name)}
    return document.model_dump(mode="json", by_alias=True, exclude=left_out)
