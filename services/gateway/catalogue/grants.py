"""Grants: what opens a page in place of a client hash or an edit code, which no address keeps."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import orjson

from services.gateway.catalogue import attempts
from services.gateway.catalogue.attempts import Limit
from services.gateway.catalogue.logins import has_ended
from services.gateway.catalogue.showcase import Showcase
from services.gateway.domain import Account
from services.gateway.repository.accounts import AccountRepository
from services.gateway.repository.templates import TemplateRepository
from shared import clock
from shared.database import Database
from shared.errors import ForbiddenError, GoneError
from shared.http.forwarding import network_of
from shared.sealing import MasterKeys

LIFE: Final = timedelta(hours=12)
ATTEMPTS: Final = Limit(5, timedelta(minutes=15))
"""Wrong codes for one template from one network."""

_PURPOSE: Final = "page grant"
_DIGEST_DIGITS: Final = 16


class EditCodeRefusedError(ForbiddenError):
    """That is not the psEditCode of this template."""

    code = "edit_code_refused"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a page may do: all of an account, or the passes of one template."""

    account: Account
    until: int
    """When it is over, in seconds since 1970."""
    template_id: UUID | None = None
    """The one whose psEditCode opened the page."""


class Grants:
    """Gives grants for what opens a page, and reads them for as long as that would open it, too."""

    def __init__(self, database: Database, showcase: Showcase, master_keys: MasterKeys) -> None:
        self._database = database
        self._showcase = showcase
        self._master_keys = master_keys

    def of_account(self, account: Account, page: str) -> str:
        """Write a grant for a page of an account, for twelve hours or until its hash ends."""
        return self._write(account, page, None, "", self._end())

    async def for_page(self, grant: Grant, page: str) -> str:
        """Write one for another page with the same right, over at the same moment."""
        code = ""
        if grant.template_id is not None:
            code = await self._code(grant.account.account_id, grant.template_id)
        return self._write(grant.account, page, grant.template_id, code, grant.until)

    async def of_code(self, template_id: UUID, code: str, page: str, address: str) -> str:
        """Write a grant for a page of one template, for who knows its psEditCode.

        EditCodeRefusedError; each wrong code counts for the network, however many there are.
        """
        here = attempts.place("edit code", f"{template_id}\n{network_of(address)}")
        async with self._database.work() as work:
            attempt = await attempts.begin(work, {here: ATTEMPTS})
            owner_id = await TemplateRepository(work.connection).find_owner(template_id)
        account = None if owner_id is None else await self._account(owner_id)
        known = "" if owner_id is None else await self._code(owner_id, template_id)
        if account is None or not known or not hmac.compare_digest(known.encode(), code.encode()):
            raise EditCodeRefusedError
        async with self._database.work() as work:
            await attempts.forget(work, attempt)
        return self._write(account, page, template_id, code, self._end())

    async def read(self, text: str, page: str) -> Grant | None:
        """Read a grant for a page; None if it is none, is over, or was given for something else."""
        content = self._master_keys.read_token(text, purpose=_PURPOSE)
        if content is None:
            return None
        account_id, epoch, given_for, template, digest, until = orjson.loads(content)
        if given_for != page or until <= clock.now().timestamp():
            return None
        account = await self._account(UUID(account_id))
        if account is None or account.credential_epoch != epoch:
            return None
        if not template:
            return Grant(account, until)
        template_id = UUID(template)
        code = await self._code(account.account_id, template_id)
        return Grant(account, until, template_id) if code and _digest(code) == digest else None

    def _end(self) -> int:
        return int((clock.now() + LIFE).timestamp())

    def _write(
        self, account: Account, page: str, template_id: UUID | None, code: str, until: int
    ) -> str:
        content = [
            account.account_id.hex,
            account.credential_epoch,
            page,
            template_id.hex if template_id else "",
            _digest(code) if code else "",
            until,
        ]
        return self._master_keys.mint(orjson.dumps(content), purpose=_PURPOSE)

    async def _account(self, account_id: UUID) -> Account | None:
        async with self._database.connection() as connection:
            account = await AccountRepository(connection).find(account_id, account_id)
        return None if account is None or has_ended(account) else account

    async def _code(self, account_id: UUID, template_id: UUID) -> str:
        try:
            compiled = await self._showcase.compiled(account_id, template_id)
        except GoneError:
            return ""
        return compiled.edit_code


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()[:_DIGEST_DIGITS]
