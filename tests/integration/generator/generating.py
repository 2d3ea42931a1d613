"""A generator to try, with a real development identity, and the checks a phone would make."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha1, sha256
from typing import Any, TypeVar
from uuid import UUID

import orjson
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization.pkcs7 import load_der_pkcs7_certificates

from services.generator.clients import RenderPool
from services.generator.handlers import catalogue, contents, google, passes
from services.generator.repository.bundles import BundleCache
from shared.contracts.gateway import (
    IDENTITY_PURPOSE,
    AccountImage,
    IdentitySaved,
    ImageReference,
    ImagesSaved,
    TemplateSaved,
)
from shared.contracts.generator import (
    BuiltContent,
    Content,
    ContentBuilt,
    GoogleBuilt,
    GooglePass,
    ReadContent,
    ReadGoogle,
)
from shared.contracts.triggers import DeletedPass, Pass, PassesChanged, PassesDeleted
from shared.database import Database, UnitOfWork
from shared.errors import ApplicationError, NotReadyError
from shared.passes.apple.development import DevelopmentAuthority
from shared.passes.apple.identities import SigningIdentity, identity_to_pem
from shared.passes.apple.tokens import PassTokens
from shared.sealing import MasterKeys

ACCOUNT = UUID(int=1)
OTHER_ACCOUNT = UUID(int=2)
TEMPLATE = UUID(int=10)
IDENTITY = UUID(int=20)
OTHER_IDENTITY = UUID(int=21)
HANDLE = "handle0"
POINTS = "structure_headerFields_points_value"
MOMENT = datetime(2026, 11, 21, tzinfo=UTC)
KEYS = MasterKeys([bytes(32)])
TOKENS = PassTokens([bytes(32)])
ROOT_URL = "https://passes.example"
ICON = ImageReference(sha256="ab" * 32, sha1="cd" * 20, crc32=1, size=2)
LOGO = ImageReference(sha256="12" * 32, sha1="34" * 20, crc32=2**32 - 1, size=3)

Reply = TypeVar("Reply")


@cache
def authority() -> DevelopmentAuthority:
    return DevelopmentAuthority.create(MOMENT)


@cache
def an_identity(number: int = 1, pass_type: str = "pass.com.example.coffee") -> SigningIdentity:
    """Issue an identity; each number is another key of the same pass type."""
    return authority().issue(pass_type, "TEAM123456", f"Example {number}", MOMENT)


def identity_saved(
    revision: int = 1,
    identity: SigningIdentity | None = None,
    *,
    identity_id: UUID = IDENTITY,
) -> IdentitySaved:
    identity = identity or an_identity()
    return IdentitySaved(
        identity_id=identity_id,
        account_id=ACCOUNT,
        revision=revision,
        pass_type_identifier=identity.pass_type_identifier,
        team_identifier=identity.team_identifier,
        sealed=KEYS.seal(identity_to_pem(identity), purpose=IDENTITY_PURPOSE, owner=str(ACCOUNT)),
        not_after=identity.not_after,
    )


def template_saved(
    revision: int = 1,
    *,
    template_id: UUID = TEMPLATE,
    identity_id: UUID = IDENTITY,
    description: str = "Coffee card",
    icon: ImageReference = ICON,
    **parts: Any,
) -> TemplateSaved:
    points = {"key": "points", "label": "Points", "value": 0}
    member = {"key": "member", "label": "Member", "value": "{member_name}"}
    document = {
        "pass": {
            "description": description,
            "storeCard": {"headerFields": [points], "secondaryFields": [member]},
        },
        "properties": {"hidden": 0},
        **parts,
    }
    return TemplateSaved(
        template_id=template_id,
        account_id=ACCOUNT,
        revision=revision,
        template_name="Card",
        organization_name="Beans",
        apple_identity_id=identity_id,
        document=document,
        images={"icon.png": icon},
    )


def images_saved(*images: ImageReference, account_id: UUID = ACCOUNT) -> ImagesSaved:
    return ImagesSaved(
        images=[AccountImage(account_id=account_id, image=image) for image in images]
    )


def a_pass(
    version: int = 1,
    values: dict[str, Any] | None = None,
    *,
    handle: str = HANDLE,
    template_id: UUID = TEMPLATE,
    **rest: Any,
) -> Pass:
    return Pass(
        handle=handle,
        account_id=ACCOUNT,
        template_id=template_id,
        serial_number=f"serial of {handle}",
        version=version,
        values={POINTS: version} if values is None else values,
        created_at=MOMENT,
        updated_at=MOMENT,
        push_version=version,
        **rest,
    )


def a_query(
    handle: str = HANDLE,
    *,
    account_id: UUID = ACCOUNT,
    template_id: UUID = TEMPLATE,
    template_revision: int = 1,
    version: int = 1,
    modified_since: datetime | None = None,
) -> ReadContent:
    return ReadContent(
        account_id=account_id,
        handle=handle,
        template_id=template_id,
        template_revision=template_revision,
        version=version,
        modified_since=modified_since,
    )


@dataclass
class Generator:
    """One process of the generator; `built` holds what the last call announced."""

    database: Database
    cache: BundleCache = field(default_factory=lambda: BundleCache(KEYS, ROOT_URL, TOKENS))
    pool: RenderPool = field(default_factory=lambda: RenderPool(2))
    built: list[BuiltContent] = field(default_factory=list[BuiltContent])
    google_built: list[GooglePass] = field(default_factory=list[GooglePass])

    async def keep(self, *events: TemplateSaved | IdentitySaved | ImagesSaved) -> None:
        for event in events:
            if isinstance(event, TemplateSaved):
                await self._do(catalogue.keep_templates, [event])
            elif isinstance(event, ImagesSaved):
                await self._do(catalogue.keep_images, [event])
            else:
                await self._do(catalogue.keep_identities, [event])

    async def build(self, *batches: Sequence[Pass]) -> list[BuiltContent]:
        """Let passes change; what is known to be fetched is composed."""
        events = [PassesChanged(passes=list(batch)) for batch in batches]
        await self._do(passes.keep_passes, events, cache=self.cache, pool=self.pool)
        return self.built

    async def fetch(self, *batches: Sequence[Pass]) -> list[Content]:
        """Let passes come, and somebody fetch each."""
        await self.build(*batches)
        answers = await self.ask(*(a_query(p.handle) for batch in batches for p in batch))
        return [good(answer) for answer in answers]

    async def build_in(self, work: UnitOfWork, *changed: Pass) -> None:
        event = PassesChanged(passes=list(changed))
        await passes.keep_passes([event], work, cache=self.cache, pool=self.pool)

    async def delete(self, version: int = 9, handle: str = HANDLE) -> None:
        async with self.database.work() as work:
            await self.delete_in(work, version, handle)

    async def delete_in(self, work: UnitOfWork, version: int, handle: str = HANDLE) -> None:
        gone = DeletedPass(handle=handle, account_id=ACCOUNT, version=version)
        await passes.delete_passes([PassesDeleted(passes=[gone])], work)

    async def ask(self, *queries: ReadContent) -> list[Content | ApplicationError | NotReadyError]:
        return await self._do(contents.read_contents, queries, cache=self.cache, pool=self.pool)

    async def read(self, **rest: Any) -> Content:
        """Give the content of one pass as the gateway gets it."""
        return good((await self.ask(a_query(**rest)))[0])

    async def want_at_google(
        self, *handles: str, version: int = 1, account_id: UUID = ACCOUNT, issuer_id: str = "33"
    ) -> list[GooglePass | ApplicationError | NotReadyError]:
        """Ask for passes as Google is to have them."""
        queries = [
            ReadGoogle(
                account_id=account_id,
                template_id=TEMPLATE,
                template_revision=1,
                handle=handle,
                version=version,
                issuer_id=issuer_id,
            )
            for handle in handles
        ]
        return await self._do(google.read_google, queries, cache=self.cache)

    async def backdate(self, by: timedelta) -> None:
        """Let the contents be made so long ago."""
        async with self.database.work() as work:
            await work.connection.execute(
                "UPDATE apple_contents SET last_modified = last_modified - $1::interval", by
            )

    async def _do(
        self, handler: Callable[..., Awaitable[Any]], messages: Sequence[Any], **clients: Any
    ) -> Any:
        async with self.database.work() as work:
            outcome = await handler(list(messages), work, **clients)
        told = work.announced
        self.built = [
            c for event in told if isinstance(event, ContentBuilt) for c in event.contents
        ]
        self.google_built = [
            one for event in told if isinstance(event, GoogleBuilt) for one in event.passes
        ]
        return outcome


def points_of(content: Content) -> Any:
    return orjson.loads(content.pass_json)["storeCard"]["headerFields"][0]["value"]


def check_content(content: Content, identity: SigningIdentity | None = None) -> None:
    """Check the hashes of the manifest and the signature over it, as Wallet does."""
    identity = identity or an_identity()
    assert orjson.loads(content.manifest) == {
        **{name: image.sha1 for name, image in content.images.items()},
        **{
            name: sha1(data, usedforsecurity=False).hexdigest()
            for name, data in content.files.items()
        },
        "pass.json": sha1(content.pass_json, usedforsecurity=False).hexdigest(),
    }
    carried = load_der_pkcs7_certificates(content.signature)
    assert set(carried) == {identity.certificate, *identity.intermediates}
    key = identity.certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    value = content.signature[-key.key_size // 8 :]
    # The signed attributes stand in the file under the tag [0], and are signed as a SET.
    start = content.signature.rindex(bytes.fromhex("a069301806092a864886f70d010903"))
    attributes = content.signature[start + 2 : start + 2 + 0x69]
    assert sha256(content.manifest).digest() in attributes
    key.verify(value, b"\x31\x69" + attributes, padding.PKCS1v15(), hashes.SHA256())


async def until_somebody_waits(database: Database) -> None:
    async with asyncio.timeout(10), database.connection() as connection:
        while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)


def good(outcome: Reply | ApplicationError | NotReadyError) -> Reply:
    if isinstance(outcome, ApplicationError | NotReadyError):
        raise outcome
    return outcome


def kinds(outcomes: Sequence[Any]) -> list[str]:
    return [type(outcome).__name__ for outcome in outcomes]
