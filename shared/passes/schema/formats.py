"""Numbers, money and dates of fields, written as Wallet writes them in a reader's language."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

from babel import Locale, dates, numbers
from num2words import (  # pyright: ignore[reportMissingTypeStubs]
    num2words,  # pyright: ignore[reportUnknownVariableType]
)

from shared.passes.schema.values import Json, is_number, parse_number, to_text

Style: TypeAlias = Literal["short", "medium", "long", "full"]

_STYLES: Final[Mapping[str, Style]] = {
    "PKDateStyleShort": "short",
    "PKDateStyleMedium": "medium",
    "PKDateStyleLong": "long",
    "PKDateStyleFull": "full",
}
_LETTER_BEFORE_DIGIT: Final = re.compile(r"(?<=[^\W\d_])(?=\d)")
_MAX_NUMBER: Final = Decimal(10) ** 15
"""Larger numbers are written as they are: JSON's numbers are exact up to here."""

# What the phones' own languages need. Each locale that is loaded stays in memory.
_LOCALES: Final = (
    "ar", "ar-EG", "bg", "bn", "ca", "cs", "da", "de", "de-AT", "de-CH", "el", "en", "en-AU",
    "en-CA", "en-GB", "en-IE", "en-IN", "en-NZ", "en-ZA", "es", "es-419", "es-MX", "es-US",
    "et", "fa", "fi", "fr", "fr-BE", "fr-CA", "fr-CH", "gu", "he", "hi", "hr", "hu", "id",
    "is", "it", "it-CH", "ja", "kk", "kn", "ko", "lt", "lv", "ml", "mr", "ms", "nb", "nl",
    "nl-BE", "no", "or", "pa", "pl", "pt", "pt-BR", "pt-PT", "ro", "ru", "sk", "sl", "sr",
    "sv", "ta", "te", "th", "tr", "uk", "ur", "vi", "zh", "zh-Hans", "zh-Hant", "zh-HK",
    "zh-TW",
)  # fmt: skip
_TAGS: Final[Mapping[str, str]] = {tag.casefold(): tag for tag in _LOCALES}
_ENGLISH: Final = "en"
_RIGHT_TO_LEFT: Final = frozenset(
    {"ar", "ckb", "dv", "fa", "he", "iw", "ps", "sd", "ug", "ur", "yi"}
)
_SCRIPTS: Final = frozenset({"arab", "hebr", "nkoo", "syrc", "thaa"})


def find_locale(*tags: str) -> Locale:
    """Return how people of the first of these language tags that is known write; or English."""
    for tag in tags:
        folded = tag.replace("_", "-").casefold()
        while folded:
            if folded in _TAGS:
                return Locale.parse(_TAGS[folded], sep="-")
            folded = folded.rpartition("-")[0]
    return Locale.parse(_ENGLISH)


def direction_of(tag: str) -> Literal["ltr", "rtl"]:
    """Return in which direction a language is written."""
    parts = tag.replace("_", "-").casefold().split("-")
    return "rtl" if parts[0] in _RIGHT_TO_LEFT or not _SCRIPTS.isdisjoint(parts) else "ltr"


def format_value(value: Json, styles: Mapping[str, Any], locale: Locale, now: datetime) -> str:
    """Return the text of a field's value by the styles beside it; without a style, as it is.

    A time that does not ignore its zone names it: a page does not know where its reader is.
    """
    text = _date(value, styles, locale, now)
    if text is None:
        text = _number(value, styles, locale)
    return to_text(value) if text is None else text


def _date(value: Json, styles: Mapping[str, Any], locale: Locale, now: datetime) -> str | None:
    is_relative = styles.get("isRelative") is True
    day = _STYLES.get(to_text(styles.get("dateStyle")))
    time = _STYLES.get(to_text(styles.get("timeStyle")))
    if not isinstance(value, str) or not (is_relative or day or time):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    if is_relative:
        return _relative(moment, locale, now)
    return _absolute(
        moment, day, time, locale, shows_zone=styles.get("ignoresTimeZone") is not True
    )


def _relative(moment: datetime, locale: Locale, now: datetime) -> str:
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return dates.format_timedelta(moment - now, add_direction=True, locale=locale)


def _absolute(
    moment: datetime, day: Style | None, time: Style | None, locale: Locale, *, shows_zone: bool
) -> str:
    wall = moment.replace(tzinfo=None)
    date = dates.format_date(wall, day, locale) if day else ""
    if time is None:
        return date
    # Babel's long forms name a zone of their own.
    clock = dates.format_time(wall, "short" if time == "short" else "medium", locale=locale)
    offset = moment.utcoffset()
    if shows_zone and offset is not None:
        clock = f"{clock} {_zone(offset)}"
    if not date:
        return clock
    joined = str(dates.get_datetime_format(day or "medium", locale=locale))
    return joined.replace("'", "").replace("{0}", clock).replace("{1}", date)


def _zone(offset: timedelta) -> str:
    minutes = int(offset.total_seconds()) // 60
    if minutes == 0:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    sign = "+" if minutes > 0 else "\N{MINUS SIGN}"
    return f"UTC{sign}{hours}" + (f":{rest:02}" if rest else "")


def _number(value: Json, styles: Mapping[str, Any], locale: Locale) -> str | None:
    currency, style = to_text(styles.get("currencyCode")), to_text(styles.get("numberStyle"))
    if not currency and not style:
        return None
    plain = parse_number(value) if isinstance(value, str) else value
    if not is_number(plain):
        return None
    number = Decimal(repr(plain))
    if abs(number) >= _MAX_NUMBER:
        return None
    return _money(number, currency, locale) if currency else _styled(number, style, locale)


def _money(number: Decimal, currency: str, locale: Locale) -> str:
    text = numbers.format_currency(number, currency, locale=locale)
    return _LETTER_BEFORE_DIGIT.sub("\N{NO-BREAK SPACE}", text)  # CLDR's rule: CHF 5, yet €5


def _styled(number: Decimal, style: str, locale: Locale) -> str | None:
    match style:
        case "PKNumberStyleDecimal":
            return numbers.format_decimal(number, locale=locale)
        case "PKNumberStylePercent":
            return numbers.format_percent(number, locale=locale)
        case "PKNumberStyleScientific":
            return numbers.format_scientific(number, locale=locale)
        case "PKNumberStyleSpellOut":
            return _spelled(number, locale)
        case _:
            return None


def _spelled(number: Decimal, locale: Locale) -> str:
    exact = int(number) if number == number.to_integral_value() else number
    try:
        return str(num2words(exact, lang=str(locale)))
    except (NotImplementedError, ArithmeticError, LookupError, ValueError):
        return numbers.format_decimal(number, locale=locale)
