"""PassSource's constructors: read as template documents, kept as they came, and given back."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pydantic import ValidationError

from services.gateway.catalogue.images import Images
from services.gateway.catalogue.templates import Draft, TemplateNotFoundError, Templates
from services.gateway.domain import Template
from services.gateway.repository.constructors import ConstructorRepository, Publication
from shared.database import Database
from shared.errors import InvalidError
from shared.passes.schema.findings import Finding
from shared.passes.template.compiled import compile_template
from shared.passes.template.constructor import read_constructor, write_constructor
from shared.passes.template.defaults import with_defaults
from shared.passes.template.document import TemplateDocument

MAX_NAME_CHARACTERS: Final = 200
EDIT_CODE: Final = "psEditCode"
EMPTY: Final = TemplateDocument.model_validate({"pass": {}})


class ConstructorError(InvalidError):
    """The passConstructor cannot be used."""

    code = "constructor_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateOrder:
    """What is to be saved of a template; None leaves it as it is."""

    name: str | None = None
    is_public: bool | None = None
    constructor: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class SavedTemplate:
    """A template as it is now, and what is odd about it."""

    template: Template
    warnings: list[Finding]


class Constructors:
    """Templates as PassSource's dialect knows them."""

    def __init__(self, database: Database, templates: Templates, images: Images) -> None:
        self._database = database
        self._images = images
        self._templates = templates

    async def find(self, account_id: UUID, template_id: UUID) -> Publication:
        """Find the constructor of a template's present revision; one is written if it has none."""
        async with self._database.connection() as connection:
            found = await ConstructorRepository(connection).find(account_id, template_id)
        if found is None:
            raise TemplateNotFoundError
        return found

    async def describe(self, template: Template) -> tuple[dict[str, Any], bool]:
        """Give a template's constructor, and whether everybody may copy it."""
        found = await self.find(template.account_id, template.template_id)
        if found.constructor is not None:
            return found.constructor, found.is_public
        document = TemplateDocument.model_validate(template.document)
        return write_constructor(document), found.is_public

    async def create(
        self, account_id: UUID, order: TemplateOrder, command_id: UUID
    ) -> SavedTemplate:
        """Save a new template; under the same command id once."""
        if order.constructor is None:
            raise ConstructorError("A new template needs a passConstructor.")
        document = _document(order.constructor)
        draft = await self._templates.prepare(account_id, _name(order.name), document, None)
        return await self._add(account_id, draft, order, command_id)

    async def copy(
        self, account_id: UUID, source: Template, order: TemplateOrder, command_id: UUID
    ) -> SavedTemplate:
        """Save another account's public template as one's own; its edit code stays behind."""
        constructor, _ = await self.describe(source)
        if order.constructor is not None:
            constructor = order.constructor
        constructor = {key: value for key, value in constructor.items() if key != EDIT_CODE}
        present = TemplateDocument.model_validate(source.document)
        document = _document(constructor, present)
        async with self._database.work() as work:
            await self._images.share(work, account_id, set(document.images.values()))
        name = _name(order.name or source.name)
        draft = await self._templates.prepare(account_id, name, document, None)
        wanted = TemplateOrder(name=name, is_public=order.is_public, constructor=constructor)
        return await self._add(account_id, draft, wanted, command_id)

    async def update(self, template: Template, order: TemplateOrder) -> SavedTemplate:
        """Save the next revision of a template."""
        present = TemplateDocument.model_validate(template.document)
        constructor, is_public = await self.describe(template)
        if order.constructor is not None:
            constructor = order.constructor
            document = _document(constructor, present)
        else:
            document = present
        return await self._replace(
            template,
            document,
            TemplateOrder(
                name=_name(template.name if order.name is None else order.name),
                is_public=is_public if order.is_public is None else order.is_public,
                constructor=constructor,
            ),
        )

    async def change_images(
        self, template: Template, images: Mapping[str, str | None]
    ) -> SavedTemplate:
        """Save a template with other images; None takes one away."""
        present = TemplateDocument.model_validate(template.document)
        constructor, is_public = await self.describe(template)
        slots = {**present.images, **images}
        document = present.model_copy(
            update={"images": {slot: sha256 for slot, sha256 in slots.items() if sha256}}
        )
        order = TemplateOrder(name=template.name, is_public=is_public, constructor=constructor)
        return await self._replace(template, document, order)

    async def change_defaults(self, template: Template, values: Mapping[str, Any]) -> SavedTemplate:
        """Save a template with other values at its paths; its constructor is written anew."""
        present = TemplateDocument.model_validate(template.document)
        compiled = await asyncio.to_thread(
            compile_template, present, name=template.name, organization=""
        )
        document = with_defaults(present, compiled.path_index, values)
        published = await self.find(template.account_id, template.template_id)
        order = TemplateOrder(name=template.name, is_public=published.is_public)
        return await self._replace(template, document, order)

    async def _replace(
        self, template: Template, document: TemplateDocument, order: TemplateOrder
    ) -> SavedTemplate:
        account_id = template.account_id
        draft = await self._templates.prepare(
            account_id, order.name or "", document, None, present=template
        )
        async with self._database.work() as work:
            saved = await self._templates.replace_in(
                work, account_id, template.template_id, draft, expected=template.revision
            )
            await ConstructorRepository(work.connection).save(
                saved.template_id,
                saved.revision,
                order.constructor,
                is_public=order.is_public is True,
            )
        return SavedTemplate(saved, draft.warnings)

    async def _add(
        self, account_id: UUID, draft: Draft, order: TemplateOrder, command_id: UUID
    ) -> SavedTemplate:
        with suppress(TemplateNotFoundError):  # it was saved before, and the answer was lost
            return SavedTemplate(await self._templates.get(account_id, command_id), draft.warnings)
        async with self._database.work() as work:
            saved = await self._templates.add(work, account_id, draft, template_id=command_id)
            await ConstructorRepository(work.connection).save(
                saved.template_id,
                saved.revision,
                order.constructor,
                is_public=order.is_public is True,
            )
        return SavedTemplate(saved, draft.warnings)


def _document(
    constructor: Mapping[str, Any], present: TemplateDocument = EMPTY
) -> TemplateDocument:
    """Translate a constructor; what is no part of it stays as it is."""
    try:
        return read_constructor(
            constructor,
            images=present.images,
            localizations=present.localizations,
            google=present.google,
            barcode_policy=present.barcode_policy,
            scan_when_void=present.scan_when_void,
            void_when_expired=present.void_when_expired,
        )
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise ConstructorError(
            f"The passConstructor cannot be used: {fault['msg'].removeprefix('Value error, ')}."
        ) from error


def _name(name: str | None) -> str:
    if not name or not name.strip() or len(name) > MAX_NAME_CHARACTERS:
        raise ConstructorError(f"templateName takes 1 to {MAX_NAME_CHARACTERS} characters.")
    return name
