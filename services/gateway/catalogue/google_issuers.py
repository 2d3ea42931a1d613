"""Google Wallet issuers: checked when uploaded, kept with sealed keys, announced to who sends."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

import orjson
from cachetools import LRUCache
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from services.gateway.catalogue.showcase import PassWithoutTemplateError
from services.gateway.domain import GoogleAccess, GoogleIssuer
from services.gateway.repository.google_issuers import GoogleIssuerRepository
from services.gateway.repository.templates import TemplateRepository
from shared import clock
from shared.contracts.gateway import GOOGLE_PURPOSE, GoogleIssuerSaved
from shared.database import Database, UnitOfWork
from shared.errors import ConflictError, InvalidError, NotFoundError
from shared.google.accounts import (
    TOKEN_URL,
    ServiceAccount,
    ServiceAccountError,
    check_issuer_id,
)
from shared.google.api import GoogleApi, GoogleAwayError
from shared.sealing import MasterKeys

PARSED_AT_ONCE: Final = 2
MAX_TEMPLATES: Final = 10_000
_DEVELOPMENT_START: Final = 9_000_000_000_000_000_000
"""Development issuers have numbers that Google's console does not give out."""

_DEVELOPMENT_NUMBERS: Final = 10**17


class GoogleIssuerNotFoundError(NotFoundError):
    """There is no such Google Wallet issuer in this account."""

    code = "google_issuer_not_found"


class GoogleIssuerTakenError(ConflictError):
    """An account of this installation has this issuer id already."""

    code = "google_issuer_taken"


class GoogleNotConfiguredError(ConflictError):
    """The account has no Google Wallet issuer that this template could use."""

    code = "google_not_configured"


class GoogleKeyError(InvalidError):
    """The service account's key file cannot be used."""

    code = "google_key_invalid"


@dataclass(frozen=True, slots=True)
class CheckedKey:
    """A key file that could be used, and what Google says of it."""

    account: ServiceAccount
    content: bytes
    access: GoogleAccess
    detail: str


class GoogleIssuers:
    """The Google Wallet issuers of accounts; keys go in and never come out."""

    def __init__(self, database: Database, master_keys: MasterKeys, api: GoogleApi) -> None:
        self._database = database
        self._master_keys = master_keys
        self._api = api
        self._parsers = asyncio.Semaphore(PARSED_AT_ONCE)
        self._of_templates = LRUCache[UUID, str](MAX_TEMPLATES)

    async def check(self, issuer_id: str, content: bytes) -> CheckedKey:
        """Check an uploaded key, then ask Google whether its account may act for the issuer.

        GoogleKeyError names what is wrong with the number or the file. Whatever Google says is
        noted, no answer as unchecked.
        """
        try:
            check_issuer_id(issuer_id)
        except ServiceAccountError as error:
            raise _refused("/issuer_id", error) from None
        try:
            account = await self._parse(content)
        except ServiceAccountError as error:
            raise _refused("/service_account", error) from None
        access, detail = await self._ask_access(issuer_id, account)
        return CheckedKey(account, content, access, detail)

    async def add(
        self, work: UnitOfWork, account_id: UUID, issuer_id: str, name: str, key: CheckedKey,
        *, is_default: bool, is_lent: bool, development: bool = False,
    ) -> GoogleIssuer:  # fmt: skip
        """Keep a new issuer; the first of an account is its default."""
        issuers = GoogleIssuerRepository(work.connection)
        moment = clock.now()
        is_first = not await issuers.list_page(account_id, None, 1)
        issuer = GoogleIssuer(
            issuer_id=issuer_id,
            account_id=account_id,
            revision=1,
            name=name,
            email=key.account.email,
            key_id=key.account.key_id,
            project_id=key.account.project_id,
            sealed=self._seal(account_id, key.content),
            is_default=False,
            is_lent=is_lent,
            development=development,
            access=key.access,
            access_detail=key.detail,
            created_at=moment,
            updated_at=moment,
        )
        if not await issuers.add(issuer):
            raise GoogleIssuerTakenError
        if is_default or is_first:
            issuer = await self._make_default(issuers, issuer)
        work.publish(issuer_saved(issuer))
        return issuer

    async def change(
        self, account_id: UUID, issuer_id: str, *, name: str | None = None,
        key: CheckedKey | None = None, is_default: bool | None = None, is_lent: bool | None = None,
    ) -> GoogleIssuer:  # fmt: skip
        """Change an issuer; a new key takes over at once."""
        async with self._database.work() as work:
            issuers = GoogleIssuerRepository(work.connection)
            present = await issuers.find(account_id, issuer_id, locked=True)
            if present is None:
                raise GoogleIssuerNotFoundError
            changed = replace(
                present,
                revision=present.revision + 1,
                name=present.name if name is None else name,
                is_lent=present.is_lent if is_lent is None else is_lent,
                is_default=present.is_default and is_default is not False,
                updated_at=clock.now(),
            )
            if key is not None:
                changed = replace(
                    changed,
                    email=key.account.email,
                    key_id=key.account.key_id,
                    project_id=key.account.project_id,
                    sealed=self._seal(account_id, key.content),
                    access=key.access,
                    access_detail=key.detail,
                )
            await issuers.update(changed)
            if is_default:
                changed = await self._make_default(issuers, changed)
            work.publish(issuer_saved(changed))
        return changed

    async def check_again(self, account_id: UUID, issuer_id: str) -> GoogleIssuer:
        """Ask Google once more whether the issuer's service account may act for it."""
        present = await self.get(account_id, issuer_id)
        if present.development and self._api.addresses.is_google:
            return present
        access, detail = await self._ask_access(issuer_id, await self.open(present))
        async with self._database.work() as work:
            issuers = GoogleIssuerRepository(work.connection)
            now = await issuers.find(account_id, issuer_id, locked=True)
            if now is None:
                raise GoogleIssuerNotFoundError
            checked = replace(
                now,
                revision=now.revision + 1,
                access=access,
                access_detail=detail,
                updated_at=clock.now(),
            )
            await issuers.update(checked)
            work.publish(issuer_saved(checked))  # who waits for access goes on
        return checked

    async def develop(self, account_id: UUID) -> tuple[GoogleIssuer, bytes]:
        """Make an issuer that Google does not know, with a key of its own; that as a public PEM."""
        issuer_id = str(_DEVELOPMENT_START + secrets.randbelow(_DEVELOPMENT_NUMBERS))
        content = await asyncio.to_thread(make_key_file)
        account = await self._parse(content)
        checked = CheckedKey(account, content, "unchecked", "")
        async with self._database.work() as work:
            issuer = await self.add(
                work, account_id, issuer_id, "Development", checked,
                is_default=True, is_lent=False, development=True,
            )  # fmt: skip
        public = account.key.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        return issuer, public

    async def get(self, account_id: UUID, issuer_id: str) -> GoogleIssuer:
        """Read about an issuer."""
        async with self._database.connection() as connection:
            issuer = await GoogleIssuerRepository(connection).find(account_id, issuer_id)
        if issuer is None:
            raise GoogleIssuerNotFoundError
        return issuer

    async def is_known(self, issuer_id: str) -> bool:
        """Whether any account has this issuer."""
        async with self._database.connection() as connection:
            return await GoogleIssuerRepository(connection).is_known(issuer_id)

    async def is_offered(self, account_id: UUID, template_id: UUID) -> bool:
        """Whether passes of a template can be added to Google Wallet; nothing is chosen yet."""
        if await self.is_chosen(template_id):
            return True
        async with self._database.connection() as connection:
            issuers = GoogleIssuerRepository(connection)
            return await issuers.find_usable(account_id, None) is not None

    async def is_chosen(self, template_id: UUID) -> bool:
        """Whether some pass of a template was ever wanted at Google."""
        if template_id in self._of_templates:
            return True
        async with self._database.connection() as connection:
            return await TemplateRepository(connection).find_google_issuer(template_id) is not None

    async def of_template(self, account_id: UUID, template_id: UUID) -> str:
        """Give the issuer of a template's passes; chosen when the first is wanted, it stays.

        It is the one that the template names, else the account's default, else a lent default.
        """
        known = self._of_templates.get(template_id)
        if known is not None:
            return known
        async with self._database.work() as work:
            templates = TemplateRepository(work.connection)
            template = await templates.find_locked(account_id, template_id)
            if template is None:
                raise PassWithoutTemplateError
            issuer_id = await templates.find_google_issuer(template_id)
            if issuer_id is None:
                section: dict[str, Any] = template.document.get("google") or {}
                issuers = GoogleIssuerRepository(work.connection)
                issuer = await issuers.find_usable(account_id, section.get("issuer_id"))
                if issuer is None:
                    raise GoogleNotConfiguredError
                issuer_id = issuer.issuer_id
                await templates.keep_google_issuer(template_id, issuer_id)
        self._of_templates[template_id] = issuer_id
        return issuer_id

    async def list(self, account_id: UUID, after: str | None, limit: int) -> "list[GoogleIssuer]":
        """List an account's issuers by number."""
        async with self._database.connection() as connection:
            return await GoogleIssuerRepository(connection).list_page(account_id, after, limit)

    async def open(self, issuer: GoogleIssuer) -> ServiceAccount:
        """Open the key of an issuer, to ask Google with it."""
        content = self._master_keys.open(
            issuer.sealed, purpose=GOOGLE_PURPOSE, owner=str(issuer.account_id)
        )
        return await self._parse(content)

    def warnings(self, issuer: GoogleIssuer) -> Sequence[str]:
        """Say why no phone will have what an issuer makes."""
        if not issuer.development:
            return []
        return ["A development issuer: Google does not know it, and nothing of it is sent there."]

    async def _parse(self, content: bytes) -> ServiceAccount:
        async with self._parsers:
            return await asyncio.to_thread(
                ServiceAccount.parse, content, self._api.addresses.token_url
            )

    async def _ask_access(
        self, issuer_id: str, account: ServiceAccount
    ) -> tuple[GoogleAccess, str]:
        try:
            answer = await self._api.ask(account, "GET", f"issuer/{issuer_id}")
        except GoogleAwayError:
            return "unchecked", "Google did not answer."
        if answer.is_done:
            return "granted", ""
        if answer.status == 401:  # noqa: PLR2004 - HTTP
            return "key_refused", answer.message
        if answer.status in (403, 404):
            invitation = (
                f"Not yet invited: add {account.email} as a user in the Google Pay and Wallet "
                "console."
            )
            return "not_invited", invitation
        return "unchecked", answer.message

    async def _make_default(
        self, issuers: GoogleIssuerRepository, issuer: GoogleIssuer
    ) -> GoogleIssuer:
        await issuers.end_default(issuer.account_id, issuer.issuer_id)
        changed = replace(issuer, is_default=True)
        await issuers.update(changed)
        return changed

    def _seal(self, account_id: UUID, content: bytes) -> str:
        return self._master_keys.seal(content, purpose=GOOGLE_PURPOSE, owner=str(account_id))


def make_key_file() -> bytes:
    """Make the key file of a service account that Google does not know."""
    key = rsa.generate_private_key(65537, 2048)
    name = secrets.token_hex(4)
    return orjson.dumps(
        {
            "type": "service_account",
            "project_id": "development",
            "private_key_id": secrets.token_hex(20),
            "private_key": key.private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            ).decode(),
            "client_email": f"wallet-{name}@development.iam.gserviceaccount.com",
            "token_uri": TOKEN_URL,
        }
    )


def issuer_saved(issuer: GoogleIssuer) -> GoogleIssuerSaved:
    """Announce an issuer as it is."""
    return GoogleIssuerSaved(
        issuer_id=issuer.issuer_id,
        account_id=issuer.account_id,
        revision=issuer.revision,
        email=issuer.email,
        key_id=issuer.key_id,
        project_id=issuer.project_id,
        sealed=issuer.sealed,
        development=issuer.development,
    )


def _refused(pointer: str, error: ServiceAccountError) -> GoogleKeyError:
    return GoogleKeyError(errors=[{"pointer": pointer, "detail": str(error)}])
