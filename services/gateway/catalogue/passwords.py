"""What people keep in their heads, as scrypt leaves it: passwords and passcodes."""

import asyncio
import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from typing import Final

MAX_PASSWORD_CHARACTERS: Final = 256

COST: Final = 2**15
"""How much memory and time a password takes, for us and for who guesses; tests take less."""

_BLOCK, _LANES = 8, 1
_MEMORY = 64 * 1024 * 1024
_SALT_LENGTH = 16
_AT_ONCE = 2
"""Each takes 32 MiB and a tenth of a second of a core."""


class Passwords:
    """Hashes passwords and compares with what is kept of them, only so many at a time."""

    def __init__(self) -> None:
        self._hashers = asyncio.Semaphore(_AT_ONCE)

    async def hash(self, password: str) -> str:
        """Make what may be kept of a password."""
        salt = secrets.token_bytes(_SALT_LENGTH)
        derived = await self._derive(password, salt)
        return f"scrypt.{b64encode(salt).decode()}.{b64encode(derived).decode()}"

    async def fits(self, password: str, kept: str | None) -> bool:
        """Compare in the same time whether or not there is anything to compare with."""
        _, salt, expected = (kept or f"none.{b64encode(bytes(_SALT_LENGTH)).decode()}.").split(".")
        derived = await self._derive(password[: MAX_PASSWORD_CHARACTERS + 1], b64decode(salt))
        return hmac.compare_digest(derived, b64decode(expected)) and kept is not None

    async def _derive(self, password: str, salt: bytes) -> bytes:
        async with self._hashers:
            return await asyncio.to_thread(
                hashlib.scrypt,
                password.encode("utf-8", "surrogatepass"),
                salt=salt,
                n=COST,
                r=_BLOCK,
                p=_LANES,
                maxmem=_MEMORY,
            )
