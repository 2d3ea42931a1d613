"""Passes as others see them, by the same pure code that composes the pass itself."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from cachetools import LRUCache

from services.gateway.catalogue.accounts import Accounts
from services.gateway.catalogue.identities import Identities
from services.gateway.catalogue.styles import Stylings
from services.gateway.catalogue.templates import Templates
from shared import clock
from shared.contracts.triggers import Pass
from shared.errors import GoneError, NotFoundError
from shared.hashes import environment_of
from shared.passes.language.state import PassState
from shared.passes.schema.localization import FOLDER_SUFFIX, choose_language, split_language
from shared.passes.schema.slots import lay_over, own_images, shows_own_images_only
from shared.passes.styles.choice import named_by
from shared.passes.styles.laying import lay_over as lay_style_over
from shared.passes.styles.style import Style
from shared.passes.template.compiled import CompiledTemplate, compile_template
from shared.passes.template.display import Display
from shared.passes.template.document import TemplateDocument
from shared.passes.template.expiry import expiry_of
from shared.sealing import MasterKeys

MAX_COMPILED = 500
SCALES: Final = ("@3x", "@2x", "")


class PassWithoutTemplateError(GoneError):
    """The template of this pass has been deleted."""

    code = "template_deleted"


@dataclass(frozen=True, slots=True)
class ShownTemplate:
    """One revision of a template, ready to show its passes; it never changes."""

    revision: int
    name: str
    organization: str
    document: TemplateDocument
    compiled: CompiledTemplate
    is_development: bool

    @property
    def images(self) -> Mapping[str, str]:
        """Slot → SHA-256."""
        return self.document.images

    @property
    def localizations(self) -> Mapping[str, Mapping[str, str]]:
        """Language → the template's text → the same in that language."""
        return self.document.localizations

    @property
    def languages(self) -> set[str]:
        """The languages of which the template has texts or images."""
        return {*self.localizations, *(split_language(name)[0] for name in self.images)} - {""}

    def strings(self, accepted: Sequence[str]) -> Mapping[str, str]:
        """Give the template's texts in the best of these languages; none if it has no others."""
        return self.localizations.get(choose_language(accepted, self.languages), {})

    def show(self, state: PassState, accepted: Sequence[str]) -> "Shown":
        """Lay the values of a pass over the template, in the best of these languages."""
        language = choose_language(accepted, self.languages)
        own, own_only = own_images(state.values), shows_own_images_only(state.values)
        images = _localized(lay_over(self.images, own, own_only=own_only), language)
        expiry = expiry_of(self.compiled, state)
        return Shown(
            self.compiled.display(state, self.localizations.get(language)),
            _sharpest(images),
            self.is_development,
            language,
            expiry is not None and expiry <= clock.now(),
        )


@dataclass(frozen=True, slots=True)
class Shown:
    """A pass as a page shows it."""

    display: Display
    images: Mapping[str, str]
    """Image without its scale (`logo`) → SHA-256 of the sharpest one."""
    is_development: bool
    language: str = ""
    """The one of the template's languages that is shown; empty if it is the template's own text."""
    is_expired: bool = False


class Showcase:
    """Shows passes; remembers the revisions it has compiled, the latest used ones."""

    def __init__(
        self,
        templates: Templates,
        stylings: Stylings,
        accounts: Accounts,
        identities: Identities,
        master_keys: MasterKeys,
        *,
        base_url: str,
    ) -> None:
        self._templates = templates
        self._stylings = stylings
        self._accounts = accounts
        self._identities = identities
        self._master_keys = master_keys
        self._base_url = base_url
        self._known = LRUCache[tuple[UUID, int], ShownTemplate](MAX_COMPILED)
        self._styled = LRUCache[tuple[UUID, int, UUID, int], ShownTemplate](MAX_COMPILED)

    async def show(self, issued: Pass, accepted: Sequence[str] = ()) -> Shown:
        """Lay the pass's values over the newest revision of its template.

        `accepted` are the languages of the reader, the best first.
        """
        return (await self.model(issued)).show(issued.state(), accepted)

    async def template(self, account_id: UUID, template_id: UUID) -> ShownTemplate:
        """Give the newest revision of a template, ready to show passes that are not there yet."""
        return await self._model(account_id, template_id)

    async def has_expired(self, issued: Pass) -> bool:
        """Whether the date of a pass, its own or its template's, has passed."""
        model = await self.model(issued)
        expiry = expiry_of(model.compiled, issued.state())
        return expiry is not None and expiry <= clock.now()

    async def up_to_date(self, passes: Sequence[Pass]) -> list[Pass]:
        """Give the passes with their values under today's paths (psPathMigrations).

        Triggers moves them at the next event; without their template they stay as they are.
        """
        owners = {found.template_id: found.account_id for found in passes if found.values}
        found_models = await asyncio.gather(
            *(self._model(account_id, template_id) for template_id, account_id in owners.items()),
            return_exceptions=True,
        )
        models: dict[UUID, ShownTemplate] = {}
        for template_id, model in zip(owners, found_models, strict=True):
            if isinstance(model, ShownTemplate):
                models[template_id] = model
            elif not isinstance(model, PassWithoutTemplateError):
                raise model
        return [_moved(found, models.get(found.template_id)) for found in passes]

    async def compiled(
        self, account_id: UUID, template_id: UUID, revision: int | None = None
    ) -> CompiledTemplate:
        """Give the newest revision of a template, ready to read its passes.

        Whoever has just learned which one that is names it, and none is asked for again.
        """
        return (await self._model(account_id, template_id, revision)).compiled

    async def model(self, issued: Pass) -> ShownTemplate:
        """Give the newest revision of a pass's template, with the style that the pass has."""
        model = await self._model(issued.account_id, issued.template_id)
        named = named_by(
            (issued.style_id, issued.style_group_id),
            issued.member,
            (model.document.style_id, model.document.style_group_id),
        )
        if not named:
            return model
        style = await self._stylings.choose(issued.account_id, named, issued.member)
        if style is None:
            return model
        key = (issued.template_id, model.revision, style.id, style.revision)
        if (styled := self._styled.get(key)) is None:
            styled = self._styled[key] = await asyncio.to_thread(_styled, model, style.document)
        return styled

    async def _model(
        self, account_id: UUID, template_id: UUID, revision: int | None = None
    ) -> ShownTemplate:
        if revision is None:
            revisions = await self._templates.current(account_id, [template_id])
            if template_id not in revisions:
                raise PassWithoutTemplateError
            revision = revisions[template_id]
        known = self._known.get((template_id, revision))
        if known is not None:
            return known
        try:
            template = await self._templates.get(account_id, template_id)
        except NotFoundError as error:  # deleted in this very moment
            raise PassWithoutTemplateError from error
        account = await self._accounts.get(account_id, account_id)
        identity = await self._identities.get(account_id, template.identity_id)
        document = TemplateDocument.model_validate(template.document)
        model = ShownTemplate(
            template.revision,
            template.name,
            account.organization_name,
            document,
            compile_template(
                document,
                name=template.name,
                organization=account.organization_name,
                environment=environment_of(
                    self._master_keys, self._base_url, account_id, template_id
                ),
            ),
            identity.development,
        )
        self._known[template_id, template.revision] = model
        return model


def _styled(model: ShownTemplate, style: Style) -> ShownTemplate:
    document = lay_style_over(style, model.document)
    compiled = compile_template(
        document,
        name=model.name,
        organization=model.organization,
        environment=model.compiled.environment,
    )
    return replace(model, document=document, compiled=compiled)


def _moved(found: Pass, model: ShownTemplate | None) -> Pass:
    if model is None:
        return found
    state = found.state()
    moved = model.compiled.migrate(state)
    if moved is state:
        return found
    changes = {"values": moved.values, "literal": sorted(moved.literal or ())}
    return found.model_copy(update=changes)


def _localized(images: Mapping[str, str], language: str) -> dict[str, str]:
    """Give the images for everybody, with those of the language instead, whatever their scale."""
    folder = f"{language}{FOLDER_SUFFIX}/"
    own = {name.removeprefix(folder): images[name] for name in images if name.startswith(folder)}
    replaced = {name.partition("@")[0] for name in own}
    common = {
        name: digest
        for name, digest in images.items()
        if "/" not in name and name.partition("@")[0] not in replaced
    }
    return {**common, **own}


def _sharpest(images: Mapping[str, str]) -> dict[str, str]:
    return {
        slot.partition("@")[0]: images[slot]
        for scale in reversed(SCALES)
        for slot in sorted(images)
        if slot.removeprefix(slot.partition("@")[0]) == scale
    }
