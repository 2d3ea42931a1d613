"""Whole templates as the gateway announced them, compiled once per revision."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

import asyncpg
from cachetools import LRUCache

from shared.contracts.gateway import AccountSaved, TemplateDeleted, TemplateSaved
from shared.contracts.message import JsonObject
from shared.database import Connection
from shared.errors import NotReadyError
from shared.hashes import environment_of
from shared.passes.template.compiled import CompiledTemplate, compile_template
from shared.passes.template.document import TemplateDocument
from shared.sealing import MasterKeys

MAX_COMPILED = 500


@dataclass(frozen=True, slots=True)
class KnownTemplate:
    """A template at its newest revision."""

    account_id: UUID
    revision: int
    compiled: CompiledTemplate
    is_deleted: bool


class TemplateCache:
    """Keeps compiled revisions in memory; a revision never changes, so nothing goes stale."""

    def __init__(self, keys: MasterKeys, root_url: str) -> None:
        self._keys = keys
        self._root_url = root_url
        self._epochs: dict[UUID, int] = {}
        self._compiled = LRUCache[tuple[UUID, int], CompiledTemplate](MAX_COMPILED)

    async def newest(
        self, connection: Connection, template_ids: Iterable[UUID]
    ) -> dict[UUID, KnownTemplate]:
        """Find templates at their newest known revision; unknown ones are missing."""
        rows = await connection.fetch(
            """
            SELECT
                template_id, account_id, revision, deleted_at IS NOT NULL AS is_deleted,
                coalesce(credential_epoch, 1) AS credential_epoch
            FROM templates
            LEFT JOIN accounts USING (account_id)
            WHERE template_id = ANY($1::uuid[])
            """,
            list(set(template_ids)),
        )
        self._epochs.update((row["account_id"], row["credential_epoch"]) for row in rows)
        known: dict[UUID, KnownTemplate] = {}
        missing: dict[UUID, asyncpg.Record] = {}
        for row in rows:
            compiled = self._compiled.get((row["template_id"], row["revision"]))
            if compiled is None:
                missing[row["template_id"]] = row
            else:
                known[row["template_id"]] = KnownTemplate(
                    row["account_id"], row["revision"], compiled, row["is_deleted"]
                )
        if missing:
            # A newer revision may have come since the first look, so theirs count.
            for template_id, revision, compiled in await self._compile(connection, missing):
                row = missing[template_id]
                known[template_id] = KnownTemplate(
                    row["account_id"], revision, compiled, row["is_deleted"]
                )
        return known

    async def at_least(
        self, connection: Connection, revisions: Mapping[UUID, int]
    ) -> dict[UUID, KnownTemplate]:
        """Find templates; NotReadyError if one has not arrived at the revision needed."""
        known = await self.newest(connection, revisions)
        for template_id, revision in revisions.items():
            if template_id not in known or known[template_id].revision < revision:
                raise NotReadyError
        return known

    async def _compile(
        self, connection: Connection, template_ids: Iterable[UUID]
    ) -> list[tuple[UUID, int, CompiledTemplate]]:
        rows = await connection.fetch(
            """
            SELECT template_id, account_id, revision, name, organization, document
            FROM templates
            WHERE template_id = ANY($1::uuid[])
            FOR SHARE
            """,
            list(template_ids),
        )
        done: list[tuple[UUID, int, CompiledTemplate]] = []
        for row in rows:
            compiled = compile_template(
                TemplateDocument.model_validate(row["document"]),
                name=row["name"],
                organization=row["organization"],
                environment=environment_of(
                    self._keys,
                    self._root_url,
                    row["account_id"],
                    row["template_id"],
                    self._epochs,
                ),
            )
            self._compiled[row["template_id"], row["revision"]] = compiled
            done.append((row["template_id"], row["revision"], compiled))
        return done


class TemplateRepository:
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

    async def documents(self, template_ids: Iterable[UUID]) -> dict[UUID, JsonObject]:
        """Find the documents of templates as they are; those not heard of yet are missing."""
        rows = await self._connection.fetch(
            "SELECT template_id, document FROM templates WHERE template_id = ANY($1::uuid[])",
            list(set(template_ids)),
        )
        return {row["template_id"]: row["document"] for row in rows}

    async def save(self, saved: TemplateSaved) -> None:
        """Keep a revision unless a newer one is here."""
        await self._connection.execute(
            """
            INSERT INTO templates (
                template_id, account_id, revision, name, organization, document
            )
            VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (template_id) DO UPDATE SET
                revision = excluded.revision, name = excluded.name,
                organization = excluded.organization, document = excluded.document
            WHERE templates.revision < excluded.revision
            """,
            saved.template_id,
            saved.account_id,
            saved.revision,
            saved.template_name,
            saved.organization_name,
            saved.document,
        )

    async def mark_deleted(self, deleted: TemplateDeleted) -> None:
        """Mark a template; one not heard of yet leaves a tombstone for revisions that are late."""
        await self._connection.execute(
            """
            INSERT INTO templates AS old (
                template_id, account_id, revision, name, organization, document, deleted_at
            )
            VALUES ($1, $2, $3, '', '', '{"pass": {}}', now())
            ON CONFLICT (template_id) DO UPDATE SET
                deleted_at = coalesce(old.deleted_at, now()),
                revision = greatest(old.revision, excluded.revision)
            """,
            deleted.template_id,
            deleted.account_id,
            deleted.revision,
        )

    async def deleted_with_passes(self) -> UUID | None:
        """Find a deleted template that still has living passes."""
        return await self._connection.fetchval(
            """
            SELECT template_id
            FROM templates t
            WHERE deleted_at IS NOT NULL
                AND EXISTS (
                    SELECT
                    FROM passes p
                    WHERE p.account_id = t.account_id
                        AND p.template_id = t.template_id
                        AND p.deleted_at IS NULL
                )
            LIMIT 1
            """
        )
