"""What opening an encrypted key costs, read off the file before it is worked on.

Its author chooses the rounds and the memory of key derivation: PKCS #12 (RFC 7292) allows two
billion rounds for its checksum alone. Parameters that are themselves encrypted cannot be seen here.
The file is not parsed: names of algorithms are looked for, and the numbers behind them are read.
"""

from collections.abc import Iterator
from typing import Final

MAX_ROUNDS: Final = 2_000_000
"""A second or two of work; usual are 1 to 600,000."""

MAX_MEMORY_BYTES: Final = 64 * 1024 * 1024
"""Bytes that scrypt may take, and its work in the same measure; usual are 16 MiB."""

_SEQUENCE, _OCTETS, _INTEGER = 0x30, 0x04, 0x02
_MAX_INTEGER_BYTES: Final = 5
_MAX_SALT_BYTES: Final = 64
_PBKDF2: Final = bytes.fromhex("06092a864886f70d01050c")
_SCRYPT: Final = bytes.fromhex("06092b06010401da47040b")
_PKCS12: Final = bytes.fromhex("060a2a864886f70d010c01")
"""How the algorithms of PKCS #12 begin; one more byte says which."""


def is_too_costly(der: bytes) -> bool:
    """Whether key derivation takes more rounds or memory than is worked on for a stranger."""
    rounds = [_checksum_rounds(der)]
    rounds += [next(_numbers(der, at), 0) for at in _places_behind(der, _PBKDF2)]
    rounds += [next(_numbers(der, at + 1), 0) for at in _places_behind(der, _PKCS12)]
    if max(rounds) > MAX_ROUNDS:
        return True
    for at in _places_behind(der, _SCRYPT):
        numbers = [*_numbers(der, at), 1, 1, 1]
        cost, block, lanes = numbers[:3]
        if 128 * cost * block * lanes > MAX_MEMORY_BYTES:
            return True
    return False


def _places_behind(der: bytes, name: bytes) -> Iterator[int]:
    at = der.find(name)
    while at >= 0:
        yield at + len(name)
        at = der.find(name, at + 1)


def _numbers(der: bytes, at: int) -> Iterator[int]:
    """Give the numbers of a SEQUENCE of a salt and numbers."""
    tag, at, end = _read(der, at)
    if tag != _SEQUENCE:
        return
    tag, _, at = _read(der, at)
    if tag != _OCTETS:
        return
    while at < end:
        tag, start, at = _read(der, at)
        if tag != _INTEGER:
            return
        yield int.from_bytes(der[start:at], "big")


def _read(der: bytes, at: int) -> tuple[int, int, int]:
    """Return the tag at a place, and where its content begins and ends; beyond the end: nothing."""
    head = der[at : at + 6]
    if len(head) < 2:  # noqa: PLR2004 - tag and length
        return 0, len(der), len(der)
    tag, length, start = head[0], head[1], at + 2
    if length > 0x80:  # noqa: PLR2004 - so many bytes of length follow
        size = length - 0x80
        length = int.from_bytes(der[start : start + size], "big")
        start += size
    return tag, start, min(start + length, len(der))


def _checksum_rounds(der: bytes) -> int:
    """Read the rounds of a PKCS #12 checksum: the number at the end, behind its salt."""
    der = der.rstrip(b"\0") if der[1:2] == b"\x80" else der  # the ends of indefinite lengths
    for size in range(1, _MAX_INTEGER_BYTES + 1):
        at = len(der) - size - 2
        if at > 0 and der[at : at + 2] == bytes((_INTEGER, size)) and _is_behind_salt(der, at):
            return int.from_bytes(der[at + 2 :], "big")
    return 0


def _is_behind_salt(der: bytes, at: int) -> bool:
    return any(
        der[at - size - 2 : at - size] == bytes((_OCTETS, size))
        for size in range(1, min(_MAX_SALT_BYTES, at - 2) + 1)
    )
