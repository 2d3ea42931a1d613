"""Lays out the .pkpass file, a ZIP, around bytes that somebody else streams."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from zlib import crc32

from shared.passes.apple.checksums import combine_crc32

LOCAL_HEADER: Final = struct.Struct("<4s5H3L2H")
CENTRAL_HEADER: Final = struct.Struct("<4s6H3L5H2L")
END_OF_DIRECTORY: Final = struct.Struct("<4s4H2LH")

ZIP_2_0: Final = 20
# Made on Unix, with mode 0644: unpackers there create files without any permission otherwise.
MADE_BY: Final = 3 << 8 | ZIP_2_0
FILE_MODE: Final = 0o100644 << 16
UTF_8_NAMES: Final = 1 << 11
# The earliest moment a ZIP can say, 1980-01-01 00:00, so that same content is the same file.
DOS_TIME: Final = 0
DOS_DATE: Final = 1 << 5 | 1
STORED: Final = 0

# Past these a ZIP needs the 64-bit records, which a pass never does.
MAX_ENTRIES: Final = 0xFFFF
MAX_SIZE_BYTES: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """One file: its name inside the archive, its size in bytes and its CRC-32 as zlib counts it."""

    name: str
    size: int
    crc32: int


class PassArchive:
    """A ZIP of stored files whose exact size is known before any content is read.

    Written as `header(0)`, the bytes of entry 0, `header(1)`, … and at last `trailer()`. Files are
    stored, not compressed: PNG does not shrink, and so no entry has to be held in memory.
    ValueError for two entries of one name, and past 65,535 entries or 4 GiB.
    """

    __slots__ = ("_entries", "_headers", "_trailer", "size")

    def __init__(self, entries: Sequence[ArchiveEntry]) -> None:
        if len({entry.name for entry in entries}) != len(entries):
            raise ValueError("two files of an archive have the same name")
        self._entries = entries
        self._headers: list[bytes] = []
        directory: list[bytes] = []
        offset = 0
        for entry in entries:
            header, record = _records(entry, offset)
            self._headers.append(header)
            directory.append(record)
            offset += len(header) + entry.size
        records = b"".join(directory)
        size = offset + len(records) + END_OF_DIRECTORY.size
        if len(entries) > MAX_ENTRIES or size > MAX_SIZE_BYTES:
            raise ValueError("the archive is larger than a plain ZIP can be")
        end = END_OF_DIRECTORY.pack(
            b"PK\5\6", 0, 0, len(entries), len(entries), len(records), offset, 0
        )
        self._trailer = records + end
        self.size = size

    def header(self, index: int) -> bytes:
        """Give what stands before the bytes of entry `index`."""
        return self._headers[index]

    def trailer(self) -> bytes:
        """Give what stands after the bytes of the last entry."""
        return self._trailer

    def crc32(self) -> int:
        """Give the CRC-32 of the whole archive, whose content nobody has to read for it."""
        checksum = 0
        for header, entry in zip(self._headers, self._entries, strict=True):
            checksum = combine_crc32(crc32(header, checksum), entry.crc32, entry.size)
        return crc32(self._trailer, checksum)


def _records(entry: ArchiveEntry, offset: int) -> tuple[bytes, bytes]:
    """Make the header before the file and its record in the directory at the end."""
    if entry.size > MAX_SIZE_BYTES or offset > MAX_SIZE_BYTES:
        raise ValueError("the archive is larger than a plain ZIP can be")
    name = entry.name.encode()
    about = (UTF_8_NAMES, STORED, DOS_TIME, DOS_DATE, entry.crc32, entry.size, entry.size)
    header = LOCAL_HEADER.pack(b"PK\3\4", ZIP_2_0, *about, len(name), 0)
    record = CENTRAL_HEADER.pack(
        b"PK\1\2", MADE_BY, ZIP_2_0, *about, len(name), 0, 0, 0, 0, FILE_MODE, offset
    )
    return header + name, record + name
