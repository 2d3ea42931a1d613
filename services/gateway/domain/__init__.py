"""What the catalogue is made of: callers and scopes, API keys, accounts, templates; no I/O."""

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, Literal
from uuid import UUID

from shared.passes.language.rights import Withheld

AUTHORITY_PURPOSE: Final = "development authority"
REQUEST_PURPOSE: Final = "identity request"
RESPONSE_PURPOSE: Final = "idempotent response"
SHORT_LINK_PURPOSE: Final = "short link"
INSTALLATION: Final = "installation"
"""The owner of what belongs to no account."""

DEVELOPMENT_TEAM: Final = "DEVELOPMNT"

MAX_KEYS: Final = 50
MAX_REQUESTS: Final = 10
MAX_SECRETS: Final = 10
MAX_GRACE: Final = timedelta(days=7)
USUAL_GRACE: Final = timedelta(days=1)
CLAIM_LIFE: Final = timedelta(hours=48)

Scope = Literal[
    "*",
    "templates:read",
    "templates:write",
    "passes:read",
    "passes:write",
    "scans:write",
    "members:read",
    "members:write",
    "batches:read",
    "batches:write",
    "webhooks:read",
    "webhooks:write",
    "identities:read",
    "identities:write",
    "images:write",
    "links:read",
    "links:write",
    "keys:read",
    "keys:write",
    "accounts:read",
    "accounts:write",
]
EVERY_SCOPE: Final = "*"
SCOPES: Final[Mapping[Scope, str]] = MappingProxyType(
    {
        "*": "All of these, and those to come.",
        "templates:read": "Read templates, their revisions and statistics, and styles.",
        "templates:write": "Create, change and delete templates and styles.",
        "passes:read": "Read passes, their values and their events.",
        "passes:write": "Issue, change, void and delete passes.",
        "scans:write": "Scan passes.",
        "members:read": "Read members and their points.",
        "members:write": "Create, change and delete members, and give or take points.",
        "batches:read": "Read batches, with the rows that were sent and what became of them.",
        "batches:write": "Send, pause and cancel batches, of what the key may do row by row.",
        "webhooks:read": "Read webhook endpoints, their deliveries and the event feed.",
        "webhooks:write": "Create, change and delete webhook endpoints.",
        "identities:read": "Read about signing identities and Google issuers; never their keys.",
        "identities:write": "Upload signing identities and Google issuers.",
        "images:write": "Upload images.",
        "links:read": "Read link programs and what came of their links; never their keys.",
        "links:write": "Create and change link programs, make and revoke links.",
        "keys:read": "List API keys; never their secrets.",
        "keys:write": "Create, rotate and revoke API keys that may do no more than this one.",
        "accounts:read": "Read the account and the accounts it manages.",
        "accounts:write": "Change the account, and create accounts that it manages.",
    }
)

_KEY_TEXT: Final = re.compile(r"(?:[A-Za-z0-9_]{1,32}_)?(([a-z0-9]{12})_[A-Za-z0-9_-]{43})")
_PREFIX: Final = "pw_"
_KEY_ID_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True, slots=True)
class Standing:
    """What passes of a template are made with besides their own state."""

    revision: int
    credential_epoch: int
    """Of the account: texts may hold what its credentials seal."""
    identity_revision: int
    """Of the identity that signs them for Apple Wallet."""
    utc_offset: str
    """In which the account wants times to be written, such as `+08:00`."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking: an account, by one of its keys."""

    account_id: UUID
    key_id: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """Whether the key holds the scope."""
        return scope in self.scopes or EVERY_SCOPE in self.scopes

    @property
    def withheld(self) -> tuple[Withheld, ...]:
        """What texts that this key writes may not show, since it may not see it itself."""
        if EVERY_SCOPE in self.scopes:
            return ()
        return ("account",) if "members:read" in self.scopes else ("account", "member")

    def may_give(self, scopes: Iterable[str]) -> bool:
        """Whether a key with these scopes can do nothing that this one cannot."""
        return EVERY_SCOPE in self.scopes or self.scopes.issuperset(scopes)


@dataclass(frozen=True, slots=True)
class ApiKeyText:
    """An API key as its holder knows it; only the digest is stored."""

    key_id: str
    text: str = field(repr=False)

    @property
    def digest(self) -> bytes:
        """What is stored of it."""
        return hashlib.sha256(self.text.encode()).digest()

    @classmethod
    def make(cls, key_id: str | None = None) -> "ApiKeyText":
        """Make a new key, or a new secret for the key of that id."""
        key_id = key_id or "".join(secrets.choice(_KEY_ID_LETTERS) for _ in range(12))
        return cls(key_id, f"{_PREFIX}{key_id}_{secrets.token_urlsafe(32)}")

    @classmethod
    def parse(cls, text: str) -> "ApiKeyText | None":
        """Read what a request carries, with any prefix; None if it cannot be a key."""
        match = _KEY_TEXT.fullmatch(text)
        return cls(match[2], f"{_PREFIX}{match[1]}") if match else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An issuer."""

    account_id: UUID
    name: str
    organization_name: str
    managed_by: UUID | None
    created_at: datetime
    email: str | None = None
    subscription_expires_at: datetime | None = None
    additional: dict[str, Any] = field(default_factory=dict[str, Any])
    whitelabel: bool = False
    background_color: str | None = None
    credential_epoch: int = 1
    """Rises with e-mail, password and subscription; a client hash holds for one of them."""
    utc_offset: str = "+00:00"
    """In which times are written that the Pass2U API answers."""
    keyless_links: bool = False
    """Whether passes may be linked to passes of its members without an API key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """What an account may know of one of its keys."""

    key_id: str
    name: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A signing identity; the sealed key goes only to the services that sign and push."""

    identity_id: UUID
    account_id: UUID
    revision: int
    pass_type_identifier: str
    team_identifier: str
    fingerprint: str
    development: bool
    not_after: datetime
    root: str | None
    """The common name of who vouches for its chain; None: uploaded before this was kept."""
    sealed: str = field(repr=False)
    created_at: datetime
    updated_at: datetime


GoogleAccess = Literal["granted", "not_invited", "key_refused", "unchecked"]
"""What Google says of a service account that is to act for an issuer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleIssuer:
    """An issuer of Google Wallet; the sealed key goes only to the service that sends."""

    issuer_id: str
    account_id: UUID
    revision: int
    name: str
    email: str
    key_id: str
    project_id: str
    sealed: str = field(repr=False)
    is_default: bool
    is_lent: bool
    """Whether the accounts that this one manages may use it."""
    development: bool
    access: GoogleAccess
    access_detail: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityRequest:
    """A private key that waits for its certificate, and what Apple is sent for it."""

    request_id: UUID
    account_id: UUID
    public_key_sha256: str
    csr: str
    """PKCS #10 as PEM text."""
    sealed: str = field(repr=False)
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What is known of an image besides its bytes."""

    sha256: str
    sha1: str
    crc32: int
    size: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A template at one of its revisions."""

    template_id: UUID
    model_id: int
    """The number by which the Pass2U API knows it."""
    account_id: UUID
    identity_id: UUID
    revision: int
    name: str
    document: dict[str, Any]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateSummary:
    """A template in a list."""

    template_id: UUID
    model_id: int
    identity_id: UUID
    revision: int
    name: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A revision in a list."""

    revision: int
    name: str
    created_at: datetime


def development_pass_type(account_id: UUID) -> str:
    """Name the pass type of an account's development identity.

    By the random end of the id: its beginning is the time, which two accounts may share.
    """
    return f"pass.development.{account_id.hex[-12:]}"
