"""Signing identities: checked when uploaded, kept sealed, announced to those who sign and push."""

from collections.abc import Sequence
from uuid import UUID

import structlog

from services.gateway.catalogue.identity_reader import Files, IdentityReader
from services.gateway.domain import Identity
from services.gateway.repository.identities import IdentityRepository
from shared import clock
from shared.contracts.gateway import IDENTITY_PURPOSE, IdentitySaved
from shared.database import Connection, Database, UnitOfWork
from shared.errors import InvalidError, NotFoundError
from shared.identifiers import new_id
from shared.passes.apple.identities import (
    APPLE_ROOTS,
    SigningIdentity,
    identity_from_pem,
    identity_to_pem,
)
from shared.passes.apple.signing import SigningKey
from shared.sealing import MasterKeys

MAX_TRIED = 50
"""Identities of an account whose keys are tried for a certificate that comes without one."""

PLAIN_HTTP = (
    "Phones get updates over https only, and PASSWRIGHT_BASE_URL is http: passes will not update."
)

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class IdentityNotFoundError(NotFoundError):
    """There is no such signing identity in this account."""

    code = "identity_not_found"


class UnknownIdentityError(InvalidError):
    """There is no such signing identity in this account."""

    code = "identity_unknown"


class Identities:
    """The signing identities of accounts; private keys go in and never come out."""

    def __init__(self, database: Database, master_keys: MasterKeys, base_url: str) -> None:
        self._is_plain_http = base_url.startswith("http:")
        self._database = database
        self._master_keys = master_keys
        self._reader = IdentityReader()

    async def read(
        self,
        account_id: UUID,
        *,
        p12: bytes | None,
        password: str | None,
        pem: str | None,
        certificates: Sequence[bytes],
        keys: Sequence[SigningKey],
    ) -> SigningIdentity:
        """Check uploaded files; IdentityError names the fault. `keys` wait for a certificate."""
        files = Files.of(
            p12=p12,
            password=password,
            pem=pem,
            certificates=certificates,
            keys=keys,
            at=clock.now(),
        )
        return await self._reader.read(account_id, files)

    async def save(self, work: UnitOfWork, account_id: UUID, identity: SigningIdentity) -> Identity:
        """Keep an identity, the next revision if its pass type has one; the same again is none."""
        identities = IdentityRepository(work.connection)
        pass_type_identifier = identity.pass_type_identifier
        known = await identities.find_by_pass_type(account_id, pass_type_identifier)
        if known and known.fingerprint == identity.fingerprint:
            return known
        moment = clock.now()
        sealed = self._master_keys.seal(
            identity_to_pem(identity), purpose=IDENTITY_PURPOSE, owner=str(account_id)
        )
        saved = await identities.save(
            Identity(
                identity_id=new_id(),
                account_id=account_id,
                revision=1,
                pass_type_identifier=pass_type_identifier,
                team_identifier=identity.team_identifier,
                fingerprint=identity.fingerprint,
                development=identity.development,
                not_after=identity.not_after,
                root=identity.root,
                sealed=sealed,
                created_at=moment,
                updated_at=moment,
            )
        )
        work.publish(identity_saved(saved))
        return saved

    async def choose(
        self, connection: Connection, account_id: UUID, identity_id: UUID | None
    ) -> Identity:
        """Take the one that is asked for, or the account's best."""
        identities = IdentityRepository(connection)
        if identity_id is None:
            identity = await identities.find_best(account_id)
        else:
            identity = await identities.find(account_id, identity_id)
        if identity is None:
            fault = {"pointer": "/identity_id", "detail": "Unknown identity"}
            raise UnknownIdentityError(errors=[fault])
        return identity

    async def get(self, account_id: UUID, identity_id: UUID) -> Identity:
        """Read about an identity."""
        async with self._database.connection() as connection:
            identity = await IdentityRepository(connection).find(account_id, identity_id)
        if identity is None:
            raise IdentityNotFoundError
        return identity

    async def keys(self, account_id: UUID) -> Sequence[SigningKey]:
        """Open the keys of an account's identities: a new certificate may be for one of them.

        So a certificate that was uploaded for a request may be sent again, or renewed.
        """
        async with self._database.connection() as connection:
            known = await IdentityRepository(connection).list_page(account_id, None, MAX_TRIED)
        pems = [
            self._master_keys.open(one.sealed, purpose=IDENTITY_PURPOSE, owner=str(account_id))
            for one in known
        ]
        return [identity_from_pem(pem).private_key for pem in pems]

    async def warn_of_plain_http(self) -> None:
        """Log that phones will not be served at the address that is set."""
        async with self._database.connection() as connection:
            if self._is_plain_http and await IdentityRepository(connection).is_any_real():
                log.warning("base_url_is_not_https", reason=PLAIN_HTTP)

    def warnings(self, identity: Identity) -> Sequence[str]:
        """Say why phones will not accept what an identity signs, or not update it."""
        found: list[str] = []
        if not identity.development and identity.root and identity.root not in APPLE_ROOTS:
            found.append(
                f'Its chain ends at "{identity.root}", not at Apple: no phone accepts its passes.'
            )
        if not identity.development and self._is_plain_http:
            found.append(PLAIN_HTTP)
        return found

    async def list(self, account_id: UUID, after: UUID | None, limit: int) -> list[Identity]:
        """List an account's identities, oldest first."""
        async with self._database.connection() as connection:
            return await IdentityRepository(connection).list_page(account_id, after, limit)


def identity_saved(identity: Identity) -> IdentitySaved:
    """Announce an identity as it is."""
    return IdentitySaved(
        identity_id=identity.identity_id,
        account_id=identity.account_id,
        revision=identity.revision,
        pass_type_identifier=identity.pass_type_identifier,
        team_identifier=identity.team_identifier,
        sealed=identity.sealed,
        not_after=identity.not_after,
    )
