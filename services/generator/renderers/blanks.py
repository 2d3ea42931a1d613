"""What passes of a template have in common rests once: of each only what differs from a blank."""

import zlib
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from uuid import UUID

BETWEEN: Final = b"\n"
"""Stands between the files of a pass; JSON as we write it has no line ends."""

RAW: Final = -zlib.MAX_WBITS
"""Deflate without a header and a checksum: those would cost as much as a field of the pass."""


@dataclass(frozen=True, slots=True)
class Blank:
    """The files of a pass that has nothing of its own; its id is a digest of them."""

    blank_id: UUID
    files: bytes

    @classmethod
    def of(cls, *files: bytes) -> "Blank":
        joined = BETWEEN.join(files)
        return cls(UUID(bytes=sha256(joined).digest()[:16]), joined)

    def pack(self, *files: bytes) -> bytes:
        """Make of a pass's files about a tenth of their bytes."""
        packer = zlib.compressobj(zlib.Z_BEST_COMPRESSION, wbits=RAW, zdict=self.files)
        return packer.compress(BETWEEN.join(files)) + packer.flush()

    def unpack(self, packed: bytes) -> list[bytes]:
        """Give the files back, to the byte."""
        return zlib.decompressobj(RAW, zdict=self.files).decompress(packed).split(BETWEEN)
