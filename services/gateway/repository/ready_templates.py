"""Which templates were made for accounts that needed them."""

from uuid import UUID

from shared.database import Connection


class ReadyTemplateRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find(self, account_id: UUID, kind: str) -> UUID | None:
        return await self._connection.fetchval(
            """
            SELECT template_id
            FROM ready_templates
            WHERE account_id = $1
                AND kind = $2
            """,
            account_id,
            kind,
        )

    async def lock(self, account_id: UUID) -> None:
        """Let others wait who would make a template for the account, too."""
        await self._connection.execute(
            "SELECT FROM accounts WHERE account_id = $1 FOR NO KEY UPDATE", account_id
        )

    async def keep(self, account_id: UUID, kind: str, template_id: UUID) -> None:
        await self._connection.execute(
            """
            INSERT INTO ready_templates (account_id, kind, template_id)
            VALUES ($1, $2, $3)
            ON CONFLICT (account_id, kind) DO UPDATE SET template_id = excluded.template_id
            """,
            account_id,
            kind,
            template_id,
        )
