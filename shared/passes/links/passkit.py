"""PassKit's own links, `?data=…&iv=…`: AES-256-CBC, which vouches for nothing.

Whoever has such a link can change it without the key, so that none works until its account asks
for it, and its texts are plain.
"""

import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import orjson
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from shared.passes.schema.values import holds_nul, is_object

PASSKIT_KEY: Final = re.compile(r"[0-9a-fA-F]{64}")
BLOCK_BYTES: Final = 16

_HEX_IV: Final = re.compile(r"[0-9a-fA-F]{32}")


@dataclass(frozen=True, slots=True)
class PassKitData:
    """What a link of PassKit's says."""

    link_id: UUID
    """Made of the link itself: PassKit names none."""
    fields: Mapping[str, Any]


def read_passkit_data(data: str, iv: str) -> tuple[bytes, bytes] | None:
    """Read ciphertext and initialization vector; None if they cannot be such.

    PassKit's helpers write base64 and base64url, the vector also in hexadecimal digits. Whoever
    reads an address takes the plus signs of base64 for spaces.
    """
    ciphertext = _read_base64(data)
    vector = bytes.fromhex(iv) if _HEX_IV.fullmatch(iv) else _read_base64(iv)
    if not ciphertext or len(ciphertext) % BLOCK_BYTES or len(vector) != BLOCK_BYTES:
        return None
    return ciphertext, vector


def open_passkit_data(key: bytes, ciphertext: bytes, vector: bytes) -> PassKitData | None:
    """Say what a link says; None if it was not made with this key.

    What is padded wrongly is read all the same, so that it takes as long as other wrong data.
    """
    decryptor = Cipher(AES256(key), CBC(vector)).decryptor()
    padded = decryptor.update(ciphertext) + decryptor.finalize()
    unpadder = PKCS7(BLOCK_BYTES * 8).unpadder()
    try:
        text, is_padded = unpadder.update(padded) + unpadder.finalize(), True
    except ValueError:
        text, is_padded = padded, False
    try:
        fields = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if not is_padded or not is_object(fields) or holds_nul(text):
        return None
    return PassKitData(UUID(bytes=sha256(vector + ciphertext).digest()[:16], version=5), fields)


def _read_base64(text: str) -> bytes:
    plain = text.replace("-", "+").replace("_", "/").replace(" ", "+").rstrip("=")
    try:
        return b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except ValueError:
        return b""
