"""What users may type: whether a text is what a validator asks for.

All but VRequired let the empty text pass. Nothing is looked up outside.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

from dateparser.date import DateDataParser
from email_validator import EmailNotValidError, validate_email

from shared.passes.schema.validators import REQUIRED, read_validators
from shared.passes.schema.values import TRUE_WORDS, Json, parse_number

MAX_DATE_CHARACTERS: Final = 100
"""Nobody writes a date with more; reading one takes time by its length."""

DATE_LANGUAGES: Final = ("en", "de")
"""Of the words of dates. Without such a list the first date takes three seconds."""

_STATES: Final = frozenset(
    {
        "AK", "AL", "AR", "AS", "AZ", "CA", "CO", "CT", "DC", "DE", "FL", "GA", "GU", "HI", "IA",
        "ID", "IL", "IN", "KS", "KY", "LA", "MA", "MD", "ME", "MI", "MN", "MO", "MP", "MS", "MT",
        "NC", "ND", "NE", "NH", "NJ", "NM", "NV", "NY", "OH", "OK", "OR", "PA", "PR", "RI", "SC",
        "SD", "TN", "TX", "UT", "VA", "VI", "VT", "WA", "WI", "WV", "WY",
    }
)  # fmt: skip
_FALSE: Final = frozenset({"0", "false", "no", "off"})
_PHONE: Final = re.compile(r"(?=.*\d)[\d+,x() -]+", re.ASCII)
_ALPHA: Final = re.compile(r"[A-Za-z]+")
_ALPHANUMERIC: Final = re.compile(r"[A-Za-z0-9]+")
_DECIMAL: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_INTEGER: Final = re.compile(r"[+-]?\d+", re.ASCII)
_ZIP: Final = re.compile(r"[\d-]+", re.ASCII)
_ZIP_DIGITS: Final = range(5, 11)


def _is_email(text: str) -> bool:
    try:
        validate_email(text, check_deliverability=False)
    except EmailNotValidError:
        return False
    return True


def _is_date(text: str) -> bool:
    if len(text) > MAX_DATE_CHARACTERS:
        return False
    return _date_parser().get_date_data(text).date_obj is not None


@cache
def _date_parser() -> DateDataParser:
    return DateDataParser(languages=list(DATE_LANGUAGES))


def _is_decimal(text: str) -> bool:
    return _DECIMAL.fullmatch(text) is not None


def _is_zip(text: str) -> bool:
    return _ZIP.fullmatch(text) is not None and len(text.replace("-", "")) in _ZIP_DIGITS


VALIDATORS: Final[Mapping[str, Callable[[str], bool]]] = MappingProxyType(
    {
        REQUIRED: bool,
        "VEmail": _is_email,
        "VDate": _is_date,
        "VPhone": lambda text: _PHONE.fullmatch(text) is not None,
        "VNumeric": lambda text: parse_number(text) is not None or _is_decimal(text),
        "VAlpha": lambda text: _ALPHA.fullmatch(text) is not None,
        "VAlphaNumeric": lambda text: _ALPHANUMERIC.fullmatch(text) is not None,
        "VDecimal": _is_decimal,
        "VInteger": lambda text: _INTEGER.fullmatch(text) is not None,
        "VStateCode": lambda text: text.upper() in _STATES,
        "VZip": _is_zip,
        "VTrue": lambda text: text.lower() in TRUE_WORDS,
        "VFalse": lambda text: text.lower() in _FALSE,
    }
)
"""Name → whether a text, without blanks around it, is what it asks for."""


def failed_validator(validation: Json, text: str) -> str | None:
    """Return the name of the first validator that a text fails, or None."""
    text = text.strip()
    for name in read_validators(validation):
        is_let_pass = name not in VALIDATORS or (not text and name != REQUIRED)
        if not is_let_pass and not VALIDATORS[name](text):
            return name
    return None
