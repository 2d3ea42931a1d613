"""Texts as Google Wallet shows them: final, in every language of the template."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from babel import Locale

from shared.passes.schema.field_styles import STYLE_KEYS
from shared.passes.schema.formats import find_locale, format_value
from shared.passes.schema.text_links import (
    DETECT_LINKS,
    DETECT_PHONES,
    find_links,
    read_markup,
)
from shared.passes.schema.values import Json, is_list, to_text

_REMEMBERED: Final = 4096
_FORMS: Final = (*STYLE_KEYS, "isRelative", "ignoresTimeZone")
_ALL_DETECTORS: Final = frozenset({DETECT_LINKS, DETECT_PHONES})
_MAY_LEAD: Final = re.compile(r"://|www\.|@|\d.{2,}\d", re.IGNORECASE)
"""A quick look: most texts lead nowhere."""
_ABSOLUTE: Final = {"dateStyle": "PKDateStyleMedium", "timeStyle": "PKDateStyleShort"}
_NO_FORMS: Final = (None,) * len(_FORMS)
_UNUSED: Final = datetime.fromtimestamp(0, UTC)
"""What formats take for now; only relative dates would depend on it."""


@dataclass(frozen=True, slots=True)
class _Language:
    tag: str
    strings: Mapping[str, str]
    locale: Locale


class Texts:
    """The languages of one template, the first of which a phone shows that has no better one."""

    def __init__(self, language: str, localizations: Mapping[str, Mapping[str, str]]) -> None:
        strings = {tag: texts for tag, texts in localizations.items() if texts}
        first = strings.pop(language, {})
        self.language = language
        self._languages = [
            _Language(tag, texts, find_locale(tag))
            for tag, texts in [(language, first), *sorted(strings.items())]
        ]
        self._is_plain = not first and not strings
        # Of many passes most show the same texts and numbers; writing a number costs 20 us.
        self._written = lru_cache(_REMEMBERED, typed=True)(self._write)

    def plain(self, value: Json) -> str:
        """Return a text in the first language."""
        text = to_text(value)
        return text if self._is_plain else self._languages[0].strings.get(text, text)

    def localized(self, value: Json) -> dict[str, Any]:
        """Return a text as a LocalizedString."""
        return self.string(self._in_all(to_text(value)))

    def named(self, key: str, value: Json) -> dict[str, Any]:
        """Return a text under its key, and under the `localized` one if languages differ."""
        return self.under(key, self._in_all(to_text(value)))

    def under(self, key: str, texts: tuple[str, ...]) -> dict[str, Any]:
        """Do the same with a text that is there in each language."""
        named: dict[str, Any] = {key: texts[0]}
        if len(texts) > 1 and any(text != texts[0] for text in texts):
            named[f"localized{key[0].upper()}{key[1:]}"] = self.string(texts)
        return named

    def string(self, texts: tuple[str, ...]) -> dict[str, Any]:
        """Return a LocalizedString of a text that is there in each language."""
        first, *others = zip(self._languages, texts, strict=True)
        localized: dict[str, Any] = {"defaultValue": _translated(*first)}
        # A phone falls back to the default by itself.
        if translated := [_translated(*other) for other in others if other[1] != first[1]]:
            localized["translatedValues"] = translated
        return localized

    def shown(self, field: Mapping[str, Any]) -> tuple[str, ...]:
        """Return what a field shows in each language: written by its styles, without markup."""
        attributed = field.get("attributedValue")
        is_attributed = attributed not in (None, "")
        value = attributed if is_attributed else field.get("value")
        forms = (*map(field.get, _FORMS),)
        if forms == _NO_FORMS and not is_attributed:
            return self._in_all(to_text(value))
        return self._written(value, forms, is_attributed)

    def _in_all(self, text: str) -> tuple[str, ...]:
        if self._is_plain:
            return (text,)
        return (*(language.strings.get(text, text) for language in self._languages),)

    def _write(self, value: Json, forms: tuple[Any, ...], is_markup: bool) -> tuple[str, ...]:  # noqa: FBT001
        styles: dict[str, Any] = dict(zip(_FORMS, forms, strict=True))
        # Google shows a text for as long as it is not sent another one.
        if styles.pop("isRelative") is True and not (styles["dateStyle"] or styles["timeStyle"]):
            styles |= _ABSOLUTE
        texts: list[str] = []
        for language in self._languages:
            found = language.strings.get(value, value) if isinstance(value, str) else value
            text = format_value(found, styles, language.locale, _UNUSED)
            texts.append("".join(span.text for span in read_markup(text)) if is_markup else text)
        return (*texts,)


def _translated(language: _Language, text: str) -> dict[str, str]:
    return {"language": language.tag.replace("_", "-"), "value": text}


def links_of(field: Mapping[str, Any], *, is_back: bool) -> Iterator[tuple[str, str]]:
    """Give where a field leads, with the words that lead there if they are other words.

    Only on the back does a wallet look for addresses by itself.
    """
    attributed = field.get("attributedValue")
    if isinstance(attributed, str) and "<" in attributed:
        yield from ((span.href, span.text) for span in read_markup(attributed) if span.href)
    value = field.get("value")
    if is_back and isinstance(value, str) and _MAY_LEAD.search(value):
        given = field.get("dataDetectorTypes")
        detectors = frozenset(map(str, given)) if is_list(given) else _ALL_DETECTORS
        yield from ((href, "") for href in _found(value, detectors))


@lru_cache(_REMEMBERED)
def _found(text: str, detectors: frozenset[str]) -> tuple[str, ...]:
    return (*(span.href for span in find_links(text, detectors) if span.href),)
