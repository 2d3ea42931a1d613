"""Service accounts: who may ask for tokens, by which keys, and the tokens they were given."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tests.google.clock import Clock, real_now
from tests.google.errors import TokenError, unauthenticated

SCOPE: Final = "https://www.googleapis.com/auth/wallet_object.issuer"
GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GOOGLES_TOKEN_URL: Final = "https://oauth2.googleapis.com/token"
TOKEN_LIFE: Final = timedelta(seconds=3599)
LONGEST_ASSERTION: Final = timedelta(hours=1)
SKEW: Final = timedelta(minutes=5)
"""How far two clocks may be apart."""


@dataclass
class ServiceAccount:
    """A program that may be invited by issuers, as a person would be."""

    email: str
    project: str
    keys: dict[str, rsa.RSAPublicKey] = field(default_factory=dict[str, rsa.RSAPublicKey])
    """Key id → public key."""

    def verified(self, token: str, audiences: set[str], required: list[str]) -> dict[str, Any]:
        """Read what one of the keys signed; jwt.InvalidTokenError unless one did.

        Times are left to the caller, who asks a clock that tests may set.
        """
        key = self.keys.get(jwt.get_unverified_header(token).get("kid", ""))
        if key is None:
            raise jwt.InvalidSignatureError("the kid is of no key of this account")
        return jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            audience=audiences,
            options={
                "require": required,
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )


@dataclass(frozen=True)
class _Token:
    account: ServiceAccount
    key_id: str
    ends_at: datetime


class Accounts:
    """All service accounts there are, with their tokens."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tokens: dict[str, _Token] = {}
        self.by_email: dict[str, ServiceAccount] = {}

    def add(self, email: str, project: str, key_id: str, key: rsa.RSAPublicKey) -> ServiceAccount:
        """Know a key of an account; the account too, if it is new."""
        account = self.by_email.setdefault(email, ServiceAccount(email, project))
        account.keys[key_id] = key
        return account

    def create(
        self, name: str, project: str, token_url: str, key: rsa.RSAPrivateKey | None = None
    ) -> dict[str, str]:
        """Make a new key of an account, and the account if it is new: the file that Google gives.

        `project` is of Google Cloud: the quota of requests is counted by it.
        """
        key = key or new_key()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        key_file = {
            "type": "service_account",
            "project_id": project,
            "private_key_id": secrets.token_hex(20),
            "private_key": pem.decode(),
            "client_email": f"{name}@{project}.iam.gserviceaccount.com",
            "client_id": str(10**20 + secrets.randbelow(10**20)),
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": token_url,
            "universe_domain": "googleapis.com",
        }
        self.add(key_file["client_email"], project, key_file["private_key_id"], key.public_key())
        return key_file

    def add_file(self, key_file: dict[str, str]) -> ServiceAccount:
        """Know the account and the key of a file that Google gave."""
        key = load_pem_private_key(key_file["private_key"].encode(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        about = key_file["client_email"], key_file["project_id"], key_file["private_key_id"]
        return self.add(*about, key.public_key())

    def revoke(self, key_id: str) -> None:
        """Take a key away, and with it the tokens it got."""
        for account in self.by_email.values():
            account.keys.pop(key_id, None)
        self._tokens = {text: one for text, one in self._tokens.items() if one.key_id != key_id}

    def exchange(self, grant_type: str, assertion: str, audiences: set[str]) -> dict[str, Any]:
        """Give a token for a signed assertion, as OAuth answers."""
        if grant_type != GRANT:
            raise TokenError("unsupported_grant_type", f"Invalid grant_type: {grant_type}")
        try:
            unverified = jwt.decode(assertion, options={"verify_signature": False})
            account = self.by_email.get(str(unverified.get("iss")))
            if account is None:
                raise TokenError("invalid_grant", "Invalid grant: account not found")
            claims = account.verified(assertion, audiences, ["iss", "aud", "iat", "exp"])
        except jwt.InvalidAudienceError:
            raise TokenError("invalid_grant", "Invalid JWT: wrong audience.") from None
        except jwt.InvalidTokenError as error:
            raise TokenError("invalid_grant", f"Invalid JWT Signature: {error}.") from None
        # Quotas run on Google's clock, which a test may set ahead of the client's.
        if not any(_is_current(claims, now) for now in (self._clock.now(), real_now())):
            text = "Invalid JWT: iat and exp must be a reasonable timeframe of at most 60 minutes."
            raise TokenError("invalid_grant", text)
        if SCOPE not in str(claims.get("scope", "")).split():
            raise TokenError("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        key_id: str = jwt.get_unverified_header(assertion)["kid"]
        text = f"ya29.{secrets.token_urlsafe(32)}"
        self._tokens[text] = _Token(account, key_id, self._clock.now() + TOKEN_LIFE)
        seconds = int(TOKEN_LIFE.total_seconds())
        return {"access_token": text, "expires_in": seconds, "token_type": "Bearer"}

    def of(self, authorization: str) -> ServiceAccount:
        """Find whose token a request shows; 401 when it is nobody's, or no longer."""
        scheme, _, text = authorization.partition(" ")
        token = self._tokens.get(text)
        if scheme != "Bearer" or token is None or token.ends_at <= self._clock.now():
            raise unauthenticated()
        return token.account


def _is_current(claims: dict[str, Any], now: datetime) -> bool:
    issued, ends, moment = claims["iat"], claims["exp"], now.timestamp()
    if not (is_number(issued) and is_number(ends)):
        return False
    is_short = 0 < ends - issued <= LONGEST_ASSERTION.total_seconds()
    return is_short and issued - SKEW.total_seconds() <= moment < ends


def is_number(claim: object) -> bool:
    """Tell whether a claim is a time as JWT writes it: in seconds, and no text."""
    return isinstance(claim, int | float) and not isinstance(claim, bool)


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Issuer:
    """Whose classes and objects they are; invites service accounts in Google's console."""

    id: str
    name: str
    invited: set[str] = field(default_factory=set[str])
    """E-mail addresses."""
    callback_url: str = ""
    """For classes that name none."""
