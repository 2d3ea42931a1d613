"""Images in PostgreSQL, by content."""

from collections.abc import Sequence
from uuid import UUID

from services.gateway.domain import Image
from shared.database import Connection
from shared.passes.schema.images import Png

_IMAGE = "sha256, sha1, crc32, size, width, height"


class ImageRepository:
    """Bytes kept once, and which accounts uploaded them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, png: Png) -> None:
        """Keep the bytes, unless they are there."""
        await self._connection.execute(
            f"""
            INSERT INTO images ({_IMAGE}, data)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT DO NOTHING
            """,  # noqa: S608  our own columns
            png.sha256,
            png.sha1,
            png.crc32,
            png.size,
            png.width,
            png.height,
            png.data,
        )

    async def own(self, account_id: UUID, sha256: str) -> bool:
        """Note that an account uploaded an image; whether that is new."""
        row = await self._connection.fetchrow(
            """
            INSERT INTO account_images (account_id, sha256)
            VALUES ($1, $2)
            ON CONFLICT DO NOTHING
            RETURNING 1
            """,
            account_id,
            sha256,
        )
        return row is not None

    async def find_own(self, account_id: UUID, hashes: Sequence[str]) -> dict[str, Image]:
        """Find those that the account uploaded."""
        rows = await self._connection.fetch(
            f"""
            SELECT {_IMAGE}
            FROM images
            JOIN account_images USING (sha256)
            WHERE account_id = $1
                AND sha256 = ANY($2::text[])
            """,  # noqa: S608  our own columns
            account_id,
            hashes,
        )
        return {row["sha256"]: Image(**row) for row in rows}

    async def name(self, account_id: UUID, name: str, sha256: str) -> None:
        """Let an account know an image by a name; one that is taken keeps its meaning."""
        await self._connection.execute(
            """
            INSERT INTO image_names (account_id, name, sha256)
            VALUES ($1, $2, $3)
            ON CONFLICT DO NOTHING
            """,
            account_id,
            name,
            sha256,
        )

    async def rename(self, account_id: UUID, name: str, sha256: str) -> bool:
        """Let an account know an image by a name, whatever had it before; whether it is new."""
        return await self._connection.fetchval(
            """
            INSERT INTO image_names AS old (account_id, name, sha256)
            VALUES ($1, $2, $3)
            ON CONFLICT (account_id, name) DO UPDATE SET sha256 = excluded.sha256
            RETURNING xmax = 0
            """,
            account_id,
            name,
            sha256,
        )

    async def find_named(self, account_id: UUID, names: Sequence[str]) -> dict[str, str]:
        """Find which images, by SHA-256, an account knows by these names."""
        rows = await self._connection.fetch(
            """
            SELECT name, sha256
            FROM image_names
            WHERE account_id = $1
                AND name = ANY($2::text[])
            """,
            account_id,
            names,
        )
        return {row["name"]: row["sha256"] for row in rows}

    async def find_any(self, hashes: Sequence[str]) -> dict[str, Image]:
        """Find those that are there, whosever they are."""
        rows = await self._connection.fetch(
            f"SELECT {_IMAGE} FROM images WHERE sha256 = ANY($1::text[])",  # noqa: S608  our own columns
            hashes,
        )
        return {row["sha256"]: Image(**row) for row in rows}

    async def list_owned(
        self, after: tuple[UUID, str] | None, limit: int
    ) -> list[tuple[UUID, Image]]:
        """List the images of all accounts."""
        account_id, sha256 = after or (None, None)
        rows = await self._connection.fetch(
            f"""
            SELECT account_id, {_IMAGE}
            FROM account_images
            JOIN images USING (sha256)
            WHERE $1::uuid IS NULL OR (account_id, sha256) > ($1::uuid, $2::text)
            ORDER BY account_id, sha256
            LIMIT $3
            """,  # noqa: S608  our own columns
            account_id,
            sha256,
            limit,
        )
        owned = [dict(row) for row in rows]
        return [(row.pop("account_id"), Image(**row)) for row in owned]

    async def read_data(self, hashes: Sequence[str]) -> dict[str, bytes]:
        """Read the bytes of those that are there."""
        rows = await self._connection.fetch(
            "SELECT sha256, data FROM images WHERE sha256 = ANY($1::text[])", hashes
        )
        return {row["sha256"]: row["data"] for row in rows}
