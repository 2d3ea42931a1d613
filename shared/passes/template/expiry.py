"""When a pass expires: the date that is composed onto it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from shared.passes.language.migrations import read_migrations
from shared.passes.language.paths import MIGRATIONS_PATH
from shared.passes.language.state import PassState
from shared.passes.schema.skeleton import is_attribute_object
from shared.passes.schema.values import MISSING, Json, is_date, is_object
from shared.passes.template.compiled import CompiledTemplate

EXPIRATION_PATH: Final = "expirationDate"


def expiry_of(compiled: CompiledTemplate, state: PassState) -> datetime | None:
    """Return when a pass expires by its own date or the template's; None if it never does."""
    leaf = compiled.find(EXPIRATION_PATH)
    state = compiled.migrate(state)
    if EXPIRATION_PATH not in state.values and (leaf is None or leaf.default is MISSING):
        return None
    text = compiled.text_of(state, EXPIRATION_PATH)
    if not is_date(text):
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except OverflowError:
        return None


def dates_passes(document: Mapping[str, Any]) -> Json:
    """Return what in a template decides when its passes expire.

    Two revisions that are equal in this give every pass the same date, except one whose own date
    has brackets for a text of the template.
    """
    pass_ = document.get("pass")
    value: Json = pass_.get(EXPIRATION_PATH) if is_object(pass_) else None
    if is_object(value) and is_attribute_object(value):
        value = value["value"]
    if isinstance(value, str) and "{" in value:
        return document
    properties = document.get("properties")
    moves: Json = properties.get(MIGRATIONS_PATH) if is_object(properties) else None
    return [value, read_migrations(moves)]
