"""The hashes of images as the gateway announced them, for passes that have their own."""

from collections.abc import Collection, Sequence
from uuid import UUID

from shared.contracts.gateway import AccountImage, ImageReference
from shared.database import Connection, columns

ImageKey = tuple[UUID, str]
"""Account and SHA-256."""


class ImageRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def save(self, images: Sequence[AccountImage]) -> None:
        """Keep those that are new, in one order for all."""
        ordered = sorted(images, key=lambda saved: (saved.account_id, saved.image.sha256))
        await self._connection.execute(
            """
            INSERT INTO images (account_id, sha256, sha1, crc32, size)
            SELECT *
            FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::integer[])
            ON CONFLICT DO NOTHING
            """,
            *columns(
                ordered, "account_id", "image.sha256", "image.sha1", "image.crc32", "image.size"
            ),
        )

    async def find(self, keys: Collection[ImageKey]) -> dict[ImageKey, ImageReference]:
        """Find images of accounts; what has not arrived yet is missing."""
        rows = await self._connection.fetch(
            """
            SELECT account_id, sha256, sha1, crc32, size
            FROM images
            JOIN unnest($1::uuid[], $2::text[]) AS wanted (account_id, sha256) USING (
                account_id, sha256
            )
            """,
            [account_id for account_id, _ in keys],
            [sha256 for _, sha256 in keys],
        )
        return {
            (row["account_id"], row["sha256"]): ImageReference(
                sha256=row["sha256"], sha1=row["sha1"], crc32=row["crc32"], size=row["size"]
            )
            for row in rows
        }
