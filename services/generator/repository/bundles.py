"""Templates and identities as the gateway announced them, prepared for rendering."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from hashlib import sha1, sha256
from typing import Final
from uuid import UUID

from cachetools import LRUCache
from pydantic import TypeAdapter

from services.generator.renderers.apple import IdentitySigner, TemplateBundle
from services.generator.renderers.blanks import Blank
from services.generator.repository.styles import KnownStyles, StyleRepository
from shared.contracts.gateway import (
    IDENTITY_PURPOSE,
    AccountSaved,
    IdentitySaved,
    ImageReference,
    TemplateSaved,
)
from shared.contracts.triggers import Pass
from shared.database import Connection
from shared.hashes import environment_of
from shared.passes.apple.identities import identity_from_pem
from shared.passes.apple.pass_json import WEB_SERVICE_PATH, AppleIssuer
from shared.passes.apple.tokens import PassTokens
from shared.passes.google.projection import GoogleProjector
from shared.passes.schema.localization import strings_files
from shared.passes.schema.slots import is_icon
from shared.passes.styles.choice import Named, chosen_style, named_by
from shared.passes.styles.laying import lay_over
from shared.passes.styles.style import Style
from shared.passes.template.compiled import compile_template
from shared.passes.template.document import TemplateDocument
from shared.sealing import MasterKeys

MAX_BUNDLES = 500

_IMAGES = TypeAdapter(dict[str, ImageReference])

LARGEST_FIRST: Final = ("icon@3x.png", "icon@2x.png", "icon.png")

ProjectorKey = tuple[UUID, int, int, str]
"""Template, its revision, the digest of what else it is made with, the issuer."""

BundleKey = tuple[UUID, int, UUID, int, int]
"""Template, its revision, its identity, that one's revision, the account's credential epoch."""

StyledKey = tuple[UUID, int, int, UUID, int]
"""Template, its revision, the digest of what else it is made with, a style, its revision."""


class BundleCache:
    """Keeps prepared bundles in memory; revisions never change, so nothing goes stale."""

    def __init__(self, keys: MasterKeys, root_url: str, tokens: PassTokens) -> None:
        self._keys = keys
        self._root_url = root_url
        self._tokens = tokens
        self._epochs: dict[UUID, int] = {}
        self._bundles = LRUCache[BundleKey, TemplateBundle](MAX_BUNDLES)
        self._styled = LRUCache[StyledKey, TemplateBundle](MAX_BUNDLES)
        self._signers = LRUCache[tuple[UUID, int], IdentitySigner](MAX_BUNDLES)
        self._blanks = LRUCache[UUID, Blank](MAX_BUNDLES)
        self._projectors = LRUCache[ProjectorKey, GoogleProjector](MAX_BUNDLES)

    async def newest(
        self, connection: Connection, template_ids: Iterable[UUID]
    ) -> dict[UUID, TemplateBundle]:
        """Find bundles at the newest known revisions; what has not arrived yet is missing."""
        rows = await connection.fetch(
            """
            SELECT
                template_id, t.revision AS template_revision, identity_id,
                i.revision AS identity_revision,
                coalesce(credential_epoch, 1) AS credential_epoch, t.account_id
            FROM templates t
            JOIN identities i USING (identity_id)
            LEFT JOIN accounts a ON a.account_id = t.account_id
            WHERE template_id = ANY($1::uuid[])
            """,
            list(set(template_ids)),
        )
        self._epochs.update((row["account_id"], row["credential_epoch"]) for row in rows)
        return {row["template_id"]: await self._bundle(connection, tuple(row)[:5]) for row in rows}

    async def styled(
        self,
        connection: Connection,
        bundles: Mapping[UUID, TemplateBundle],
        passes: Collection[Pass],
    ) -> dict[str, TemplateBundle]:
        """Find by what each pass is made, by its handle: its template with the style it has.

        A pass lacks whose style or group has not arrived. Nothing is asked where nobody names one.
        """
        named = {
            pass_.handle: named_by(
                (pass_.style_id, pass_.style_group_id),
                pass_.member,
                bundles[pass_.template_id].named_styles,
            )
            for pass_ in passes
        }
        asked = {(p.account_id, one.id) for p in passes for one in named[p.handle]}
        known = await StyleRepository(connection).find(asked) if asked else KnownStyles()
        found: dict[str, TemplateBundle] = {}
        for pass_ in passes:
            bundle = bundles[pass_.template_id]
            if not (choices := named[pass_.handle]):
                found[pass_.handle] = bundle
            elif _has_arrived(pass_, choices, known):
                style_id = chosen_style(choices, pass_.member, known.groups, known.styles)
                found[pass_.handle] = (
                    await self._styled_bundle(connection, bundle, style_id, known)
                    if style_id
                    else bundle
                )
        return found

    async def projector(self, bundle: TemplateBundle, issuer_id: str) -> GoogleProjector:
        """Give what makes classes and objects for Google of a template's passes."""
        key = (bundle.template_id, bundle.revision, bundle.environment_digest, issuer_id)
        projector = self._projectors.get(key)
        if projector is None:
            projector = self._projectors[key] = await asyncio.to_thread(
                GoogleProjector,
                bundle.document,
                bundle.compiled,
                template_id=bundle.template_id,
                style_id=bundle.style_id,
                issuer_id=issuer_id,
                base_url=self._root_url,
                plain_logo=largest_icon(bundle.images),
            )
        return projector

    async def blanks(
        self, connection: Connection, blank_ids: Collection[UUID]
    ) -> dict[UUID, Blank]:
        """Find the blanks that contents are packed against; each is what its id says for good."""
        found = {i: blank for i in blank_ids if (blank := self._blanks.get(i)) is not None}
        if missing := [i for i in blank_ids if i not in found]:
            rows = await connection.fetch(
                "SELECT blank_id, files FROM blanks WHERE blank_id = ANY($1::uuid[])", missing
            )
            read = {row["blank_id"]: Blank(**row) for row in rows}
            self._blanks.update(read)
            found |= read
        return found

    async def _bundle(self, connection: Connection, key: BundleKey) -> TemplateBundle:
        bundle = self._bundles.get(key)
        if bundle is None:
            bundle = self._bundles[key] = await self._prepare(connection, key[0], key[4])
        return bundle

    async def _styled_bundle(
        self, connection: Connection, base: TemplateBundle, style_id: UUID, known: KnownStyles
    ) -> TemplateBundle:
        key = (
            base.template_id, base.revision, base.environment_digest,
            style_id, known.revisions[style_id],
        )  # fmt: skip
        bundle = self._styled.get(key)
        if bundle is None:
            revision, style, images = await StyleRepository(connection).read(style_id)
            bundle = self._styled[key] = await asyncio.to_thread(
                self._lay_over, base, style_id, revision, style, images
            )
        return bundle

    def _lay_over(
        self,
        base: TemplateBundle,
        style_id: UUID,
        revision: int,
        style: Style,
        images: Mapping[str, ImageReference],
    ) -> TemplateBundle:
        """Make of a template's bundle that of its passes which have a style."""
        document = lay_over(style, base.document)
        own_icon = any(map(is_icon, images))
        kept = {f"{slot}.png" for slot in document.images}
        if not own_icon:
            kept |= base.plain_icon
        laid = {name: image for name, image in base.images.items() if name in kept}
        laid |= images
        environment = f"{base.environment_digest}\n{style_id}\n{revision}"
        return replace(
            base,
            document=document,
            compiled=compile_template(
                document,
                name=base.name,
                organization=base.organization,
                environment=base.compiled.environment,
            ),
            images=laid,
            digests={**{name: image.sha1 for name, image in laid.items()}, **base.file_digests},
            environment_digest=_digest(environment),
            plain_icon=frozenset() if own_icon else base.plain_icon,
            style_id=style_id,
            style_revision=revision,
        )

    async def _prepare(
        self, connection: Connection, template_id: UUID, epoch: int
    ) -> TemplateBundle:
        row = await connection.fetchrow(
            """
            SELECT
                t.revision, t.name, t.organization, t.document, t.images, i.identity_id,
                i.account_id, i.revision AS identity_revision, i.sealed
            FROM templates t
            JOIN identities i USING (identity_id)
            WHERE template_id = $1
            """,
            template_id,
        )
        if row is None:
            raise LookupError(template_id)
        signer_key = (row["identity_id"], row["identity_revision"])
        signer = self._signers.get(signer_key)
        if signer is None:
            pem = self._keys.open(
                row["sealed"], purpose=IDENTITY_PURPOSE, owner=str(row["account_id"])
            )
            signer = self._signers[signer_key] = IdentitySigner(
                identity_from_pem(pem), row["identity_revision"]
            )
        document = TemplateDocument.model_validate(row["document"])
        images = _IMAGES.validate_python(row["images"])
        files = strings_files(document.localizations)
        file_digests = {
            name: sha1(data, usedforsecurity=False).hexdigest() for name, data in files.items()
        }
        return TemplateBundle(
            template_id=template_id,
            revision=row["revision"],
            name=row["name"],
            organization=row["organization"],
            document=document,
            compiled=compile_template(
                document,
                name=row["name"],
                organization=row["organization"],
                environment=environment_of(
                    self._keys, self._root_url, row["account_id"], template_id, self._epochs
                ),
            ),
            images=images,
            files=files,
            file_digests=file_digests,
            digests={**{name: image.sha1 for name, image in images.items()}, **file_digests},
            issuer=AppleIssuer(
                signer.pass_type_identifier,
                signer.team_identifier,
                f"{self._root_url}{WEB_SERVICE_PATH}",
            ),
            identity=signer,
            tokens=self._tokens,
            credential_epoch=epoch,
            environment_digest=digest_environment(self._root_url, epoch, row["identity_id"]),
            plain_icon=frozenset(images).difference(f"{slot}.png" for slot in document.images),
        )


def largest_icon(images: Mapping[str, ImageReference]) -> str:
    """Name the image that stands in for a logo, by its SHA-256; every template has an icon."""
    icons = [images[name] for name in LARGEST_FIRST if name in images]
    return icons[0].sha256 if icons else ""


def digest_environment(root_url: str, credential_epoch: int, identity_id: UUID) -> int:
    """Digest what contents depend on besides revisions and state, in 64 bits."""
    return _digest(f"{root_url}\n{credential_epoch}\n{identity_id}")


def _digest(text: str) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big", signed=True)


def _has_arrived(pass_: Pass, named: Collection[Named], known: KnownStyles) -> bool:
    """Whether all is here that may decide of a pass's style, in the revisions that it needs."""
    ids = {one.id for one in named}
    for one in named:
        ids |= {rule.style_id for rule in known.groups.get(one.id, ())}
    needed = pass_.styles_needed
    return all(known.revisions.get(id_, 0) >= max(needed.get(id_, 0), 1) for id_ in ids)


class CatalogueRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def save_account(self, saved: AccountSaved) -> None:
        await self._connection.execute(
            """
            INSERT INTO accounts (account_id, credential_epoch)
            VALUES ($1, $2)
            ON CONFLICT (account_id) DO UPDATE SET
                credential_epoch = greatest(
                    accounts.credential_epoch, excluded.credential_epoch
                )
            """,
            saved.account_id,
            saved.credential_epoch,
        )

    async def save_template(self, saved: TemplateSaved) -> None:
        """Keep a revision unless a newer one is here."""
        await self._connection.execute(
            """
            INSERT INTO templates (
                template_id, account_id, revision, name, organization, identity_id, document,
                images
            )
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            ON CONFLICT (template_id) DO UPDATE SET
                revision = excluded.revision, name = excluded.name,
                organization = excluded.organization, identity_id = excluded.identity_id,
                document = excluded.document, images = excluded.images
            WHERE templates.revision < excluded.revision
            """,
            saved.template_id,
            saved.account_id,
            saved.revision,
            saved.template_name,
            saved.organization_name,
            saved.apple_identity_id,
            saved.document,
            {name: image.model_dump() for name, image in saved.images.items()},
        )

    async def save_identity(self, saved: IdentitySaved) -> None:
        await self._connection.execute(
            """
            INSERT INTO identities (identity_id, account_id, revision, sealed)
            VALUES ($1, $2, $3, $4)
            ON CONFLICT (identity_id) DO UPDATE SET
                revision = excluded.revision, sealed = excluded.sealed
            WHERE identities.revision < excluded.revision
            """,
            saved.identity_id,
            saved.account_id,
            saved.revision,
            saved.sealed,
        )
