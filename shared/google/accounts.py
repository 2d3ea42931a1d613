"""Service accounts of Google Cloud: their key files, and what they sign. No I/O."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Self, cast

import jwt
import orjson
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

SCOPE: Final = "https://www.googleapis.com/auth/wallet_object.issuer"
TOKEN_URL: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
GOOGLES_TOKEN_URLS: Final = frozenset({TOKEN_URL, "https://accounts.google.com/o/oauth2/token"})
"""What key files name, since ever; any other would be an address to which we send what we sign."""

MAX_FILE_BYTES: Final = 16 * 1024
MIN_KEY_BITS: Final = 2048
MAX_KEY_BITS: Final = 4096
ASSERTION_LIFE: Final = timedelta(hours=1)
MAX_ISSUER_ID: Final = 2**63 - 1
CLIENT_ID_DIGITS: Final = 21

_EMAIL: Final = re.compile(r"[^@\s\x00-\x1f]{1,128}@[A-Za-z0-9.-]{1,128}")
_WORD: Final = re.compile(r"[A-Za-z0-9:._-]{1,128}")


class ServiceAccountError(ValueError):
    """The file is no key of a service account that we could use; says why, and shows no secret."""


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """Who asks Google, by a private key of its own; the key is parsed and tried once."""

    email: str
    key_id: str
    project_id: str
    key: RSAPrivateKey = field(repr=False)

    @classmethod
    def parse(cls, content: bytes, token_url: str = TOKEN_URL) -> Self:
        """Read a key file as Google Cloud gives it out; ServiceAccountError says what is wrong.

        `token_url` is where tokens are asked for: the file must name that address, or Google's.
        """
        if len(content) > MAX_FILE_BYTES:
            raise ServiceAccountError(f"a key file has at most {MAX_FILE_BYTES // 1024} KiB")
        try:
            data: object = orjson.loads(content)
        except orjson.JSONDecodeError:
            raise ServiceAccountError("the file is not JSON") from None
        if not isinstance(data, dict):
            raise ServiceAccountError("the file is no JSON object")
        given = cast("Mapping[str, object]", data)
        if given.get("type") != "service_account":
            raise ServiceAccountError('`type` must be "service_account"')
        if given.get("token_uri") not in {*GOOGLES_TOKEN_URLS, token_url}:
            raise ServiceAccountError(f"`token_uri` must be Google's: {TOKEN_URL}")
        return cls(
            _text(given, "client_email", _EMAIL),
            _text(given, "private_key_id", _WORD),
            _text(given, "project_id", _WORD),
            _private_key(given.get("private_key")),
        )

    def assertion(self, audience: str, at: datetime) -> str:
        """Sign what the token endpoint gives a token for (RFC 7523)."""
        claims = {
            "iss": self.email,
            "scope": SCOPE,
            "aud": audience,
            "iat": int(at.timestamp()),
            "exp": int((at + ASSERTION_LIFE).timestamp()),
        }
        return self.sign(claims)

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Sign claims as a JWT (RS256), naming the key."""
        return jwt.encode(dict(claims), self.key, algorithm="RS256", headers={"kid": self.key_id})


def check_issuer_id(text: str) -> str:
    """Return an issuer's number; ServiceAccountError if it cannot be one."""
    if re.fullmatch(r"[0-9]{1,19}", text) and 0 < int(text) <= MAX_ISSUER_ID:
        return text
    if re.fullmatch(rf"[0-9]{{{CLIENT_ID_DIGITS}}}", text):
        raise ServiceAccountError(
            "this is the client id of a service account; the issuer id is in the Google Pay and "
            "Wallet console"
        )
    raise ServiceAccountError("an issuer id is a number of at most 19 digits")


def _text(given: Mapping[str, object], name: str, pattern: re.Pattern[str]) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ServiceAccountError(f"`{name}` is missing or wrong")
    return value


def _private_key(text: object) -> RSAPrivateKey:
    """Read a key and try it; it takes some milliseconds, whatever a stranger has made of it."""
    if not isinstance(text, str):
        raise ServiceAccountError("`private_key` is missing")
    try:
        # OpenSSL's check asks whether p and q are prime, at any length, with Python's lock held:
        # minutes for a key that fits into the file. A key that is none only signs what is refused.
        key = load_pem_private_key(
            text.encode("ascii"), password=None, unsafe_skip_rsa_key_validation=True
        )
    except (ValueError, TypeError, UnicodeEncodeError, UnsupportedAlgorithm):
        raise ServiceAccountError("`private_key` is no private key in PEM") from None
    if not isinstance(key, RSAPrivateKey):
        raise ServiceAccountError("`private_key` must be an RSA key")
    if not MIN_KEY_BITS <= key.key_size <= MAX_KEY_BITS:
        raise ServiceAccountError(
            f"`private_key` must have from {MIN_KEY_BITS} to {MAX_KEY_BITS} bits"
        )
    if not _signs(key):
        raise ServiceAccountError("`private_key` is damaged: what it signs does not verify")
    return key


def _signs(key: RSAPrivateKey) -> bool:
    """Whether the numbers of a key belong together."""
    numbers = key.private_numbers()
    modulus = numbers.public_numbers.n
    if numbers.p * numbers.q != modulus or max(numbers.d, numbers.dmp1, numbers.dmq1) >= modulus:
        return False
    padding, algorithm = PKCS1v15(), SHA256()
    try:
        key.public_key().verify(key.sign(b"", padding, algorithm), b"", padding, algorithm)
    except (ValueError, InvalidSignature):
        return False
    return True
