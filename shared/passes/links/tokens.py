"""The tokens of links: nobody can read or change what they say, and nothing of it is stored."""

import json
import secrets
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any, Final, Self
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from shared.passes.language.rights import Withheld
from shared.sealing import KEY_LENGTH, NONCE_LENGTH, TAG_LENGTH, read_base64url, write_base64url

VERSION: Final = "v1"
MAX_TOKEN_CHARACTERS: Final = 8000
"""With the rest of the address it fits into the first line of a request."""

MAX_VALUES_BYTES: Final = 4 * 1024
"""Of a link's values and of its member's fields, together and as JSON."""

MAX_CHANNEL_CHARACTERS: Final = 80
FAR_FUTURE: Final = 253_402_300_799
"""The last second of the year 9999."""

_PASS: Final = "pass"  # noqa: S105  a kind, no password

MAX_USES: Final = 1_000_000

ChannelText = Annotated[
    str, StringConstraints(max_length=MAX_CHANNEL_CHARACTERS, pattern=r"^[^\x00]*$")
]
Second = Annotated[int, Field(ge=0, le=FAR_FUTURE)]


class LinkClaims(BaseModel):
    """What a link says, under short names: every letter makes an address longer."""

    model_config = ConfigDict(frozen=True, validate_by_name=True)

    link_id: UUID = Field(validation_alias="i")
    """Its beginning is the time when the link was made."""
    member: Mapping[str, Any] = Field(default_factory=dict[str, Any], validation_alias="m")
    """Any of name, email, phone, external_id, tier and points."""
    values: Mapping[str, Any] = Field(default_factory=dict[str, Any], validation_alias="v")
    expires_at: Second | None = Field(default=None, validation_alias="x")
    not_before: Second | None = Field(default=None, validation_alias="n")
    max_uses: int | None = Field(default=None, validation_alias="u", ge=1, le=MAX_USES)
    source: ChannelText = Field(default="", validation_alias="s")
    medium: ChannelText = Field(default="", validation_alias="d")
    campaign: ChannelText = Field(default="", validation_alias="c")
    term: ChannelText = Field(default="", validation_alias="t")
    content: ChannelText = Field(default="", validation_alias="k")
    withheld: tuple[Withheld, ...] = Field(default=(), validation_alias="w")
    """What the values may not show, since who made the link may not see it."""

    def to_bytes(self) -> bytes:
        """Write it as compact JSON, without what says nothing."""
        given = {
            alias: value for name, alias in _ALIASES if (value := getattr(self, name)) not in _EMPTY
        }
        return orjson.dumps(given)

    @classmethod
    def read(cls, text: bytes) -> Self | None:
        """Read what `to_bytes` wrote; None for anything else."""
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            return None


_ALIASES: Final = tuple(
    (name, str(field.validation_alias)) for name, field in LinkClaims.model_fields.items()
)
_EMPTY: Final[tuple[object, ...]] = (None, "", (), {})


class LinkSealer:
    """Makes and reads the tokens of one link program with one of its keys.

    A token is `v1.<key id>.<base64url of nonce ‖ ciphertext ‖ tag>`, by AES-256-GCM; account,
    program and kind are what its tag vouches for besides. Nonces are random: one key is for at most
    2³² links (NIST SP 800-38D, 8.3).
    """

    __slots__ = ("_cipher", "_context", "_prefix", "key_id")

    def __init__(
        self, key: bytes, *, account_id: UUID, program_id: UUID, kind: str = _PASS
    ) -> None:
        """ValueError unless the key has 32 bytes."""
        if len(key) != KEY_LENGTH:
            raise ValueError(f"A key of {KEY_LENGTH} bytes is needed.")
        self.key_id = link_key_id(key)
        self._cipher = AESGCM(key)
        self._prefix = f"{VERSION}.{self.key_id}."
        # As JSON, no two contexts read alike.
        context = [VERSION, self.key_id, str(account_id), str(program_id), kind]
        self._context = json.dumps(context).encode()

    def seal(self, claims: bytes) -> str:
        """Make a token; the same claims make another one each time."""
        nonce = secrets.token_bytes(NONCE_LENGTH)
        return self._prefix + write_base64url(
            nonce + self._cipher.encrypt(nonce, claims, self._context)
        )

    def open(self, token: str) -> bytes | None:
        """Give what a token says; None unless it was sealed by this key for this very use."""
        if not token.startswith(self._prefix) or len(token) > MAX_TOKEN_CHARACTERS:
            return None
        try:
            sealed = read_base64url(token.removeprefix(self._prefix))
        except ValueError:
            return None
        if len(sealed) < NONCE_LENGTH + TAG_LENGTH:
            return None
        nonce, ciphertext = sealed[:NONCE_LENGTH], sealed[NONCE_LENGTH:]
        try:
            return self._cipher.decrypt(nonce, ciphertext, self._context)
        except InvalidTag:
            return None


def new_link_key() -> bytes:
    """Make a key for `LinkSealer`."""
    return AESGCM.generate_key(256)


def link_key_id(key: bytes) -> str:
    """Name a key; the name tells nothing of it."""
    return sha256(b"link key " + key).hexdigest()[:8]


def key_id_of(token: str) -> str:
    """Read by which key a token says that it was sealed; empty if it is none."""
    version, _, rest = token.partition(".")
    return rest.partition(".")[0] if version == VERSION else ""
