"""Barcode messages that no two passes of a template share."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from shared.database import Connection, columns


@dataclass(frozen=True, slots=True)
class MessageClaim:
    """A message that a new pass is to have."""

    template_id: UUID
    message: str
    handle: str

    @property
    def digest(self) -> bytes:
        """What is kept of the message."""
        return sha256(self.message.encode("utf-8", "surrogatepass")).digest()


class BarcodeRepository:
    """Who has which message; a pass that is deleted gives its own back."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def claim(self, claims: Sequence[MessageClaim]) -> set[str]:
        """Give each pass its message unless another has it; returns the handles of those served.

        Whoever claims the same message in another transaction waits for this one to end. All claim
        in one order, so that they do not wait for each other in rings.
        """
        rows = await self._connection.fetch(
            """
            INSERT INTO barcode_messages (template_id, digest, handle)
            SELECT *
            FROM unnest($1::uuid[], $2::bytea[], $3::text[])
            ON CONFLICT DO NOTHING
            RETURNING handle
            """,
            *columns(
                sorted(claims, key=lambda claim: (claim.template_id, claim.digest)),
                "template_id",
                "digest",
                "handle",
            ),
        )
        return {row["handle"] for row in rows}

    async def release(self, handles: Collection[str]) -> None:
        """Take back the messages of passes that are no more, or did not come into being."""
        await self._connection.execute(
            "DELETE FROM barcode_messages WHERE handle = ANY($1::text[])", list(handles)
        )
