"""Templates as callers of the Pass2U API see them: models, with a number and fields by key."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Final, Literal
from uuid import UUID

from cachetools import LRUCache

from services.gateway.catalogue.showcase import PassWithoutTemplateError, Showcase
from services.gateway.catalogue.templates import Templates
from services.gateway.repository.templates import TemplateRepository
from shared.database import Database
from shared.errors import NotFoundError
from shared.passes.language.paths import Leaf, PathIndex
from shared.passes.template.compiled import CompiledTemplate

FieldKind = Literal["fixed", "dynamic", "points", "credits"]
"""What may be given to a field of a pass: nothing; anything; nothing, since it counts something."""

COUNTED: Final[tuple[FieldKind, ...]] = ("points", "credits")
"""The kinds of fields that a template marks with `type`, whose values no call may set."""

MAX_KNOWN: Final = 50_000
MAX_FIELDS_KNOWN: Final = 1_000


class ModelNotFoundError(NotFoundError):
    """There is no model with this number in this account."""

    code = "model_not_found"


@dataclass(frozen=True, slots=True)
class ModelField:
    """A field of a model, and the paths of what a pass may say of it."""

    kind: FieldKind
    label: str
    value: str
    change_message: str

    @property
    def paths(self) -> tuple[str, str, str]:
        return self.label, self.value, self.change_message


Fields = Mapping[str, ModelField]


@dataclass(frozen=True, slots=True)
class Model:
    """A template at its newest revision, as one call of the Pass2U API needs it."""

    model_id: int
    template_id: UUID
    revision: int
    compiled: CompiledTemplate
    fields: Fields
    """By their keys."""
    zone: timezone
    """In which the account wants times to be written."""


class Models:
    """Finds models by their numbers; which template a number means never changes."""

    def __init__(self, database: Database, templates: Templates, showcase: Showcase) -> None:
        self._database = database
        self._templates = templates
        self._showcase = showcase
        self._ids = LRUCache[tuple[UUID, int], UUID](MAX_KNOWN)
        self._fields = LRUCache[tuple[UUID, int], Fields](MAX_FIELDS_KNOWN)

    async def find(self, account_id: UUID, model_id: int) -> Model:
        """Find a living template of the account by its number, or raise ModelNotFoundError."""
        template_id = await self._template_of(account_id, model_id)
        standing = await self._templates.standing(account_id, template_id)
        if standing is None:
            raise ModelNotFoundError
        try:
            compiled = await self._showcase.compiled(account_id, template_id, standing.revision)
        except PassWithoutTemplateError as error:  # deleted in this very moment
            raise ModelNotFoundError from error
        fields = self._fields.get((template_id, standing.revision))
        if fields is None:
            fields = list_fields(compiled.path_index)
            self._fields[template_id, standing.revision] = fields
        return Model(
            model_id,
            template_id,
            standing.revision,
            compiled,
            fields,
            read_zone(standing.utc_offset),
        )

    async def _template_of(self, account_id: UUID, model_id: int) -> UUID:
        known = self._ids.get((account_id, model_id))
        if known is not None:
            return known
        async with self._database.connection() as connection:
            found = await TemplateRepository(connection).find_model(account_id, model_id)
        if found is None:
            raise ModelNotFoundError
        self._ids[account_id, model_id] = found
        return found


@lru_cache(maxsize=64)
def read_zone(utc_offset: str) -> timezone:
    """Read an offset such as `+08:00`."""
    offset = datetime.fromisoformat(f"2000-01-01T00:00:00{utc_offset}").utcoffset()
    return timezone(offset or timedelta())


def list_fields(path_index: PathIndex) -> Fields:
    """List the fields of a template by their keys: dynamic is what its value is marked as."""
    values = [leaf for leaf in path_index.given.values() if leaf.is_field_value]
    return {leaf.field_key: _field(leaf) for leaf in values if leaf.field_key is not None}


def _field(leaf: Leaf) -> ModelField:
    stem = leaf.path.removesuffix("_value")
    kind: FieldKind = "dynamic" if leaf.dynamic else "fixed"
    for counted in COUNTED:
        if leaf.input_type == counted:
            kind = counted
    return ModelField(kind, f"{stem}_label", leaf.path, f"{stem}_changeMessage")
