"""Seals secrets that rest in the database: private keys, tokens, customers' credentials."""

import hmac
import json
import secrets
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import ClassVar, Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from shared.errors import ApplicationError

VERSION: Final = "v1"
KEY_LENGTH: Final = 32
SALT_LENGTH: Final = 16
NONCE_LENGTH: Final = 12
TAG_LENGTH: Final = 16
TOKEN_KEY_LENGTH: Final = 64


# Both answer 500: a seal that does not open is the operator's trouble, not the customer's request.
class SealBrokenError(ApplicationError):
    """A sealed secret was altered, or belongs to another purpose or owner."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "seal_broken"


class UnknownKeyError(ApplicationError):
    """A secret was sealed with a master key that is not configured."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "unknown_master_key"


class MasterKeys:
    """The master keys of 32 bytes: the first seals, all open.

    To change the key, put a new one in front, seal all anew and take the old one away. Tokens that
    are out there were derived from its root, which opens nothing: that is remembered (`remember`).
    A sealed secret is `v1.<key id>.<base64url of salt ‖ nonce ‖ ciphertext ‖ tag>`. Each has a
    key of its own (HKDF-SHA-256, 16 bytes of salt), so AES-256-GCM never runs out of nonces.
    """

    __slots__ = ("_keys", "_roots", "_sealing_id", "_tokens")

    def __init__(self, keys: Sequence[bytes]) -> None:
        """ValueError without a key, or with one that is not 32 bytes long."""
        if not keys or any(len(key) != KEY_LENGTH for key in keys):
            raise ValueError("at least one master key is needed, each of 32 bytes")
        self._keys = {_key_id(key): key for key in keys}
        self._sealing_id = _key_id(keys[0])
        self._roots = [_root(key) for key in keys]
        self._tokens: dict[str, list[AESSIV]] = {}

    @property
    def former_roots(self) -> list[bytes]:
        """What tokens derive from besides the sealing key, newest first."""
        return self._roots[1:]

    def remember(self, roots: Iterable[bytes]) -> None:
        """Know tokens of keys that were taken away by their roots, newest first."""
        self._roots += [root for root in roots if root not in self._roots]
        self._tokens.clear()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read keys in base64url divided by commas; ValueError, which never shows the text."""
        try:
            return cls([read_base64url(part.strip().rstrip("=")) for part in text.split(",")])
        except ValueError:
            # Not chained: the cause could show a part of the key in a log.
            raise ValueError("master keys are 32 bytes in base64url, divided by commas") from None

    @staticmethod
    def generate_text() -> str:
        """One new random key, as `parse` reads it."""
        return write_base64url(secrets.token_bytes(KEY_LENGTH))

    def seal(self, plain: bytes, *, purpose: str, owner: str) -> str:
        """Seal for one purpose (what the secret is) and one owner (whose row it stands in)."""
        salt = secrets.token_bytes(SALT_LENGTH)
        nonce = secrets.token_bytes(NONCE_LENGTH)
        cipher = self._cipher(self._sealing_id, salt, purpose)
        context = _context(self._sealing_id, purpose, owner)
        content = salt + nonce + cipher.encrypt(nonce, plain, context)
        return f"{VERSION}.{self._sealing_id}.{write_base64url(content)}"

    def open(self, sealed: str, *, purpose: str, owner: str) -> bytes:
        """Give the secret; SealBrokenError if anything differs, UnknownKeyError without its key."""
        version, _, rest = sealed.partition(".")
        key_id, _, text = rest.partition(".")
        if version != VERSION:
            raise SealBrokenError
        if key_id not in self._keys:
            raise UnknownKeyError
        try:
            content = read_base64url(text)
        except ValueError:
            raise SealBrokenError from None
        salt, nonce, ciphertext = (
            content[:SALT_LENGTH],
            content[SALT_LENGTH : SALT_LENGTH + NONCE_LENGTH],
            content[SALT_LENGTH + NONCE_LENGTH :],
        )
        if len(ciphertext) < TAG_LENGTH:
            raise SealBrokenError
        try:
            cipher = self._cipher(key_id, salt, purpose)
            return cipher.decrypt(nonce, ciphertext, _context(key_id, purpose, owner))
        except InvalidTag:
            raise SealBrokenError from None

    def reseal(self, sealed: str, *, purpose: str, owner: str) -> str:
        """Seal with the sealing key what another one sealed; what it sealed itself stays."""
        if sealed.startswith(f"{VERSION}.{self._sealing_id}."):
            return sealed
        plain = self.open(sealed, purpose=purpose, owner=owner)
        return self.seal(plain, purpose=purpose, owner=owner)

    def mint(self, plain: bytes, *, purpose: str, owner: str | None = None) -> str:
        """Make a short token of what others may carry but not read: the same content, the same one.

        AES-SIV needs no nonce, so nothing has to be kept of a token to check it.
        """
        content = self._token_ciphers(purpose)[0].encrypt(plain, _token_context(purpose, owner))
        return write_base64url(content)

    def read_token(self, token: str, *, purpose: str, owner: str | None = None) -> bytes | None:
        """Give what a token was made of; None if it is not one of ours, or not for this purpose."""
        try:
            content = read_base64url(token)
        except ValueError:
            return None
        if len(content) <= TAG_LENGTH:
            return None
        for cipher in self._token_ciphers(purpose):
            try:
                return cipher.decrypt(content, _token_context(purpose, owner))
            except InvalidTag:
                continue
        return None

    def derive(self, purpose: str) -> list[bytes]:
        """Give one secret of 32 bytes per root for a purpose, the sealing key's first."""
        info = f"derived {purpose}".encode()
        return [HKDFExpand(SHA256(), KEY_LENGTH, info).derive(root) for root in self._roots]

    def __repr__(self) -> str:
        return f"MasterKeys({', '.join(self._keys)})"

    def _cipher(self, key_id: str, salt: bytes, purpose: str) -> AESGCM:
        derivation = HKDF(SHA256(), KEY_LENGTH, salt, purpose.encode())
        return AESGCM(derivation.derive(self._keys[key_id]))

    def _token_ciphers(self, purpose: str) -> list[AESSIV]:
        """One per root, the sealing key's first."""
        if purpose not in self._tokens:
            info = f"token {purpose}".encode()
            self._tokens[purpose] = [
                AESSIV(HKDFExpand(SHA256(), TOKEN_KEY_LENGTH, info).derive(root))
                for root in self._roots
            ]
        return self._tokens[purpose]


def _root(key: bytes) -> bytes:
    """Extract what a key's tokens derive from, as HKDF without a salt does (RFC 5869, 2.2)."""
    return hmac.digest(bytes(KEY_LENGTH), key, "sha256")


def _key_id(key: bytes) -> str:
    return sha256(key).hexdigest()[:8]


def _context(key_id: str, purpose: str, owner: str) -> bytes:
    """Join what the tag vouches for besides the secret; as JSON, no two contexts read alike."""
    return json.dumps([VERSION, key_id, purpose, owner]).encode()


def _token_context(purpose: str, owner: str | None) -> list[bytes]:
    return [purpose.encode()] if owner is None else [purpose.encode(), owner.encode()]


def write_base64url(content: bytes) -> str:
    """Write bytes in letters that addresses may have, without padding."""
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def read_base64url(text: str) -> bytes:
    """Read bytes from the one text that stands for them; ValueError for any other."""
    content = b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    # The last character has bits to spare: only one writing of them is taken.
    if write_base64url(content) != text:
        raise ValueError
    return content
