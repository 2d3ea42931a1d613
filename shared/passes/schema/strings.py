"""Texts with a form: time zones, currencies, amounts, UUIDs, keys, addresses, dates."""

import base64
import binascii
import re
from functools import cache, lru_cache
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID
from zoneinfo import available_timezones

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

_AMOUNT = re.compile(r"-?\d{1,18}(\.\d{1,6})?", re.ASCII)
_DATE = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)(?:\.\d{1,9})?(Z|[+-]\d\d:?\d\d)", re.ASCII
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_TAG = re.compile(r"<(a\s[^>]*|/a|b|/b|i|/i|br\s?/?|p|/p|div|/div|span|/span)>", re.IGNORECASE)
MAX_KEY: Final = 512

# ISO 4217, the list of 2024; funds and metals are left out, which no pass is paid in.
_CURRENCY_CODES = """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP
    BYN BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP
    GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR
    KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK
    MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR
    SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS
    UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF XXX YER ZAR ZMW ZWG
"""
CURRENCIES: Final = frozenset(_CURRENCY_CODES.split())


def is_currency(text: str) -> bool:
    """Whether this is a currency code of ISO 4217."""
    return text in CURRENCIES


def is_amount(text: str) -> bool:
    """Whether this is a decimal number as text, as amounts of money are in semantics."""
    return _AMOUNT.fullmatch(text) is not None


def is_time_zone(text: str) -> bool:
    """Whether this is the name of a time zone in IANA's database."""
    return text in _time_zones()


def is_uuid(text: str) -> bool:
    """Whether this is a UUID in its usual form with hyphens."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


@lru_cache(maxsize=256)
def is_nfc_key(text: str) -> bool:
    """Whether this is a P-256 public key: base64 of an X.509 SubjectPublicKeyInfo."""
    if len(text) > MAX_KEY:
        return False
    try:
        key = load_der_public_key(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        return False
    return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)


def is_url(text: str) -> bool:
    """Whether this is an absolute address that a phone can open, of any scheme."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    if not _SCHEME.fullmatch(parts.scheme) or re.search(r"\s", text):
        return False
    return (
        bool(parts.netloc)
        if parts.scheme in {"http", "https"}
        else bool(text[len(parts.scheme) + 1 :])
    )


def has_markup(text: str) -> bool:
    """Whether this holds tags, which Wallet shows as they are anywhere but in attributedValue."""
    return _TAG.search(text) is not None


def normal_date(text: str) -> str:
    """Write a date as Wallet reads it: without fractions of a second, the offset with a colon.

    What is no date stays as it is.
    """
    found = _DATE.fullmatch(text.strip())
    if found is None:
        return text
    moment, offset = found.groups()
    if offset != "Z" and ":" not in offset:
        offset = f"{offset[:3]}:{offset[3:]}"
    return moment + offset


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())
