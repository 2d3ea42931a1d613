"""Fields that announce their change: Wallet shows their `changeMessage` with the new text."""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from shared.passes.language.state import PassState
from shared.passes.schema.skeleton import is_attribute_object
from shared.passes.schema.values import Json, is_object
from shared.passes.template.compiled import CompiledTemplate

PLACEHOLDER: Final = "%@"
NEWS_KEY: Final = "news"
BACK: Final = "backFields"


@dataclass(frozen=True, slots=True)
class FieldPaths:
    """A field of a template, and the paths of what Wallet shows of it."""

    key: str
    style: str
    group: str
    value: str
    message: str
    attributed: str

    def announces(self, compiled: CompiledTemplate, state: PassState) -> bool:
        """Tell whether Wallet shows a message when the field changes on this pass."""
        return PLACEHOLDER in compiled.text_of(state, self.message)


class NoNewsFieldError(Exception):
    """No field would show a message; the text says what to add to the template."""


def fields_of(compiled: CompiledTemplate) -> list[FieldPaths]:
    """List the fields of a template, on both sides of the pass."""
    return [
        FieldPaths(
            leaf.field_key or "",
            str(leaf.location[0]),
            str(leaf.location[1]),
            value=leaf.path,
            message=leaf.path.removesuffix("value") + "changeMessage",
            attributed=leaf.path.removesuffix("value") + "attributedValue",
        )
        for leaf in compiled.path_index.known.values()
        if leaf.is_field_value
    ]


def find_news_field(compiled: CompiledTemplate, state: PassState, key: str | None) -> FieldPaths:
    """Find the field with the key, else `news`, else the only back field with a message."""
    fields = fields_of(compiled)
    wanted = NEWS_KEY if key is None else key
    named = [field for field in fields if field.key == wanted]
    if not named and key is None:
        named = [f for f in fields if f.group == BACK and f.announces(compiled, state)]
        if len(named) > 1:
            keys = ", ".join(field.key for field in named)
            raise NoNewsFieldError(f"Several back fields have a changeMessage: name one of {keys}.")
    if not named:
        raise NoNewsFieldError(
            f"The template has no field {wanted!r}: add to its backFields"
            f' {{"key": "{wanted}", "label": "News", "value": "", "changeMessage": "%@"}}.'
        )
    if not named[0].announces(compiled, state):
        raise NoNewsFieldError(
            f"The field {wanted!r} has no changeMessage with %@, so that no wallet would show it:"
            ' add "changeMessage": "%@" to it in the template.'
        )
    return named[0]


def texts_of(
    compiled: CompiledTemplate, state: PassState, fields: Iterable[FieldPaths]
) -> dict[str, str]:
    """Return the text of each field that would announce its change, by the field's key."""
    return {
        field.key: compiled.text_of(state, field.value)
        for field in fields
        if field.announces(compiled, state)
    }


def with_text(document: dict[str, Any], field: FieldPaths, text: str) -> dict[str, Any]:
    """Return a template's document with another text in a field."""
    changed = deepcopy(document)
    structure: Json = _plain(changed["pass"][field.style])
    for entry in _plain(structure[field.group]):
        if entry.get("key") == field.key:
            value = entry.get("value")
            if is_object(value) and is_attribute_object(value):
                value["value"] = text
            else:
                entry["value"] = text
    return changed


def _plain(value: Json) -> Json:
    return value["value"] if is_object(value) and is_attribute_object(value) else value
