"""Makes every name the system gives out: sortable ids, handles and serials nobody can guess."""

import base64
import hashlib
import re
import secrets
import time
from datetime import UTC, datetime
from uuid import UUID

from uuid_utils.compat import uuid7

HANDLE_LENGTH = 32
HANDLE_PATTERN = "[0-9a-v]{32}"
"""What a handle looks like, as a regular expression without an anchor."""

FIRST_ID, LAST_ID = UUID(int=0), UUID(int=2**128 - 1)
"""Below and above every id."""

_WITH_TIME = 7
"""The version of ids that begin with the time."""

_DAMAGED_HANDLE = re.compile(rf"({HANDLE_PATTERN})[^0-9A-Za-z]{{0,20}}", re.IGNORECASE)


def new_id() -> UUID:
    """Make a UUIDv7: unique, and sorted by the time it was made."""
    return uuid7()


def derived_id(parent: UUID, number: int) -> UUID:
    """Make the id of a part: the same for the same part, and sorted by the time of the whole."""
    digest = hashlib.sha256(parent.bytes + number.to_bytes(8, "big")).digest()
    content = bytearray(parent.bytes[:6] + digest[:10])
    content[6] = 0x70 | content[6] & 0x0F  # version 7
    content[8] = 0x80 | content[8] & 0x3F  # variant of RFC 9562
    return UUID(bytes=bytes(content))


def id_before(moment: datetime) -> UUID:
    """Give a bound above the ids that were made before a moment, and below all later ones."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def moment_of(identifier: UUID) -> datetime:
    """Tell when an id was made; an id that does not say so is as old as can be."""
    milliseconds = identifier.int >> 80 if identifier.version == _WITH_TIME else 0
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def new_handle() -> str:
    """Make the public name of a pass: seconds, so that new rows lie together, and 128 random bits.

    Written in lower-case base32hex, whose letters sort as the bytes do: 32 characters.
    """
    return handle_at(time.time(), secrets.token_bytes(16))


def handle_at(seconds: float, secret: bytes) -> str:
    """Make the handle of a moment and of 16 bytes that nobody can guess."""
    return base64.b32hexencode(int(seconds).to_bytes(4, "big") + secret).decode().lower()


def id_of_handle(handle: str) -> UUID:
    """Make an id of a handle: the same one each time, and sorted by when the handle was made."""
    content = int(handle, 32).to_bytes(20, "big")  # whose digits are those of base32hex
    moment = int.from_bytes(content[:4], "big") * 1000
    return derived_id(UUID(bytes=moment.to_bytes(6, "big") + content[4:14]), 0)


def trim_handle(text: str) -> str:
    """Read a handle as programs and people pass it on.

    In capital letters, or with what mail programs take for a part of an address: `.`, `)`, `>` ….
    """
    found = _DAMAGED_HANDLE.fullmatch(text)
    return found[1].lower() if found else text


def handle_before(moment: datetime) -> str:
    """Give a bound above the handles that were made before a moment, and below all later ones."""
    return base64.b32hexencode(int(moment.timestamp()).to_bytes(4, "big")).decode().lower()[:6]


def new_serial() -> str:
    """Make the serial number inside a pass file: as a handle, in 40 hex digits.

    Its first digits are the time, so that new rows lie together in the index of serial numbers.
    """
    return f"{int(time.time()):08x}{secrets.token_hex(16)}"
