"""Google Wallet issuers, as the gateway announced them."""

from collections.abc import Collection, Sequence
from typing import Any, Final

from services.notifier.google.domain.sending import ISSUER_PAUSE, Finished, Issuer
from shared.contracts.gateway import GoogleIssuerSaved
from shared.database import Connection, columns

ISSUER: Final = (
    "issuer_id", "account_id", "revision", "key_id", "email", "project_id", "development",
    "refuses_locations", "sealed",
)  # fmt: skip
"""The columns of an `Issuer`."""


class IssuerRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def save_all(self, saved: Sequence[GoogleIssuerSaved]) -> bool:
        """Keep the newest revisions; a new one ends what its issuer waited for.

        The same revision may come again, sealed by another master key. Tells whether any was new.
        """
        newest: dict[str, GoogleIssuerSaved] = {}
        for one in sorted(saved, key=lambda one: one.revision):
            newest[one.issuer_id] = one
        kept = [newest[issuer_id] for issuer_id in sorted(newest)]
        rows = await self._connection.fetch(
            """
            INSERT INTO google_issuers AS old (
                issuer_id, account_id, revision, email, key_id, project_id, sealed, development
            )
            SELECT *
            FROM unnest(
                $1::text[], $2::uuid[], $3::int[], $4::text[], $5::text[], $6::text[],
                $7::text[], $8::boolean[]
            )
            ON CONFLICT (issuer_id) DO UPDATE SET
                account_id = excluded.account_id, revision = excluded.revision,
                email = excluded.email, key_id = excluded.key_id,
                project_id = excluded.project_id, sealed = excluded.sealed,
                development = excluded.development,
                waits_until = CASE
                    WHEN excluded.revision = old.revision THEN old.waits_until
                END,
                waits_why = CASE
                    WHEN excluded.revision = old.revision THEN old.waits_why
                    ELSE ''
                END,
                refuses_locations = old.refuses_locations
                    AND excluded.revision = old.revision
            WHERE excluded.revision >= old.revision
            RETURNING issuer_id
            """,
            *columns(
                kept,
                "issuer_id",
                "account_id",
                "revision",
                "email",
                "key_id",
                "project_id",
                "sealed",
                "development",
            ),
        )
        return bool(rows)

    async def find(self, issuer_ids: Collection[str]) -> dict[str, Issuer]:
        rows = await self._connection.fetch(
            "SELECT * FROM google_issuers WHERE issuer_id = ANY($1::text[])", list(issuer_ids)
        )
        return {row["issuer_id"]: issuer_of(row) for row in rows}

    async def record(self, finished: Sequence[Finished]) -> None:
        """Note what answers say of issuers: refused ones wait, those that are heard do not.

        An answer to an older key than the newest says nothing.
        """
        about = {
            (one.document.issuer.issuer_id, one.document.issuer.revision): one.outcome
            for one in finished
            if one.outcome.verdict in ("done", "refused", "issuer_refused")
        }
        locations = {
            one.document.issuer.issuer_id for one in finished if one.outcome.refuses_locations
        }
        if not about:
            return
        asked = sorted(about)
        refused = [about[key].verdict == "issuer_refused" for key in asked]
        await self._connection.execute(
            """
            UPDATE google_issuers i
            SET
                waits_until = CASE WHEN r.is_refused THEN now() + $5::interval END,
                waits_why = CASE
                    WHEN r.is_refused THEN r.why
                    ELSE ''
                END,
                refuses_locations = i.refuses_locations OR r.refuses_locations
            FROM unnest($1::text[], $2::int[], $3::boolean[], $4::text[], $6::boolean[])
                AS r (issuer_id, revision, is_refused, why, refuses_locations)
            WHERE i.issuer_id = r.issuer_id
                AND i.revision = r.revision
                AND (r.is_refused OR r.refuses_locations OR i.waits_until IS NOT NULL)
            """,
            [issuer_id for issuer_id, _ in asked],
            [revision for _, revision in asked],
            refused,
            [about[key].detail for key in asked],
            ISSUER_PAUSE,
            [issuer_id in locations for issuer_id, _ in asked],
        )


def issuer_of(row: Any) -> Issuer:  # noqa: ANN401 - a record that has its columns
    return Issuer(**{name: row[name] for name in ISSUER})
