"""What PassSource's dialect keeps of a template beside its document."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from shared.database import Connection


@dataclass(frozen=True, slots=True)
class Publication:
    """The constructor that the present revision was made of, if it was, and who may copy it."""

    is_public: bool
    constructor: dict[str, Any] | None = field(repr=False)


class ConstructorRepository:
    """Constructors as their authors wrote them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find(self, account_id: UUID, template_id: UUID) -> Publication | None:
        """Find that of a living template at its present revision."""
        row = await self._connection.fetchrow(
            """
            SELECT t.is_public, r.constructor
            FROM templates t
            JOIN template_revisions r USING (template_id, revision)
            WHERE t.account_id = $1
                AND t.template_id = $2
                AND t.deleted_at IS NULL
            """,
            account_id,
            template_id,
        )
        return Publication(row["is_public"], row["constructor"]) if row else None

    async def save(
        self,
        template_id: UUID,
        revision: int,
        constructor: dict[str, Any] | None,
        *,
        is_public: bool,
    ) -> None:
        """Keep it beside a revision that is the present one."""
        await self._connection.execute(
            """
            UPDATE template_revisions
            SET constructor = $3
            WHERE template_id = $1
                AND revision = $2
            """,
            template_id,
            revision,
            constructor,
        )
        await self._connection.execute(
            "UPDATE templates SET is_public = $2 WHERE template_id = $1", template_id, is_public
        )
