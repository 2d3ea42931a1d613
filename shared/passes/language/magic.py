"""Magic strings: `{path}` in a text stands for the composed value of that path."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, TypeAlias

from shared.passes.language.own import own_value
from shared.passes.language.paths import (
    DESCRIPTION_PATH,
    MEMBER_FACTS,
    MESSAGE_PATH,
    PASS_DESCRIPTION_PATH,
    PORTAL_HEADER_PATH,
    Leaf,
    PathIndex,
)
from shared.passes.language.rights import NOTHING, is_withheld, withheld_from
from shared.passes.language.specials import (
    PAGE_WORDS,
    SCANNER_CONFIG,
    SCANNER_CONFIG_URL,
    SPECIAL_WORDS,
    encode_url,
    special_text,
)
from shared.passes.language.state import Environment, PassState
from shared.passes.schema.skeleton import BRACKET
from shared.passes.schema.values import (
    MISSING,
    Json,
    escape_html,
    is_list,
    is_object,
    to_text,
)

_DEEPEST: Final = 8
_MAX_CHARACTERS: Final = 64 * 1024
# Chains of brackets with nothing in them cost time without making text.
_MAX_REFERENCES: Final = 4096
_MAX_TRANSFORMATIONS: Final = 4
MAX_BRACKETS: Final = 1024
"""Of one text; those behind them stay as they are."""
_TRANSFORMATION = re.compile(r"(.+):(URLEncoded|EscapedQuotes|PassScannerConfig)", re.DOTALL)
_HTML_KEY: Final = "attributedValue"


@dataclass(frozen=True, slots=True)
class Reference:
    """A bracket that means something: a path or a special word, and what becomes of its text."""

    name: str
    bracket: str
    is_special: bool = False
    transformations: tuple[str, ...] = ()
    # Whether this is a path and nothing more: asked for every bracket of every pass.
    is_plain: bool = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Decide once what kind of bracket this is."""
        is_unusual = self.is_special or self.transformations or self.name == MESSAGE_PATH
        object.__setattr__(self, "is_plain", not is_unusual)


# Literal text and references in turn, beginning and ending with literal text.
Parts: TypeAlias = tuple[Any, ...]


def find_reference(name: str, path_index: PathIndex) -> Reference | None:
    """Return what stands between brackets, or None if it names nothing."""
    bracket = f"{{{name}}}"
    transformations: list[str] = []
    while True:
        # A field's key may hold a colon, so that the whole comes first.
        if name in SPECIAL_WORDS:
            return Reference(name, bracket, is_special=True, transformations=(*transformations,))
        leaf = path_index.find(name)
        if leaf is not None:
            return Reference(leaf.path, bracket, transformations=(*transformations,))
        matched = _TRANSFORMATION.fullmatch(name)
        if matched is None or len(transformations) == _MAX_TRANSFORMATIONS:
            return None
        name = matched[1]
        transformations.insert(0, matched[2])


def parse(text: str, path_index: PathIndex) -> Parts | None:
    """Return the text cut at the brackets that mean something, or None if there are none.

    Only its first `MAX_BRACKETS` are looked at.
    """
    parts: list[Any] = []
    literal = ""
    end = 0
    known: dict[str, Reference | None] = {}
    for matched in islice(BRACKET.finditer(text), MAX_BRACKETS):
        name = matched[1]
        if name not in known:
            known[name] = find_reference(name, path_index)
        reference = known[name]
        literal += text[end : matched.start()]
        end = matched.end()
        if reference is None:
            literal += matched[0]
        else:
            parts += (literal, reference)
            literal = ""
    return (*parts, literal + text[end:]) if parts else None


def unknown_paths(text: str, path_index: PathIndex) -> list[str]:
    # Brackets of JSON written as text are none of ours.
    names = [name for name in BRACKET.findall(text) if '"' not in name and name not in PAGE_WORDS]
    return [name for name in names if find_reference(name, path_index) is None]


def references_of(parts: Parts) -> list[Reference]:
    return list(parts[1::2])


Fill: TypeAlias = Callable[["Expansion"], Any]


def compile_value(value: Json, path_index: PathIndex) -> Fill:
    """Return what makes a JSON value with all texts in it expanded."""
    if isinstance(value, str):
        parts = parse(value, path_index)
        if parts is not None:
            return lambda expansion: expansion.expand(parts, "")
    elif is_list(value):
        entries = [compile_value(entry, path_index) for entry in value]
        return lambda expansion: [fill(expansion) for fill in entries]
    elif is_object(value):
        members = {key: compile_value(entry, path_index) for key, entry in value.items()}
        return lambda expansion: {key: fill(expansion) for key, fill in members.items()}
    return lambda _expansion: value


@dataclass(frozen=True, slots=True)
class Lexicon:
    """What the brackets of one template mean."""

    path_index: PathIndex
    texts: Mapping[str, Parts]
    barcode_policy: str
    edit_code: str = ""
    environment: Environment = field(default_factory=Environment)


class Expansion:
    """Expands texts against one state; its limits hold for all texts of one composing together."""

    __slots__ = (
        "_characters",
        "_has_containers",
        "_known",
        "_lexicon",
        "_parsed",
        "_path_index",
        "_references",
        "_state",
        "_texts",
        "_values",
        "_withheld",
        "loops",
    )

    def __init__(self, lexicon: Lexicon, state: PassState) -> None:
        self._lexicon = lexicon
        self._path_index = lexicon.path_index
        self._known = lexicon.path_index.known
        self._texts = lexicon.texts
        self._state = state
        self._values = state.values
        # What the text being expanded may not show: that of a value whose writer lacked a right.
        self._withheld = NOTHING
        self._references = _MAX_REFERENCES
        self._characters = _MAX_CHARACTERS
        # Own values that were cut at their brackets; many others may name the same one.
        self._parsed: dict[str, Parts | None] = {}
        self._has_containers = not lexicon.path_index.containers.isdisjoint(state.values)
        # Paths whose text led back to itself.
        self.loops: list[str] = []

    @property
    def happened(self) -> frozenset[str]:
        return self._state.happened

    @property
    def spent(self) -> int:
        """How much of the limits is used up, in characters and references."""
        return _MAX_REFERENCES - self._references + _MAX_CHARACTERS - self._characters

    def expand(self, parts: Parts, path: str) -> str:
        """Return the text of `path`, its brackets replaced."""
        return self._expand(parts, (path,))

    def expand_html(self, parts: Parts, path: str) -> str:
        """Return the same for a text that holds markup: what is put in is escaped."""
        return self._expand(parts, (path,), escape_html)

    def expand_url(self, parts: Parts) -> str:
        """Return an address: what is put in is URL-encoded, except where the address begins."""
        pieces = list(parts)
        for index in range(1, len(pieces), 2):
            reference: Reference = pieces[index]
            text = self._reference(reference, ("",))
            if text is None:
                pieces[index] = reference.bracket
            elif (index == 1 and not pieces[0]) or "URLEncoded" in reference.transformations:
                pieces[index] = text
            else:
                pieces[index] = encode_url(text)
        return "".join(pieces)

    def expand_own(self, leaf: Leaf, value: Json) -> Json:
        """Return an own value that may be expanded, with all texts in it expanded."""
        is_markup = bool(leaf.location) and leaf.location[-1] == _HTML_KEY
        return self._expand_json(value, leaf.path, is_markup=is_markup)

    def expand_own_text(
        self, path: str, value: str, owner: str, *, is_markup: bool = False
    ) -> str | None:
        """Return the text at a path, from the own value of `owner`; None: it has no brackets."""
        parts = self._cut(value)
        if parts is None:
            return None
        return self._expand_written(owner, parts, (path,), escape_html if is_markup else None)

    def _cut(self, value: str) -> Parts | None:
        """Do what `parse` does for an own value, once for each text."""
        if "{" not in value:
            return None
        if value not in self._parsed:
            self._parsed[value] = parse(value, self._path_index)
        return self._parsed[value]

    def _expand_written(
        self,
        owner: str,
        parts: Parts,
        trail: tuple[str, ...],
        treat: Callable[[str], str] | None = None,
    ) -> str:
        """Expand a text of an own value, to no more than who wrote the value could see."""
        withheld = withheld_from(self._state.literal, owner)
        if not withheld:
            return self._expand(parts, trail, treat)
        before = self._withheld
        self._withheld = before | withheld
        try:
            return self._expand(parts, trail, treat)
        finally:
            self._withheld = before

    def _expand_json(self, value: Json, path: str, *, is_markup: bool) -> Json:
        if isinstance(value, str):
            parts = self._cut(value)
            if parts is None:
                return value
            return self._expand_written(path, parts, (path,), escape_html if is_markup else None)
        if is_list(value):
            return [self._expand_json(entry, path, is_markup=False) for entry in value]
        if is_object(value):
            return {
                key: self._expand_json(entry, path, is_markup=key == _HTML_KEY)
                for key, entry in value.items()
            }
        return value

    def evaluate(self, reference: Reference) -> Json:
        """Return the value of a bracket in a condition: raw, unless it is a text with brackets."""
        path = reference.name
        if reference.is_special or reference.transformations:
            return self._reference(reference, ("",))
        self._references -= 1
        if self._references < 0 or self._characters < 0:
            return None
        value = self._message(("",)) if path == MESSAGE_PATH else self._own(path, ("",))
        return self._default(path) if value is MISSING else value

    def _default(self, path: str) -> Json:
        leaf = self._known[path]
        if leaf.is_read_only:
            return self.fact(leaf)
        if path in self._texts or (path == PASS_DESCRIPTION_PATH and leaf.default is MISSING):
            return self._default_text(path, ("",))
        return None if leaf.default is MISSING else leaf.default

    def _expand(
        self, parts: Parts, trail: tuple[str, ...], treat: Callable[[str], str] | None = None
    ) -> str:
        pieces = list(parts)
        resolve = self._reference
        for index in range(1, len(pieces), 2):
            text = resolve(pieces[index], trail)
            if text is None:
                pieces[index] = pieces[index].bracket
            else:
                pieces[index] = text if treat is None else treat(text)
        return "".join(pieces)

    def _reference(self, reference: Reference, trail: tuple[str, ...]) -> str | None:
        """Return the composed text of a bracket, or None if it has to stay."""
        self._references -= 1
        if self._references < 0 or self._characters < 0:
            return None
        name = reference.name
        if self._withheld and is_withheld(name, self._withheld):
            return None
        if name in trail and not reference.is_special:
            self.loops.append(name)
            return None
        if reference.is_plain:
            text = None if len(trail) > _DEEPEST else self._own_or_default(name, trail)
        else:
            text = self._unusual(reference, trail)
        if text is None:
            return None
        self._characters -= len(text)
        return text if self._characters >= 0 else None

    def _unusual(self, reference: Reference, trail: tuple[str, ...]) -> str | None:
        """Return the text of a special word, of the message, or of a path with transformations."""
        name = reference.name
        if reference.is_special:
            text = self._special(reference, trail)
        elif len(trail) > _DEEPEST:
            return None
        else:
            is_message = name == MESSAGE_PATH
            text = self._message(trail) if is_message else self._own_or_default(name, trail)
        for transformation in reference.transformations:
            if text is None:
                break
            self._characters -= len(text)
            if self._characters < 0:
                break  # the limit refuses it, and no transformation makes it shorter
            text = self._transform(text, transformation)
        return text

    def _special(self, reference: Reference, trail: tuple[str, ...]) -> str | None:
        lexicon = self._lexicon
        text = special_text(
            reference.name,
            self._state,
            lexicon.environment,
            edit_code=lexicon.edit_code,
            is_of_pass=SCANNER_CONFIG not in reference.transformations
            and PORTAL_HEADER_PATH not in trail,
        )
        if text is not None and reference.name == SCANNER_CONFIG_URL:
            return self._transform(text, SCANNER_CONFIG)
        return text

    def _transform(self, text: str, transformation: str) -> str:
        if transformation == "URLEncoded":
            return encode_url(text)
        if transformation == "EscapedQuotes":
            return text.replace('"', '\\"')
        return f"passscanner://?customURL={encode_url(text)}{self._beacon()}"

    def _beacon(self) -> str:
        """Return the first beacon as the scanner's parameters, if the pass has one."""
        own = self._values.get("beacons")
        entry: Any = own[0] if is_list(own) and own else None
        parameters = ""
        for key in ("proximityUUID", "major", "minor"):
            leaf = self._known.get(f"beacons_0_{key}")
            if is_object(entry):
                value = entry.get(key)
            elif leaf is None or "beacons" in self._values:
                continue
            else:
                value, _ = own_value(self._path_index, self._values, leaf)
                value = leaf.default if value is MISSING else value
            if value is not None and value is not MISSING:
                parameters += f"&{key}={encode_url(to_text(value))}"
        return parameters

    def _message(self, trail: tuple[str, ...]) -> str:
        if self._lexicon.barcode_policy == "handle":
            return self._state.handle
        return self._own_or_default(MESSAGE_PATH, trail) or self._state.handle

    def _own_or_default(self, path: str, trail: tuple[str, ...]) -> str:
        # Most passes have no value there and no container around it.
        if self._has_containers or path in self._values:
            value = self._own(path, trail)
            if value is not MISSING:
                return to_text(value)
        if parts := self._texts.get(path):
            return self._expand(parts, (*trail, path))
        leaf = self._known[path]
        if leaf.source == "member":
            return to_text(self._state.member_fact(MEMBER_FACTS[path]))
        return self._default_text(path, trail)

    def _default_text(self, path: str, trail: tuple[str, ...]) -> str:
        if parts := self._texts.get(path):
            return self._expand(parts, (*trail, path))
        leaf = self._known[path]
        if leaf.is_read_only:
            return to_text(self.fact(leaf))
        if leaf.default is not MISSING:
            return to_text(leaf.default)
        if path == PASS_DESCRIPTION_PATH:
            return self._reference(_DESCRIPTION, (*trail, path)) or ""
        return ""

    def fact(self, leaf: Leaf) -> Json:
        """Return what the pass's member or its serial number says at a read-only path."""
        state = self._state
        if leaf.source == "serial":
            return state.serial
        return state.member_fact(MEMBER_FACTS[leaf.path])

    def _own(self, path: str, trail: tuple[str, ...]) -> Json:
        """Return the pass's own value, its brackets replaced if they may be, or MISSING."""
        value = self._values.get(path, MISSING)
        owner = path
        if value is MISSING:
            if not self._has_containers:
                return MISSING
            value, owner = own_value(self._path_index, self._values, self._known[path])
        if isinstance(value, str) and "{" in value and self._state.may_expand(owner):
            parts = self._cut(value)
            if parts is not None:
                value = self._expand_written(owner, parts, (*trail, path))
        return value


_DESCRIPTION: Final = Reference(DESCRIPTION_PATH, "{description}")
