"""PassSource's constructors: read as template documents, kept as they came, given back unchanged.

`read_constructor` and `write_constructor` are a plain translation without conditions of groups and
such; what shared.passes has under the same names takes their place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import UUID

from pydantic import ValidationError

from services.gateway.catalogue.templates import Draft, TemplateNotFoundError, Templates
from services.gateway.domain import Template
from services.gateway.repository.constructors import ConstructorRepository, Publication
from services.gateway.repository.images import ImageRepository
from shared.database import Database
from shared.errors import InvalidError
from shared.passes.barcodes import BarcodePolicy
from shared.passes.document import TemplateDocument
from shared.passes.registry import IDENTITY_KEYS, keys_of

LONGEST_NAME: Final = 200
EDIT_CODE: Final = "psEditCode"

_WORDS: Final = {
    "PSValue": "value",
    "PSEditable": "editable",
    "PSLabel": "label",
    "PSAttributeType": "type",
    "PSOptions": "options",
    "PSConditions": "conditions",
}
_PS_WORDS: Final = {ours: theirs for theirs, ours in _WORDS.items()}
_MARKS: Final = _WORDS.keys() - {"PSConditions"}


class ConstructorError(InvalidError):
    """The passConstructor cannot be used."""

    code = "constructor_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateOrder:
    """What is to be saved of a template; None leaves it as it is."""

    name: str | None = None
    is_public: bool | None = None
    constructor: dict[str, Any] | None = None


class Constructors:
    """Templates as PassSource's dialect knows them."""

    def __init__(self, database: Database, templates: Templates) -> None:
        self._database = database
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

    async def create(self, account_id: UUID, order: TemplateOrder) -> Template:
        """Save a new template."""
        if order.constructor is None:
            raise ConstructorError("A new template needs a passConstructor.")
        document = _document(order.constructor, {}, "template")
        draft = await self._templates.prepare(account_id, _name(order.name), document, None)
        return await self._add(account_id, draft, order)

    async def copy(self, account_id: UUID, source: Template, order: TemplateOrder) -> Template:
        """Save another account's template as one's own; the code that edits its passes stays."""
        constructor, _ = await self.describe(source)
        if order.constructor is not None:
            constructor = order.constructor
        constructor = {key: value for key, value in constructor.items() if key != EDIT_CODE}
        present = TemplateDocument.model_validate(source.document)
        document = _document(constructor, present.images, present.barcode_policy)
        async with self._database.work() as work:
            for sha256 in sorted(set(document.images.values())):
                await ImageRepository(work.connection).own(account_id, sha256)
        name = _name(order.name or source.name)
        draft = await self._templates.prepare(account_id, name, document, None)
        wanted = TemplateOrder(name=name, is_public=order.is_public, constructor=constructor)
        return await self._add(account_id, draft, wanted)

    async def update(self, template: Template, order: TemplateOrder) -> Template:
        """Save the next revision of a template."""
        present = TemplateDocument.model_validate(template.document)
        constructor, is_public = await self.describe(template)
        if order.constructor is not None:
            constructor = order.constructor
            document = _document(constructor, present.images, present.barcode_policy)
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

    async def change_images(self, template: Template, images: Mapping[str, str | None]) -> Template:
        """Save a template with other images; None takes one away."""
        present = TemplateDocument.model_validate(template.document)
        constructor, is_public = await self.describe(template)
        slots = {**present.images, **images}
        document = present.model_copy(
            update={"images": {slot: sha256 for slot, sha256 in slots.items() if sha256}}
        )
        order = TemplateOrder(name=template.name, is_public=is_public, constructor=constructor)
        return await self._replace(template, document, order)

    async def _replace(
        self, template: Template, document: TemplateDocument, order: TemplateOrder
    ) -> Template:
        account_id = template.account_id
        draft = await self._templates.prepare(account_id, order.name or "", document, None)
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
        return saved

    async def _add(self, account_id: UUID, draft: Draft, order: TemplateOrder) -> Template:
        async with self._database.work() as work:
            saved = await self._templates.add(work, account_id, draft)
            await ConstructorRepository(work.connection).save(
                saved.template_id,
                saved.revision,
                order.constructor,
                is_public=order.is_public is True,
            )
        return saved


def read_constructor(
    constructor: Mapping[str, Any],
    *,
    images: Mapping[str, str] | None = None,
    barcode_policy: BarcodePolicy = "template",
) -> TemplateDocument:
    """Translate a constructor; a plain pass.json is one."""
    known = keys_of("Pass")
    triggers: object = constructor.get("triggers") or dict[str, Any]()
    rest = {
        key: _read(value)
        for key, value in constructor.items()
        if key != "triggers" and key not in IDENTITY_KEYS
    }
    return TemplateDocument.model_validate(
        {
            "pass": {key: value for key, value in rest.items() if key in known},
            "properties": {key: value for key, value in rest.items() if key not in known},
            "triggers": triggers,
            "images": dict(images or {}),
            "barcode_policy": barcode_policy,
        }
    )


def write_constructor(document: TemplateDocument) -> dict[str, Any]:
    """Translate a document back."""
    constructor = {
        key: _write(value) for key, value in {**document.pass_, **document.properties}.items()
    }
    return {**constructor, **({"triggers": document.triggers} if document.triggers else {})}


def _read(value: object) -> Any:  # noqa: ANN401 - whatever JSON can say
    match value:
        case list():
            return [_read(item) for item in cast("list[object]", value)]
        case dict():
            found = cast("dict[str, object]", value)
            if found.keys() & _MARKS:
                found = {"PSValue": None, **found}
                if "PSEditable" in found:
                    found["PSEditable"] = _is_true(found["PSEditable"])
            return {_WORDS.get(key, key): _read(inner) for key, inner in found.items()}
        case _:
            return value


def _write(value: object) -> Any:  # noqa: ANN401 - whatever JSON can say
    match value:
        case list():
            return [_write(item) for item in cast("list[object]", value)]
        case dict():
            found = cast("dict[str, object]", value)
            is_attribute = "value" in found and found.keys() <= _PS_WORDS.keys()
            names = _PS_WORDS if is_attribute and found.keys() != {"value"} else {}
            return {names.get(key, key): _write(inner) for key, inner in found.items()}
        case _:
            return value


def _is_true(value: object) -> bool:
    return value is True or str(value).lower() in {"1", "true", "yes", "on"}


def _document(
    constructor: Mapping[str, Any], images: Mapping[str, str], barcode_policy: BarcodePolicy
) -> TemplateDocument:
    try:
        return read_constructor(constructor, images=images, barcode_policy=barcode_policy)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise ConstructorError(
            f"The passConstructor cannot be used: {fault['msg'].removeprefix('Value error, ')}."
        ) from error


def _name(name: str | None) -> str:
    if not name or not name.strip() or len(name) > LONGEST_NAME:
        raise ConstructorError(f"templateName takes 1 to {LONGEST_NAME} characters.")
    return name
