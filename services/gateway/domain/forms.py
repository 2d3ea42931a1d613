"""Forms that people fill with the values of a pass: their inputs, and what was typed into them.

Values of an input that takes several are posted as `path{0}`, `path{1}`; no path has a brace.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, Final, Literal

from PIL import ImageColor

from services.gateway.domain.validators import failed_validator
from shared.passes.language.own import own_value
from shared.passes.language.paths import (
    EDITOR_PATHS_PATH,
    MESSAGE_PATH,
    PORTAL_PATHS_PATH,
    REGISTRATION_PATHS_PATH,
    Leaf,
)
from shared.passes.language.state import PassState
from shared.passes.schema.colours import normalise_colour
from shared.passes.schema.slots import IMAGE_PATHS
from shared.passes.schema.validators import REQUIRED, read_validators
from shared.passes.schema.values import (
    MISSING,
    TRUE_WORDS,
    Json,
    force_number,
    is_list,
    is_object,
    plain_number,
    to_text,
)
from shared.passes.template.compiled import CompiledTemplate

Kind = Literal["text", "dropdown", "multiselect", "checkbox", "color", "stepper", "image"]
KINDS: Final[Mapping[str, Kind]] = {
    "text": "text",
    "dropdown": "dropdown",
    "multiselect": "multiselect",
    "checkbox": "checkbox",
    "color": "color",
    "colour": "color",
    "stepper": "stepper",
}
NOT_AN_OPTION: Final = "not_an_option"
NOT_A_COLOUR: Final = "not_a_colour"
ADDRESS: Final = "{address}"
"""Behind the path of an image: the field that takes its address."""

MAX_ROWS_CHARACTERS: Final = 60
"""A longer text gets more than one line."""

_PREFIX: Final = "psattributetype"
_KEYBOARDS: Final = {
    "VEmail": "email",
    "VPhone": "tel",
    "VNumeric": "decimal",
    "VDecimal": "decimal",
    "VInteger": "numeric",
    "VDate": "date",
}
_BLACK: Final = "#000000"


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of a dropdown or a multiselect."""

    label: str
    value: str
    is_chosen: bool = False
    is_current: bool = False
    """Whether it is there only because the pass has it."""


@dataclass(frozen=True, slots=True)
class Input:
    """One value that somebody may change."""

    leaf: Leaf
    kind: Kind
    present: Json
    """The value of now: the pass's own, else the template's, MISSING if there is none."""
    choices: Mapping[str, str]
    """What is shown → what is stored."""
    typed: tuple[str, ...] = ()
    """What stands in it; several texts in a multiselect only."""
    fault: str = ""
    """The name of a validator, or of what else is wrong with it."""
    detail: str = ""
    """What is wrong with it, in the words of who refused it."""

    @property
    def path(self) -> str:
        return self.leaf.path

    @property
    def label(self) -> str:
        return self.leaf.label or self.path

    @property
    def text(self) -> str:
        return self.typed[0] if self.typed else ""

    @property
    def is_checked(self) -> bool:
        return self.text.strip().lower() in TRUE_WORDS

    @property
    def is_required(self) -> bool:
        return REQUIRED in read_validators(self.leaf.validation)

    @property
    def keyboard(self) -> str:
        """Which keyboard of a phone suits it: email, tel, decimal, numeric, date, or none."""
        names = read_validators(self.leaf.validation)
        return next((_KEYBOARDS[name] for name in names if name in _KEYBOARDS), "")

    @property
    def image(self) -> str:
        """The SHA-256 of the image that the pass has of its own, if it has one."""
        return self.present if isinstance(self.present, str) else ""

    @property
    def is_day(self) -> bool:
        """Whether a browser's calendar can show what stands in it."""
        try:
            date.fromisoformat(self.text)
        except ValueError:
            return not self.text
        return True

    @property
    def is_long(self) -> bool:
        return "\n" in self.text or len(self.text) > MAX_ROWS_CHARACTERS

    @property
    def step(self) -> str:
        """By how much a stepper goes up and down."""
        amount = abs(force_number(self.leaf.step))
        return to_text(plain_number(amount)) if amount else "1"

    @property
    def hex_colour(self) -> str:
        """The colour as a browser's picker has it."""
        colour = read_colour(self.text)
        return _hex(colour) if colour else _BLACK

    @property
    def options(self) -> list[Option]:
        """What may be chosen, and behind it what the pass has besides."""
        found = [
            Option(label, value, is_chosen=value in self.typed)
            for label, value in self.choices.items()
        ]
        others = [text for text in self.before if text not in self.choices.values()]
        return found + [
            Option(text, text, is_chosen=text in self.typed, is_current=True)
            for text in dict.fromkeys(others)
            if text
        ]

    @property
    def before(self) -> tuple[str, ...]:
        """What stood in it before anything was typed."""
        return _texts_for(self.kind, self.present)

    def stepped(self, direction: int) -> "Input":
        """Give the same with a step more or less."""
        number = force_number(self.text.strip()) + direction * Decimal(self.step)
        return replace(self, typed=(to_text(plain_number(number)),))

    def pressed(self, step: str) -> "Input":
        """Give the same after a button beside a stepper: + or -, and its path."""
        direction = {"+": 1, "-": -1}.get(step[:1], 0)
        is_meant = self.kind == "stepper" and self.path == step[1:]
        return self.stepped(direction) if is_meant and direction else self

    def value(self) -> Json:
        """Give what is to be stored of what was typed."""
        match self.kind:
            case "checkbox":
                is_text = self.leaf.rule.type.kind not in {"boolean", "any"}
                return to_text(self.is_checked) if is_text else self.is_checked
            case "multiselect":
                return list(self.typed) if is_list(self.leaf.default) else ",".join(self.typed)
            case "color":
                return read_colour(self.text) or self.text
            case _:
                return self.text

    @property
    def is_changed(self) -> bool:
        """Whether something else stands in it than the value of now."""
        match self.kind:
            case "checkbox":
                return self.present is MISSING or self.is_checked != (
                    to_text(self.present).lower() in TRUE_WORDS
                )
            case "multiselect":
                return self.typed != self.before
            case "color":
                before = read_colour(to_text(_known(self.present)))
                typed = read_colour(self.text)
                return (_hex(before) if before else _BLACK) != (_hex(typed) if typed else "")
            case _:
                return _lines(self.text) != _lines(to_text(_known(self.present)))


def form_inputs(compiled: CompiledTemplate, state: PassState) -> list[Input]:
    """Give an input for each path that users may edit, those of psRegistrationPaths first."""
    editable = set(compiled.editable_paths)
    wanted = _listed(compiled, state, REGISTRATION_PATHS_PATH)
    paths = dict.fromkeys([path for path in wanted if path in editable])
    paths |= dict.fromkeys(compiled.editable_paths)
    return [_input(compiled, state, path) for path in paths]


def editor_inputs(compiled: CompiledTemplate, state: PassState) -> list[Input]:
    """Give an input for each of psEditorPaths, editable or not; unset, for the editable paths."""
    listed = _listed(compiled, state, EDITOR_PATHS_PATH)
    return [_input(compiled, state, path) for path in dict.fromkeys(listed)] or form_inputs(
        compiled, state
    )


def portal_inputs(compiled: CompiledTemplate, blank: PassState) -> list[Input]:
    """Give an input for each of psPortalUpdatePaths, with what the template itself says there.

    Brackets stand as their author wrote them. Images are changed where templates are.
    """
    listed = dict.fromkeys(_listed(compiled, blank, PORTAL_PATHS_PATH))
    inputs = [_input(compiled, blank, path) for path in listed if path not in IMAGE_PATHS]
    return [
        replace(entry, present=entry.leaf.default, typed=_texts_for(entry.kind, entry.leaf.default))
        for entry in inputs
    ]


def prefill(inputs: Sequence[Input], values: Mapping[str, Any]) -> list[Input]:
    """Put values of a link or an object in; whatever names no input is left out."""
    return [
        _with(entry, _texts_for(entry.kind, values[entry.path])) if entry.path in values else entry
        for entry in inputs
    ]


def take(inputs: Sequence[Input], fields: Mapping[str, Any]) -> list[Input]:
    """Read a form that was sent: what it does not say of an input, stays."""
    return [_with(entry, _sent(entry, fields)) for entry in inputs]


def check(entry: Input) -> Input:
    """Give the same with what is wrong with it, if anything is."""
    if entry.kind == "image":
        return entry
    allowed = {option.value for option in entry.options}
    if entry.kind in {"dropdown", "multiselect"} and not allowed.issuperset(
        text for text in entry.typed if text
    ):
        return replace(entry, fault=NOT_AN_OPTION)
    if entry.kind == "color" and entry.text.strip() and read_colour(entry.text) is None:
        return replace(entry, fault=NOT_A_COLOUR)
    text = to_text(entry.is_checked) if entry.kind == "checkbox" else ",".join(entry.typed)
    return replace(entry, fault=failed_validator(entry.leaf.validation, text) or "")


def changes(
    compiled: CompiledTemplate, state: PassState, inputs: Sequence[Input]
) -> dict[str, Any]:
    """Give the values to be set: what was changed, and all within a container that was set whole.

    Such a container goes (null), so that what users may edit is there for them again.
    """
    owners = {entry.path: _owner(compiled, state, entry) for entry in inputs}
    values = {
        entry.path: entry.value()
        for entry in inputs
        if entry.kind != "image" and (entry.is_changed or owners[entry.path] != entry.path)
    }
    whole = {owner for path, owner in owners.items() if owner != path}
    return values | dict.fromkeys(sorted(whole))


def read_colour(text: str) -> str | None:
    """Read any colour of CSS as `rgb(r, g, b)`; None if it is none."""
    text = text.strip()
    if colour := normalise_colour(text):
        return colour
    try:
        red, green, blue, *_ = ImageColor.getrgb(text)
    except ValueError:
        return None
    return f"rgb({red}, {green}, {blue})"


def _listed(compiled: CompiledTemplate, state: PassState, property_: str) -> list[str]:
    """Read the paths that a property names, but for those that nobody fills here."""
    listed = to_text(compiled.read(state, property_)).split(",")
    found = [compiled.find(path.strip()) for path in listed]
    given = compiled.path_index.given
    return [leaf.path for leaf in found if leaf and leaf.path in given and not leaf.is_read_only]


def _input(compiled: CompiledTemplate, state: PassState, path: str) -> Input:
    leaf = compiled.path_index.given[path]
    if leaf.source == "image":
        return Input(leaf, "image", state.values.get(path, MISSING), {}, ("",))
    value, _ = own_value(compiled.path_index, state.values, leaf)
    present = leaf.default if value is MISSING else value
    choices = _choices(leaf.options)
    kind = KINDS.get((leaf.input_type or "").lower().removeprefix(_PREFIX))
    if kind is None:
        kind = "dropdown" if choices else "text"
    if isinstance(present, str) and "{" in present and path != MESSAGE_PATH:
        present = compiled.text_of(state, path)  # what is shown, not how it is made
    return Input(leaf, kind, present, choices, _texts_for(kind, present))


def _choices(options: Json) -> dict[str, str]:
    if is_object(options):
        return {str(label): to_text(value) for label, value in options.items()}
    if is_list(options):
        return {to_text(option): to_text(option) for option in options}
    return {}


def _sent(entry: Input, fields: Mapping[str, Any]) -> tuple[str, ...]:
    path = entry.path
    if entry.kind == "checkbox":
        return (to_text(fields.get(path, False)),)
    if entry.kind == "multiselect":
        return tuple(
            to_text(fields[name])
            for index in range(len(entry.options))
            if (name := f"{path}{{{index}}}") in fields
        )
    if entry.kind == "image":
        return (to_text(fields.get(f"{path}{ADDRESS}", "")),)
    return _texts_for(entry.kind, fields[path]) if path in fields else entry.typed


def _with(entry: Input, typed: tuple[str, ...]) -> Input:
    return replace(entry, typed=typed)


def _texts_for(kind: Kind, value: Json) -> tuple[str, ...]:
    """Give a value as it stands in an input; a multiselect has its texts one by one."""
    if kind != "multiselect":
        return (to_text(_known(value)),)
    if is_list(value):
        return tuple(map(to_text, value))
    return tuple(part.strip() for part in to_text(_known(value)).split(",") if part.strip())


def _known(value: Json) -> Json:
    return None if value is MISSING else value


def _lines(text: str) -> str:
    """Write line ends as they are stored; a browser sends them otherwise."""
    return text.replace("\r\n", "\n")


def _hex(colour: str) -> str:
    red, green, blue = map(int, colour.removeprefix("rgb(").removesuffix(")").split(","))
    return f"#{red:02x}{green:02x}{blue:02x}"


def _owner(compiled: CompiledTemplate, state: PassState, entry: Input) -> str:
    if entry.path in IMAGE_PATHS:
        return entry.path
    return own_value(compiled.path_index, state.values, entry.leaf)[1]
