"""Logins of accounts by e-mail and password, and the client hashes that stand for them."""

import asyncio
import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from services.gateway.catalogue.accounts import AccountNotFoundError
from services.gateway.domain import Account
from services.gateway.repository.accounts import AccountRepository
from services.gateway.repository.logins import LoginRepository
from shared import clock
from shared.contracts.gateway import AccountSaved
from shared.database import Database, UnitOfWork
from shared.errors import ForbiddenError, TooManyRequestsError, UnauthorizedError
from shared.hashes import client_hash, read_client_hash
from shared.http.forwarding import network_of
from shared.identifiers import new_id
from shared.sealing import MasterKeys

MAX_ATTEMPTS: Final = 5
MAX_ATTEMPTS_WHERE_KNOWN: Final = 50
ATTEMPTS_WITHIN: Final = timedelta(minutes=15)
"""Wrong passwords for one address from one network; more where the right one was used before."""

MAX_ATTEMPTS_OF_STRANGERS: Final = 100
STRANGERS_WITHIN: Final = timedelta(hours=1)
"""Wrong passwords for one address from all networks that never logged in to it."""

NETWORKS_KEPT: Final = timedelta(days=180)
MAX_EMAIL_CHARACTERS: Final = 254
MIN_PASSWORD_CHARACTERS: Final = 8
MAX_PASSWORD_CHARACTERS: Final = 256

_COST, _BLOCK, _LANES = 2**15, 8, 1
_MEMORY = 64 * 1024 * 1024
_SALT_LENGTH = 16
_AT_ONCE = 2
"""Each takes 32 MiB and a tenth of a second of a core."""


class LoginRefusedError(UnauthorizedError):
    """The e-mail address or the password is wrong."""

    code = "login_refused"


class TooManyAttemptsError(TooManyRequestsError):
    """Too many attempts to log in: wait a quarter of an hour."""

    code = "too_many_attempts"


class PasswordNeededError(ForbiddenError):
    """To change e-mail address or password, `current_password` must be the present password."""

    code = "current_password_needed"


class SubscriptionEndedError(UnauthorizedError):
    """The subscription of this account has ended."""

    code = "subscription_ended"


@dataclass(frozen=True, slots=True)
class Unset:
    """Says that something is to stay as it is."""


UNSET: Final = Unset()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginChange:
    """What is to change of an account; what is not set stays."""

    email: str | Unset | None = UNSET
    password: str | Unset | None = UNSET
    subscription_expires_at: datetime | Unset | None = UNSET
    additional: dict[str, Any] | Unset = UNSET
    whitelabel: bool | Unset = UNSET
    background_color: str | Unset | None = UNSET


class Logins:
    """Who may log in, and who a client hash is."""

    def __init__(self, database: Database, master_keys: MasterKeys) -> None:
        self._database = database
        self._master_keys = master_keys
        self._hashers = asyncio.Semaphore(_AT_ONCE)

    async def check_password(self, account_id: UUID, password: str | None) -> None:
        """Let only those change a login who know its password; without one it is not asked for."""
        attempt_id, place = new_id(), _place("account", str(account_id))
        async with self._database.work() as work:
            logins = LoginRepository(work.connection)
            secret = await logins.read_password(account_id)
            if secret is None:
                return
            if password is None:
                raise PasswordNeededError
            await logins.lock_places([place])
            if await logins.count_attempts(place, ATTEMPTS_WITHIN) >= MAX_ATTEMPTS:
                raise TooManyAttemptsError
            await logins.add_attempt(attempt_id, [place])
        if not await self._fits(password, secret):
            raise PasswordNeededError
        async with self._database.work() as work:
            await LoginRepository(work.connection).forget_attempt(attempt_id, [place])

    async def change(self, account_id: UUID, change: LoginChange) -> Account:
        """Change an account; a new e-mail, password or subscription ends its client hashes."""
        secret = await self.prepare(change)
        async with self._database.work() as work:
            return await self.apply(work, account_id, change, secret)

    async def prepare(self, change: LoginChange) -> str | None:
        """Do what takes time, before a transaction is open: hash the password, if there is one."""
        return await self._hash(change.password) if isinstance(change.password, str) else None

    async def apply(
        self, work: UnitOfWork, account_id: UUID, change: LoginChange, secret: str | None
    ) -> Account:
        """Change an account as a part of other work."""
        logins = LoginRepository(work.connection)
        account = await logins.find_locked(account_id)
        if account is None:
            raise AccountNotFoundError
        changed = _changed(account, change)
        has_new_password = not isinstance(change.password, Unset)
        before = (account.email, account.subscription_expires_at)
        if has_new_password or before != (changed.email, changed.subscription_expires_at):
            changed = replace(changed, credential_epoch=account.credential_epoch + 1)
            epoch = changed.credential_epoch
            work.publish(AccountSaved(account_id=account_id, credential_epoch=epoch))
        if changed.email is not None and changed.email != account.email:
            await logins.lock_places([_place("address", changed.email)])
        await logins.save(changed)
        if has_new_password:
            await logins.save_password(account_id, secret)
        return changed

    async def login(self, email: str, password: str, address: str) -> Account:
        """Let somebody in; what is answered and how long it takes tells nothing of who is known."""
        email = normal_email(email)
        attempt_id = new_id()
        here = _place("network", f"{email}\n{network_of(address)}")
        async with self._database.work() as work:
            logins = LoginRepository(work.connection)
            is_known = await logins.is_used(here)
            limits = {
                here: (MAX_ATTEMPTS_WHERE_KNOWN if is_known else MAX_ATTEMPTS, ATTEMPTS_WITHIN)
            }
            if not is_known:
                strangers = MAX_ATTEMPTS_OF_STRANGERS, STRANGERS_WITHIN
                limits[_place("email", email)] = strangers
            places = sorted(limits)
            await logins.lock_places(places)
            for place, (most, within) in limits.items():
                if await logins.count_attempts(place, within) >= most:
                    raise TooManyAttemptsError
            # Noted before the password is looked at, so that many at once do not slip by.
            await logins.add_attempt(attempt_id, places)
            known = await logins.find_password(email)
        account_id, secret = known or (None, None)
        fits = await self._fits(password, secret)
        if account_id is None or not fits:
            raise LoginRefusedError
        async with self._database.work() as work:
            await LoginRepository(work.connection).forget_attempt(attempt_id, places)
            await LoginRepository(work.connection).note_use(here)
            account = await AccountRepository(work.connection).find(account_id, account_id)
        if account is None:
            raise LoginRefusedError
        if has_ended(account):
            raise SubscriptionEndedError
        return account

    async def find_client(self, text: str) -> Account | None:
        """Find the account that a client hash names at its present credentials."""
        name = read_client_hash(self._master_keys, text)
        if name is None:
            return None
        async with self._database.connection() as connection:
            account = await AccountRepository(connection).find(name.account_id, name.account_id)
        if account is None or account.credential_epoch != name.epoch or has_ended(account):
            return None
        return account

    def client_hash(self, account: Account) -> str:
        """Write the account's client hash as it is now."""
        return client_hash(self._master_keys, account.account_id, account.credential_epoch)

    async def forget_old_attempts(self) -> None:
        """Delete attempts that count no more."""
        async with self._database.connection() as connection:
            await LoginRepository(connection).forget_old(STRANGERS_WITHIN, NETWORKS_KEPT)

    async def _hash(self, password: str) -> str:
        salt = secrets.token_bytes(_SALT_LENGTH)
        derived = await self._derive(password, salt)
        return f"scrypt.{b64encode(salt).decode()}.{b64encode(derived).decode()}"

    async def _fits(self, password: str, secret: str | None) -> bool:
        """Compare in the same time whether or not there is anything to compare with."""
        _, salt, expected = (secret or f"none.{b64encode(bytes(_SALT_LENGTH)).decode()}.").split(
            "."
        )
        derived = await self._derive(password[: MAX_PASSWORD_CHARACTERS + 1], b64decode(salt))
        return hmac.compare_digest(derived, b64decode(expected)) and secret is not None

    async def _derive(self, password: str, salt: bytes) -> bytes:
        async with self._hashers:
            return await asyncio.to_thread(
                hashlib.scrypt,
                password.encode("utf-8", "surrogatepass"),
                salt=salt,
                n=_COST,
                r=_BLOCK,
                p=_LANES,
                maxmem=_MEMORY,
            )


def normal_email(email: str) -> str:
    """Write an e-mail address as it is compared."""
    return email.strip().lower()


def has_ended(account: Account) -> bool:
    """Whether the account's subscription is over; one without an end never is."""
    end = account.subscription_expires_at
    return end is not None and end <= clock.now()


def _changed(account: Account, change: LoginChange) -> Account:
    email = change.email
    return replace(
        account,
        email=normal_email(email) if isinstance(email, str) else _or(email, account.email),
        subscription_expires_at=_or(
            change.subscription_expires_at, account.subscription_expires_at
        ),
        additional=_or(change.additional, account.additional),
        whitelabel=_or(change.whitelabel, account.whitelabel),
        background_color=_or(change.background_color, account.background_color),
    )


def _or(given: Any | Unset, present: Any) -> Any:  # noqa: ANN401 - whatever the field holds
    return present if isinstance(given, Unset) else given


def _place(kind: str, text: str) -> bytes:
    """Make a digest: an attempt by somebody unknown leaves no address of theirs with us."""
    return hashlib.sha256(f"{kind}:{text}".encode("utf-8", "surrogatepass")).digest()
