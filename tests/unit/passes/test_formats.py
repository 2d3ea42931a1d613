"""Values as Wallet shows them, in a reader's language."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.passes.schema.formats import direction_of, find_locale, format_value

NOW = datetime(2027, 1, 1, tzinfo=UTC)
MOMENT = "2027-01-31T22:10:00-08:00"


def written(value: Any, language: str = "en", **styles: Any) -> str:
    text = format_value(value, styles, find_locale(language), NOW)
    return text.replace("\N{NARROW NO-BREAK SPACE}", " ").replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("value", "style", "language", "expected"),
    [
        (0.2, "Percent", "en", "20%"),
        (0.2, "Percent", "de", "20 %"),
        (1234567.125, "Decimal", "en", "1,234,567.125"),
        (1234567.125, "Decimal", "de", "1.234.567,125"),
        ("1234.5", "Decimal", "en", "1,234.5"),
        (123456, "Scientific", "en", "1.23456E5"),
        (42, "SpellOut", "en", "forty-two"),
        (-42, "SpellOut", "de", "minus zweiundvierzig"),
        (0.2, "SpellOut", "en", "zero point two"),
        (1234, "SpellOut", "zh-Hans", "1,234"),
        (10**18, "SpellOut", "en", str(10**18)),
        ("soon", "Decimal", "en", "soon"),
        (True, "Decimal", "en", "true"),
    ],
)
def test_numbers_are_written_by_their_style(value: Any, style: str, language: str, expected: str):
    assert written(value, language, numberStyle=f"PKNumberStyle{style}") == expected


@pytest.mark.parametrize(
    ("value", "currency", "language", "expected"),
    [
        (1234.5, "EUR", "en", "€1,234.50"),
        (1234.5, "EUR", "de-AT", "€ 1.234,50"),
        (1234.5, "EUR", "de", "1.234,50 €"),
        (1234, "JPY", "ja", "￥1,234"),
        (2.5, "KWD", "en", "KWD 2.500"),
        ("100.00", "EUR", "en", "€100.00"),
        ("12,50", "EUR", "en", "12,50"),
        (3, "no currency", "en", "no currency 3.00"),
    ],
)
def test_money_is_written_in_its_currency(value: Any, currency: str, language: str, expected: str):
    assert written(value, language, currencyCode=currency) == expected


def test_numbers_without_a_style_stay_as_they_are():
    assert (written(1234), written(0.5), written("0012")) == ("1234", "0.5", "0012")


@pytest.mark.parametrize(
    ("day", "time", "expected"),
    [
        ("Short", None, "1/31/27"),
        ("Medium", None, "Jan 31, 2027"),
        ("Long", "None", "January 31, 2027"),
        ("Full", None, "Sunday, January 31, 2027"),
        ("None", "Short", "10:10 PM UTC\N{MINUS SIGN}8"),
        (None, "Medium", "10:10:00 PM UTC\N{MINUS SIGN}8"),
        ("Short", "Short", "1/31/27, 10:10 PM UTC\N{MINUS SIGN}8"),
        ("Full", "Long", "Sunday, January 31, 2027, 10:10:00 PM UTC\N{MINUS SIGN}8"),
        (None, None, MOMENT),
    ],
)
def test_dates_and_times_are_written_by_their_styles(
    day: str | None, time: str | None, expected: str
):
    styles = {"dateStyle": day, "timeStyle": time}

    given = {key: f"PKDateStyle{style}" for key, style in styles.items() if style}

    assert written(MOMENT, **given) == expected


def test_times_that_ignore_their_zone_name_none():
    short: dict[str, Any] = {"timeStyle": "PKDateStyleShort", "ignoresTimeZone": True}

    assert written(MOMENT, **short) == "10:10 PM"
    assert written(MOMENT, "de", **short) == "22:10"
    assert written(MOMENT, **{**short, "timeStyle": "PKDateStyleFull"}) == "10:10:00 PM"


@pytest.mark.parametrize(
    ("zone", "named"),
    [("Z", "UTC"), ("+00:00", "UTC"), ("+05:30", "UTC+5:30"), ("-03:30", "UTC\N{MINUS SIGN}3:30")],
)
def test_zones_are_named(zone: str, named: str):
    text = written(f"2027-01-31T23:30:00{zone}", "de", timeStyle="PKDateStyleShort")

    assert text == f"23:30 {named}"


def test_relative_dates_count_from_now():
    assert written("2027-01-04T00:00Z", isRelative=True) == "in 3 days"
    assert written("2027-01-04T00:00Z", "de", isRelative=True) == "in 3 Tagen"
    assert written("2026-12-31T20:00Z", isRelative=True) == "4 hours ago"
    assert written("2026-12-31T23:00-05:00", isRelative=True) == "in 4 hours"


@pytest.mark.parametrize("text", ["TBD", "", "2027-02-31T10:00Z", "2027"])
def test_what_is_no_date_stays_text(text: str):
    assert written(text, dateStyle="PKDateStyleShort", isRelative=True) == text


def test_locales_widen_to_one_that_is_known():
    assert str(find_locale("de-LI")) == "de"
    assert str(find_locale("tlh", "fr-CA")) == "fr_CA"
    assert str(find_locale("zh-Hant-HK")) == "zh_Hant"
    assert str(find_locale("x" * 100, "../../etc")) == "en"
    assert str(find_locale()) == "en"


def test_direction_follows_language_and_script():
    right = [tag for tag in ("ar", "ar-EG", "HE", "fa_IR", "az-Arab") if direction_of(tag) == "rtl"]

    assert len(right) == 5
    assert {direction_of(tag) for tag in ("en", "de-AT", "ara", "zh-Hant", "")} == {"ltr"}
