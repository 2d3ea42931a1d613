"""What was told of passes that somebody wants at Google."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.database import Connection, columns


@dataclass(frozen=True, slots=True)
class ToldDocument:
    """A pass at Google as it was told last."""

    handle: str
    version: int
    class_id: str
    class_digest: bytes
    """Empty where an existing class is adopted."""
    object_digest: bytes


class GoogleRepository:
    """Whoever writes here has locked the passes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def follow(self, issuers: dict[str, str]) -> None:
        """Note that somebody wants passes at Google: handle → issuer."""
        await self._connection.execute(
            """
            UPDATE passes
            SET google_issuer_id = followed.issuer_id
            FROM unnest($1::text[], $2::text[]) AS followed (handle, issuer_id)
            WHERE passes.handle = followed.handle
                AND passes.google_issuer_id IS DISTINCT FROM followed.issuer_id
            """,
            list(issuers),
            list(issuers.values()),
        )

    async def find(self, handles: Iterable[str]) -> dict[str, ToldDocument]:
        """Find what was told of passes."""
        rows = await self._connection.fetch(
            """
            SELECT handle, version, class_id, class_digest, object_digest
            FROM google_documents
            WHERE handle = ANY($1::text[])
            """,
            list(handles),
        )
        return {row["handle"]: ToldDocument(**row) for row in rows}

    async def store(self, documents: Sequence[ToldDocument]) -> None:
        """Note what is told now."""
        await self._connection.execute(
            """
            INSERT INTO google_documents (handle, version, class_id, class_digest, object_digest)
            SELECT *
            FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bytea[], $5::bytea[])
            ON CONFLICT (handle) DO UPDATE SET
                version = excluded.version, class_id = excluded.class_id,
                class_digest = excluded.class_digest, object_digest = excluded.object_digest
            """,
            *columns(documents, "handle", "version", "class_id", "class_digest", "object_digest"),
        )

    async def variants(self, template_ids: Collection[UUID]) -> dict[UUID, set[str]]:
        """Find the classes that templates have besides their own."""
        rows = await self._connection.fetch(
            """
            SELECT template_id, class_id
            FROM google_variants
            WHERE template_id = ANY($1::uuid[])
            """,
            list(template_ids),
        )
        found: dict[UUID, set[str]] = {template_id: set() for template_id in template_ids}
        for row in rows:
            found[row["template_id"]].add(row["class_id"])
        return found

    async def add_variants(self, variants: Collection[tuple[UUID, str]]) -> None:
        """Note further classes of templates."""
        await self._connection.execute(
            """
            INSERT INTO google_variants (template_id, class_id)
            SELECT *
            FROM unnest($1::uuid[], $2::text[])
            ON CONFLICT DO NOTHING
            """,
            *columns(sorted(variants), 0, 1),
        )

    async def forget(self, handles: Collection[str]) -> None:
        """Forget passes that were deleted."""
        await self._connection.execute(
            "DELETE FROM google_documents WHERE handle = ANY($1::text[])", list(handles)
        )
