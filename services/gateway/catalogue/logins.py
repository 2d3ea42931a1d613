"""Logins of accounts by e-mail and password, and the client hashes that stand for them."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from services.gateway.catalogue import attempts
from services.gateway.catalogue.accounts import AccountNotFoundError
from services.gateway.catalogue.attempts import Limit, place
from services.gateway.catalogue.passwords import Passwords
from services.gateway.domain import Account
from services.gateway.repository.accounts import AccountRepository
from services.gateway.repository.attempts import AttemptRepository
from services.gateway.repository.logins import LoginRepository
from shared import clock
from shared.contracts.gateway import AccountSaved
from shared.database import Database, UnitOfWork
from shared.errors import ForbiddenError, UnauthorizedError
from shared.hashes import client_hash, read_client_hash
from shared.http.forwarding import network_of
from shared.sealing import MasterKeys

ATTEMPTS: Final = Limit(5, timedelta(minutes=15))
ATTEMPTS_WHERE_KNOWN: Final = Limit(50, timedelta(minutes=15))
"""Wrong passwords for one address from one network; more where the right one was used before."""

ATTEMPTS_OF_STRANGERS: Final = Limit(100, timedelta(hours=1))
"""Wrong passwords for one address from all networks that never logged in to it."""

NETWORKS_KEPT: Final = timedelta(days=180)
MAX_EMAIL_CHARACTERS: Final = 254
MIN_PASSWORD_CHARACTERS: Final = 8


class LoginRefusedError(UnauthorizedError):
    """The e-mail address or the password is wrong."""

    code = "login_refused"


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
    utc_offset: str | Unset = UNSET
    keyless_links: bool | Unset = UNSET


class Logins:
    """Who may log in, and who a client hash is."""

    def __init__(self, database: Database, passwords: Passwords, master_keys: MasterKeys) -> None:
        self._database = database
        self._passwords = passwords
        self._master_keys = master_keys

    async def check_password(self, account_id: UUID, password: str | None) -> None:
        """Let only those change a login who know its password; without one it is not asked for."""
        here = place("account", str(account_id))
        async with self._database.work() as work:
            secret = await LoginRepository(work.connection).read_password(account_id)
            if secret is None:
                return
            if password is None:
                raise PasswordNeededError
            attempt = await attempts.begin(work, {here: ATTEMPTS})
        if not await self._passwords.fits(password, secret):
            raise PasswordNeededError
        async with self._database.work() as work:
            await attempts.forget(work, attempt)

    async def change(self, account_id: UUID, change: LoginChange) -> Account:
        """Change an account; a new e-mail, password or subscription ends its client hashes."""
        secret = await self.prepare(change)
        async with self._database.work() as work:
            return await self.apply(work, account_id, change, secret)

    async def prepare(self, change: LoginChange) -> str | None:
        """Do what takes time, before a transaction is open: hash the password, if there is one."""
        password = change.password
        return await self._passwords.hash(password) if isinstance(password, str) else None

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
            await AttemptRepository(work.connection).lock([place("address", changed.email)])
        await logins.save(changed)
        if has_new_password:
            await logins.save_password(account_id, secret)
        return changed

    async def login(self, email: str, password: str, address: str) -> Account:
        """Let somebody in; what is answered and how long it takes tells nothing of who is known."""
        email = normal_email(email)
        here = place("network", f"{email}\n{network_of(address)}")
        async with self._database.work() as work:
            logins = LoginRepository(work.connection)
            is_known = await logins.is_used(here)
            limits = {here: ATTEMPTS_WHERE_KNOWN if is_known else ATTEMPTS}
            if not is_known:
                limits[place("email", email)] = ATTEMPTS_OF_STRANGERS
            attempt = await attempts.begin(work, limits)
            known = await logins.find_password(email)
        account_id, secret = known or (None, None)
        fits = await self._passwords.fits(password, secret)
        if account_id is None or not fits:
            raise LoginRefusedError
        async with self._database.work() as work:
            await attempts.forget(work, attempt)
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

    async def forget_old_networks(self) -> None:
        """Delete networks from which nobody has logged in for long."""
        async with self._database.connection() as connection:
            await LoginRepository(connection).forget_unused(NETWORKS_KEPT)


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
        utc_offset=_or(change.utc_offset, account.utc_offset),
        keyless_links=_or(change.keyless_links, account.keyless_links),
    )


def _or(given: Any | Unset, present: Any) -> Any:  # noqa: ANN401 - whatever the field holds
    return present if isinstance(given, Unset) else given
