"""Styles and style groups in PostgreSQL: two tables of one form."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Generic
from uuid import UUID

import asyncpg

from services.gateway.domain.styles import Look, Saved
from shared.database import Connection
from shared.passes.styles.groups import StyleGroup
from shared.passes.styles.style import Style


@dataclass(frozen=True, slots=True)
class Kind(Generic[Look]):
    """Where a kind of looks is kept."""

    table: str
    id: str
    """The column of its ids, and the key of documents that name one."""
    model: type[Look]


STYLES: Final = Kind("styles", "style_id", Style)
STYLE_GROUPS: Final = Kind("style_groups", "style_group_id", StyleGroup)


class LookRepository(Generic[Look]):
    """Living styles, or living groups."""

    def __init__(self, connection: Connection, kind: Kind[Look]) -> None:
        self._connection = connection
        self._kind = kind
        self._columns = f"{kind.id} AS id, account_id, revision, document, created_at, updated_at"

    async def add(self, account_id: UUID, look_id: UUID, document: Look) -> Saved[Look]:
        """Add one at its first revision."""
        row = await self._connection.fetchrow(
            f"""
            INSERT INTO {self._kind.table} ({self._kind.id}, account_id, revision, name, document)
            VALUES ($1, $2, 1, $3, $4)
            RETURNING {self._columns}
            """,  # noqa: S608 - our own names
            look_id,
            account_id,
            document.name,
            plain(document),
        )
        return self._saved(row)

    async def raise_revision(self, present: Saved[Look], document: Look) -> Saved[Look]:
        """Write the next revision of one that is locked."""
        row = await self._connection.fetchrow(
            f"""
            UPDATE {self._kind.table}
            SET revision = revision + 1, name = $2, document = $3, updated_at = now()
            WHERE {self._kind.id} = $1
            RETURNING {self._columns}
            """,  # noqa: S608 - our own names
            present.id,
            document.name,
            plain(document),
        )
        return self._saved(row)

    async def delete(self, present: Saved[Look]) -> int:
        """End one that is locked; the revision at which it ended."""
        return await self._connection.fetchval(
            f"""
            UPDATE {self._kind.table}
            SET deleted_at = now(), updated_at = now(), revision = revision + 1
            WHERE {self._kind.id} = $1
            RETURNING revision
            """,  # noqa: S608 - our own names
            present.id,
        )

    async def find(
        self, account_id: UUID, look_id: UUID, *, locked: bool = False
    ) -> Saved[Look] | None:
        """Find one, and keep it as it is until the transaction ends if it is to be `locked`."""
        row = await self._connection.fetchrow(
            f"""
            SELECT {self._columns}
            FROM {self._kind.table}
            WHERE account_id = $1
                AND {self._kind.id} = $2
                AND deleted_at IS NULL
            {"FOR UPDATE" if locked else ""}
            """,  # noqa: S608 - our own names
            account_id,
            look_id,
        )
        return self._saved(row) if row else None

    async def find_many(
        self, account_id: UUID, ids: Collection[UUID], *, kept: bool = False
    ) -> dict[UUID, Saved[Look]]:
        """Find several; none of them is deleted before the transaction ends if they are `kept`."""
        rows = await self._connection.fetch(
            f"""
            SELECT {self._columns}
            FROM {self._kind.table}
            WHERE account_id = $1
                AND {self._kind.id} = ANY($2::uuid[])
                AND deleted_at IS NULL
            ORDER BY {self._kind.id}
            {"FOR SHARE" if kept else ""}
            """,  # noqa: S608 - our own names
            account_id,
            list(ids),
        )
        return {row["id"]: self._saved(row) for row in rows}

    async def list_page(
        self, account_id: UUID, before: UUID | None, limit: int
    ) -> list[Saved[Look]]:
        """List an account's, newest first."""
        rows = await self._connection.fetch(
            f"""
            SELECT {self._columns}
            FROM {self._kind.table}
            WHERE account_id = $1
                AND deleted_at IS NULL
                AND ($2::uuid IS NULL OR {self._kind.id} < $2)
            ORDER BY {self._kind.id} DESC
            LIMIT $3
            """,  # noqa: S608 - our own names
            account_id,
            before,
            limit,
        )
        return [self._saved(row) for row in rows]

    async def list_all(self, after: UUID | None, limit: int) -> list[Saved[Look]]:
        """List those of all accounts, to be announced again."""
        rows = await self._connection.fetch(
            f"""
            SELECT {self._columns}
            FROM {self._kind.table}
            WHERE deleted_at IS NULL
                AND ($1::uuid IS NULL OR {self._kind.id} > $1)
            ORDER BY {self._kind.id}
            LIMIT $2
            """,  # noqa: S608 - our own names
            after,
            limit,
        )
        return [self._saved(row) for row in rows]

    async def is_named_by_templates(self, account_id: UUID, look_id: UUID) -> bool:
        """Whether a living template names it in its newest revision."""
        return await self._connection.fetchval(
            f"""
            SELECT EXISTS (
                SELECT
                FROM templates
                JOIN template_revisions USING (template_id, revision)
                WHERE account_id = $1
                    AND deleted_at IS NULL
                    AND document ->> '{self._kind.id}' = $2::uuid::text
            )
            """,  # noqa: S608 - our own names
            account_id,
            look_id,
        )

    async def is_in_groups(self, account_id: UUID, style_id: UUID) -> bool:
        """Whether a living group may choose a style."""
        return await self._connection.fetchval(
            """
            SELECT EXISTS (
                SELECT
                FROM style_groups
                WHERE account_id = $1
                    AND deleted_at IS NULL
                    AND document @> jsonb_build_object(
                        'rules', jsonb_build_array(
                            jsonb_build_object('style_id', $2::uuid::text)
                        )
                    )
            )
            """,
            account_id,
            style_id,
        )

    def _saved(self, row: asyncpg.Record | None) -> Saved[Look]:
        if row is None:
            raise LookupError(self._kind.table)
        return Saved(
            id=row["id"],
            account_id=row["account_id"],
            revision=row["revision"],
            document=self._kind.model.model_validate(row["document"]),
            created_at=row["created_at"],
            updated_at=row["updated_at"],
        )


def plain(document: Style | StyleGroup) -> dict[str, Any]:
    """Write a style or a group as it is kept and announced."""
    return document.model_dump(mode="json")
