"""The character encodings of barcode messages: known by all their names, written as IANA does."""

import codecs
import re
from functools import lru_cache
from typing import Final

LATIN: Final = "iso-8859-1"
UTF_8: Final = "utf-8"

_SPELLINGS: Final = (
    (re.compile(r"iso8859-(\d{1,2})"), r"iso-8859-\1"),
    (re.compile(r"cp(125\d|874)"), r"windows-\1"),
    (re.compile(r"cp(\d+)"), r"ibm\1"),
    (re.compile(r"utf_8(_sig)?"), "utf-8"),
    (re.compile(r"utf-8-sig"), "utf-8"),
    (re.compile(r"ascii"), "us-ascii"),
)
"""Python's name → IANA's, which Wallet's documentation asks for."""

_NO_CHARACTER_SETS: Final = frozenset(
    {"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"}
)
"""What Python has among its encodings besides; the first two take the square of a text's length.

UTF-7 is none on the web, and lets halves of characters through, which no other encoding can write.
"""


@lru_cache(maxsize=256)
def encoding_name(text: str) -> str | None:
    """Return IANA's name of an encoding in lower case, for any of its names; None if it is none."""
    if not text.isascii() or not text.isprintable():
        return None
    try:
        found = codecs.lookup(text.strip())
        "".encode(found.name)
    except (LookupError, ValueError):  # unknown, or one that does not encode texts
        return None
    if found.name in _NO_CHARACTER_SETS:
        return None
    for pattern, spelling in _SPELLINGS:
        if pattern.fullmatch(found.name):
            return pattern.sub(spelling, found.name)
    return found.name.replace("_", "-")


def encoding_for(message: str, wanted: str) -> str:
    """Return the encoding that a message goes by: the one that is wanted, else UTF-8."""
    name = encoding_name(wanted)
    return name if name is not None and can_encode(message, name) else UTF_8


def can_encode(message: str, encoding: str) -> bool:
    """Whether an encoding, by any of its names, has every character of a message."""
    try:
        message.encode(encoding)
    except (LookupError, ValueError):
        return False
    return True


def encoded(message: str, encoding: str) -> bytes:
    """Return the bytes that a code holds; those of UTF-8 where the encoding cannot."""
    return message.encode(encoding_for(message, encoding))
