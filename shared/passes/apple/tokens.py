"""Authentication tokens of passes: derived when they are needed, stored nowhere."""

import hmac
from base64 import b64decode
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

LEAST_SECRET: Final = 32
DERIVED_PURPOSE: Final = "pass authentication tokens"
"""What secrets are derived from the master keys for."""


class PassTokens:
    """Derives each pass's token from a secret, and knows a token of any secret of the list.

    The newest secret comes first; passes keep the id of theirs for life. A secret may be taken
    away only when no pass of it is in the field: its devices hear 401 from then on, and the pass
    gets a token of the newest secret when it is composed again.
    """

    __slots__ = ("_oldest_id", "_secrets", "newest_id")

    def __init__(self, secrets: Sequence[bytes]) -> None:
        """ValueError without a secret, or with one that is shorter than 32 bytes."""
        if not secrets or any(len(secret) < LEAST_SECRET for secret in secrets):
            raise ValueError("at least one token secret is needed, each of 32 bytes or more")
        ids = [sha256(secret).hexdigest()[:8] for secret in secrets]
        self._secrets = dict(zip(ids, secrets, strict=True))
        self.newest_id = ids[0]
        self._oldest_id = ids[-1]

    def extend(self, secrets: Sequence[bytes]) -> None:
        """Know tokens of older secrets too, newest first."""
        for secret in secrets:
            key_id = sha256(secret).hexdigest()[:8]
            if key_id not in self._secrets:
                self._secrets[key_id] = secret
                self._oldest_id = key_id

    def key_of(self, key_id: str | None) -> str:
        """Name the secret a pass's token derives from; None: from before ids were kept."""
        known = key_id or self._oldest_id
        return known if known in self._secrets else self.newest_id

    def secret_of(self, key_id: str | None) -> bytes:
        """Give the secret that a pass's other names derive from, for the same life."""
        return self._secrets[self.key_of(key_id)]

    def issue(self, key_id: str | None, pass_type_identifier: str, serial_number: str) -> str:
        """Derive a pass's token."""
        return _derive(self._secrets[self.key_of(key_id)], pass_type_identifier, serial_number)

    def verify(self, pass_type_identifier: str, serial_number: str, token: str) -> bool:
        """Whether the token is this pass's by any of the secrets."""
        return self.find_key(pass_type_identifier, serial_number, token) is not None

    def find_key(self, pass_type_identifier: str, serial_number: str, token: str) -> str | None:
        """Name the secret by which a token is this pass's; takes the same time for each."""
        given = token.encode(errors="replace")
        found: str | None = None
        for key_id, secret in self._secrets.items():
            right = _derive(secret, pass_type_identifier, serial_number).encode()
            if hmac.compare_digest(given, right):
                found = key_id
        return found

    def __repr__(self) -> str:
        return f"PassTokens({', '.join(self._secrets)})"


def parse_secrets(text: str) -> list[bytes]:
    """Read secrets in base64url divided by commas; ValueError, which never shows the text."""
    try:
        parts = [part.strip().rstrip("=").encode("ascii") for part in text.split(",")]
        secrets = [
            b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
            for part in parts
        ]
    except ValueError:
        # Not chained: the cause could show a part of the secret in a log.
        raise ValueError("token secrets are base64url, divided by commas") from None
    if any(len(secret) < LEAST_SECRET for secret in secrets):
        raise ValueError("token secrets are at least 32 bytes long")
    return secrets


def _derive(secret: bytes, pass_type_identifier: str, serial_number: str) -> str:
    # No pass type holds the NUL that parts it from the serial, so no two passes read alike.
    text = f"{pass_type_identifier}\0{serial_number}".encode()
    return hmac.digest(secret, text, "sha256").hex()
