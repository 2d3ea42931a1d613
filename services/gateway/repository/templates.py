"""Templates and their revisions in PostgreSQL."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.gateway.domain import Revision, Standing, Template, TemplateSummary
from shared.database import Connection

_TEMPLATE = (
    "t.template_id, t.model_id, t.account_id, t.identity_id, r.revision, r.name, r.document,"
    " t.created_at, t.updated_at"
)
_CURRENT = "templates t JOIN template_revisions r USING (template_id, revision)"


class TemplateRepository:
    """Living templates; each save is a revision that stays as it is."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(
        self,
        account_id: UUID,
        template_id: UUID,
        identity_id: UUID,
        name: str,
        document: dict[str, Any],
    ) -> Template:
        """Add a template at its first revision."""
        await self._connection.execute(
            """
            INSERT INTO templates (template_id, account_id, identity_id, revision)
            VALUES ($1, $2, $3, 1)
            """,
            template_id,
            account_id,
            identity_id,
        )
        return await self._add_revision(account_id, template_id, 1, name, document)

    async def raise_revision(
        self, template: Template, identity_id: UUID, name: str, document: dict[str, Any]
    ) -> Template:
        """Add the next revision of a template that is locked."""
        revision = template.revision + 1
        await self._connection.execute(
            """
            UPDATE templates
            SET revision = $2, identity_id = $3, updated_at = now()
            WHERE template_id = $1
            """,
            template.template_id,
            revision,
            identity_id,
        )
        return await self._add_revision(
            template.account_id, template.template_id, revision, name, document
        )

    async def delete(self, account_id: UUID, template_id: UUID) -> int | None:
        """End a template; the revision at which it ended, if there was one."""
        return await self._connection.fetchval(
            """
            UPDATE templates
            SET deleted_at = now(), updated_at = now(), revision = revision + 1
            WHERE account_id = $1
                AND template_id = $2
                AND deleted_at IS NULL
            RETURNING revision
            """,
            account_id,
            template_id,
        )

    async def find(self, account_id: UUID, template_id: UUID) -> Template | None:
        row = await self._connection.fetchrow(
            f"""
            SELECT {_TEMPLATE}
            FROM {_CURRENT}
            WHERE t.account_id = $1
                AND t.template_id = $2
                AND t.deleted_at IS NULL
            """,  # noqa: S608  our own columns
            account_id,
            template_id,
        )
        return Template(**row) if row else None

    async def find_locked(self, account_id: UUID, template_id: UUID) -> Template | None:
        """Find a template and keep it as it is until the transaction ends."""
        locked = await self._connection.fetchval(
            """
            SELECT template_id
            FROM templates
            WHERE account_id = $1
                AND template_id = $2
                AND deleted_at IS NULL
            FOR NO KEY UPDATE
            """,
            account_id,
            template_id,
        )
        return await self.find(account_id, template_id) if locked else None

    async def find_revision(
        self, account_id: UUID, template_id: UUID, revision: int
    ) -> Template | None:
        """Find a template as it was."""
        row = await self._connection.fetchrow(
            """
            SELECT
                t.template_id, t.model_id, t.account_id, t.identity_id, r.revision, r.name,
                r.document, t.created_at, r.created_at AS updated_at
            FROM templates t
            JOIN template_revisions r USING (template_id)
            WHERE t.account_id = $1
                AND t.template_id = $2
                AND t.deleted_at IS NULL
                AND r.revision = $3
            """,
            account_id,
            template_id,
            revision,
        )
        return Template(**row) if row else None

    async def list_page(
        self, account_id: UUID, before: UUID | None, limit: int
    ) -> list[TemplateSummary]:
        """List an account's templates, newest first."""
        rows = await self._connection.fetch(
            f"""
            SELECT
                t.template_id, t.model_id, t.identity_id, r.revision, r.name, t.created_at,
                t.updated_at
            FROM {_CURRENT}
            WHERE t.account_id = $1
                AND t.deleted_at IS NULL
                AND ($2::uuid IS NULL OR t.template_id < $2)
            ORDER BY t.template_id DESC
            LIMIT $3
            """,  # noqa: S608  our own columns
            account_id,
            before,
            limit,
        )
        return [TemplateSummary(**row) for row in rows]

    async def list_revisions(
        self, account_id: UUID, template_id: UUID, before: int | None, limit: int
    ) -> list[Revision]:
        """List the revisions of a living template, newest first."""
        rows = await self._connection.fetch(
            """
            SELECT r.revision, r.name, r.created_at
            FROM templates t
            JOIN template_revisions r USING (template_id)
            WHERE t.account_id = $1
                AND t.template_id = $2
                AND t.deleted_at IS NULL
                AND ($3::integer IS NULL OR r.revision < $3)
            ORDER BY r.revision DESC
            LIMIT $4
            """,
            account_id,
            template_id,
            before,
            limit,
        )
        return [Revision(**row) for row in rows]

    async def find_current(
        self, wanted: Sequence[tuple[UUID, UUID]]
    ) -> dict[tuple[UUID, UUID], Standing]:
        """Find how living templates stand, each asked for with its account."""
        rows = await self._connection.fetch(
            """
            SELECT
                w.account_id, w.template_id, t.revision, a.credential_epoch,
                i.revision AS identity_revision, a.utc_offset
            FROM unnest($1::uuid[], $2::uuid[]) AS w (account_id, template_id)
            JOIN templates t USING (account_id, template_id)
            JOIN accounts a ON a.account_id = w.account_id
            JOIN identities i ON i.identity_id = t.identity_id
            WHERE t.deleted_at IS NULL
            """,
            [account_id for account_id, _ in wanted],
            [template_id for _, template_id in wanted],
        )
        return {
            (row["account_id"], row["template_id"]): Standing(
                row["revision"],
                row["credential_epoch"],
                row["identity_revision"],
                row["utc_offset"],
            )
            for row in rows
        }

    async def find_owner(self, template_id: UUID) -> UUID | None:
        """Find whose a template is, for who knows nothing of it but its id and its psEditCode."""
        return await self._connection.fetchval(
            "SELECT account_id FROM templates WHERE template_id = $1", template_id
        )

    async def find_google_issuer(self, template_id: UUID) -> str | None:
        """Find by which issuer a template has its passes at Google, if it has any there."""
        return await self._connection.fetchval(
            "SELECT google_issuer_id FROM templates WHERE template_id = $1", template_id
        )

    async def keep_google_issuer(self, template_id: UUID, issuer_id: str) -> None:
        """Keep for good by which issuer a template has its passes at Google."""
        await self._connection.execute(
            "UPDATE templates SET google_issuer_id = $2 WHERE template_id = $1",
            template_id,
            issuer_id,
        )

    async def find_model(self, account_id: UUID, model_id: int) -> UUID | None:
        """Find the template that has a number, whether it still lives or not."""
        return await self._connection.fetchval(
            """
            SELECT template_id
            FROM templates
            WHERE account_id = $1
                AND model_id = $2
            """,
            account_id,
            model_id,
        )

    async def list_all(self, after: UUID | None, limit: int) -> list[tuple[Template, str]]:
        """Templates of all accounts with the organization's name, to be announced again."""
        rows = await self._connection.fetch(
            f"""
            SELECT a.organization_name, {_TEMPLATE}
            FROM {_CURRENT}
            JOIN accounts a USING (account_id)
            WHERE t.deleted_at IS NULL
                AND ($1::uuid IS NULL OR t.template_id > $1)
            ORDER BY t.template_id
            LIMIT $2
            """,  # noqa: S608  our own columns
            after,
            limit,
        )
        return [
            (Template(**{name: row[name] for name in Template.__slots__}), row["organization_name"])
            for row in rows
        ]

    async def _add_revision(
        self,
        account_id: UUID,
        template_id: UUID,
        revision: int,
        name: str,
        document: dict[str, Any],
    ) -> Template:
        await self._connection.execute(
            """
            INSERT INTO template_revisions (template_id, revision, name, document)
            VALUES ($1, $2, $3, $4)
            """,
            template_id,
            revision,
            name,
            document,
        )
        saved = await self.find(account_id, template_id)
        if saved is None:
            raise LookupError(template_id)
        return saved
