"""Magic strings: `{path}` in a template's text stands for the composed value of that path."""

from collections.abc import Mapping
from typing import Final

from shared.passes.paths import MEMBER_FACTS, MESSAGE_PATH, Catalogue, Leaf
from shared.passes.skeleton import BRACKET
from shared.passes.state import PassState
from shared.passes.values import MISSING, Json, UnfitError, accept, escape_html, to_text

# Literal text and paths in turn, beginning and ending with literal text.
Parts = tuple[str, ...]

_DEEPEST: Final = 8
_MOST_CHARACTERS: Final = 64 * 1024
# Chains of brackets with nothing in them cost time without making text.
_MOST_REFERENCES: Final = 4096


def parse(text: str, catalogue: Catalogue) -> Parts | None:
    """Return the text cut at the brackets that name known paths, or None if there are none."""
    parts: list[str] = []
    literal = ""
    end = 0
    for matched in BRACKET.finditer(text):
        leaf = catalogue.find(matched[1])
        literal += text[end : matched.start()]
        end = matched.end()
        if leaf is None:
            literal += matched[0]
        else:
            parts += (literal, leaf.path)
            literal = ""
    return (*parts, literal + text[end:]) if parts else None


def unknown_paths(text: str, catalogue: Catalogue) -> list[str]:
    # Brackets of JSON written as text are none of ours.
    names = [name for name in BRACKET.findall(text) if '"' not in name]
    return [name for name in names if catalogue.find(name) is None]


class Expansion:
    """Expands texts against one state; its limits hold for all texts of one composing together."""

    __slots__ = (
        "_characters",
        "_known",
        "_policy",
        "_references",
        "_state",
        "_texts",
        "_values",
    )

    def __init__(
        self,
        known: Mapping[str, Leaf],
        texts: Mapping[str, Parts],
        state: PassState,
        barcode_policy: str,
    ) -> None:
        self._known = known
        self._texts = texts
        self._state = state
        self._policy = barcode_policy
        self._values = state.values
        self._references = _MOST_REFERENCES
        self._characters = _MOST_CHARACTERS

    def expand(self, parts: Parts, path: str) -> str:
        """Return the text of `path`, its brackets replaced."""
        return self._expand(parts, (path,))

    def expand_html(self, parts: Parts, path: str) -> str:
        """Return the same for a text that holds markup: what is put in is escaped."""
        pieces = list(parts)
        for index in range(1, len(pieces), 2):
            text = self._reference(pieces[index], (path,))
            pieces[index] = f"{{{pieces[index]}}}" if text is None else escape_html(text)
        return "".join(pieces)

    def _expand(self, parts: Parts, trail: tuple[str, ...]) -> str:
        pieces = list(parts)
        for index in range(1, len(pieces), 2):
            text = self._reference(pieces[index], trail)
            pieces[index] = f"{{{pieces[index]}}}" if text is None else text
        return "".join(pieces)

    def _reference(self, path: str, trail: tuple[str, ...]) -> str | None:
        """Return the composed text of a path, or None if its bracket has to stay."""
        self._references -= 1
        if self._references < 0 or path in trail or len(trail) > _DEEPEST:
            return None
        is_message = path == MESSAGE_PATH
        text = self._message(trail) if is_message else self._own_or_default(path, trail)
        self._characters -= len(text)
        return text if self._characters >= 0 else None

    def _message(self, trail: tuple[str, ...]) -> str:
        if self._policy == "handle":
            return self._state.handle
        return self._own_or_default(MESSAGE_PATH, trail) or self._state.handle

    def _own_or_default(self, path: str, trail: tuple[str, ...]) -> str:
        value = self._values.get(path, MISSING)
        if value is not MISSING:
            return self._own(path, value)
        if parts := self._texts.get(path):
            return self._expand(parts, (*trail, path))
        leaf = self._known[path]
        state = self._state
        if leaf.source == "member":
            return to_text(state.member.get(MEMBER_FACTS[path])) if state.member else ""
        if leaf.source == "serial":
            return state.serial
        return "" if leaf.default is MISSING else to_text(leaf.default)

    def _own(self, path: str, value: Json) -> str:
        rule = self._known[path].rule
        if rule.type.kind == "colour":
            try:
                return to_text(accept(rule, value))
            except UnfitError:
                return ""
        return to_text(value)
