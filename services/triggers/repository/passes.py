"""Passes and their event log: lists in, one statement per table."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import asyncpg

from services.triggers.domain import PassRecord
from services.triggers.repository.barcodes import BarcodeRepository
from services.triggers.repository.listing import DUE_AT, listing
from services.triggers.repository.members import MemberKey, MemberRepository
from shared.contracts.triggers import (
    EventKind,
    ListPasses,
    LoggedEvent,
)
from shared.database import Connection, columns, json_array
from shared.errors import NotReadyError

COLUMNS = (
    "token_key,"
    " handle, account_id, template_id, serial_number, member_id, version, sequence, push_version,"
    " own_values, happened, voided, created_at, updated_at, deleted_at, literal,"
    " refreshed_at, devices, registration_number, expires_at, expired, voided_by_date,"
    " channel_id, passcode, google_devices, google_number, style_id, style_group_id, google_name,"
    " linked"
)

READ_COLUMNS = f"{COLUMNS}, position"

_CREATING: Final = 20567
"""The class of the advisory locks that transactions hold which create passes."""

_KEYS: Final = 2**31 - 1
"""Positions are lock keys modulo 2 to the 31."""


def _counted_kind(event: LoggedEvent) -> str:
    return f"{event.kind}_refused" if "refused" in event.data else event.kind


KnownVersion = tuple[UUID, str, int]
"""An account, the handle of a pass of it, and a version."""


class PassRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, records: Sequence[PassRecord]) -> None:
        """Insert new passes; NotReadyError when a twin of a command was faster.

        Asked again, the command finds the outcome of its twin.
        """
        try:
            await self._insert(records)
        except asyncpg.UniqueViolationError as error:
            raise NotReadyError from error
        await self._log(records)

    async def settled(self) -> tuple[int, int]:
        """Give the highest position below which nothing can appear any more, and the highest used.

        A transaction that creates passes holds a shared lock whose key is the position that was
        the highest before its own. Here that position is read first and the locks then, so
        whoever is missing among the locks gets only positions above it, and a key that is ahead
        of it, which looks like one that is far behind, concerns only such positions too.
        """
        highest: int = await self._connection.fetchval(
            "SELECT coalesce(pg_sequence_last_value('passes_position_seq'), 0)"
        )
        behind: int = await self._connection.fetchval(
            """
            SELECT coalesce(max(behind) FILTER (WHERE behind <= $3 / 2), 0)
            FROM pg_locks
            CROSS JOIN LATERAL (SELECT ($2 - objid::bigint) & $3 AS behind) AS distance
            WHERE locktype = 'advisory'
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND classid = $1::bigint::oid
                AND objsubid = 2
                AND granted
            """,
            _CREATING,
            highest,
            _KEYS,
        )
        return highest - behind, highest

    async def _insert(self, records: Sequence[PassRecord]) -> None:
        await self._connection.execute(
            """
            SELECT pg_advisory_xact_lock_shared(
                $1,
                (coalesce(pg_sequence_last_value('passes_position_seq'), 0) & $2)::integer
            )
            """,
            _CREATING,
            _KEYS,
        )
        await self._connection.execute(
            f"""
            INSERT INTO passes ({COLUMNS})
            SELECT
                token_key, handle, account_id, template_id, serial_number, member_id, version,
                sequence, push_version, own_values::jsonb, happened, voided, created_at,
                updated_at, NULL, literal::jsonb, NULL, devices, 0, expires_at, false, false,
                channel_id, passcode, 0, 0, style_id, style_group_id, google_name, '[]'
            FROM unnest(
                $1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bigint[],
                $7::bigint[], $8::bigint[], $9::text[], $10::integer[], $11::boolean[],
                $12::timestamptz[], $13::timestamptz[], $14::text[], $15::text[],
                $16::integer[], $17::timestamptz[], $18::integer[], $19::text[], $20::uuid[],
                $21::uuid[], $22::text[]
            ) AS new (
                handle, account_id, template_id, serial_number, member_id, version, sequence,
                push_version, own_values, happened, voided, created_at, updated_at, literal,
                token_key, devices, expires_at, channel_id, passcode, style_id, style_group_id,
                google_name
            )
            """,  # noqa: S608 - our own column names
            *columns(
                records,
                "handle",
                "account_id",
                "template_id",
                "serial_number",
                "member_id",
                "version",
                "sequence",
                "push_version",
            ),
            json_array([r.own_values for r in records]),
            *columns(records, "happened", "voided", "created_at", "updated_at"),
            json_array([r.literal for r in records]),
            *columns(records, "token_key", "devices", "expires_at", "channel_id", "passcode"),
            *columns(records, "style_id", "style_group_id", "google_name"),
        )

    async def remove(self, handle: str) -> None:
        """Take away a pass that was never announced."""
        await self._connection.execute("DELETE FROM passes WHERE handle = $1", handle)
        await BarcodeRepository(self._connection).release([handle])

    async def save(self, records: Sequence[PassRecord]) -> None:
        """Write the new states of locked passes, and what happened to them."""
        happened = [record for record in records if record.events or record.touched]
        if not happened:
            return
        await self._connection.execute(
            """
            UPDATE passes
            SET
                version = new.version, sequence = new.sequence, push_version = new.push_version,
                own_values = new.own_values::jsonb, happened = new.happened,
                voided = new.voided, updated_at = new.updated_at, deleted_at = new.deleted_at,
                literal = new.literal::jsonb, refreshed_at = new.refreshed_at,
                devices = new.devices, registration_number = new.registration_number,
                expires_at = new.expires_at, expired = new.expired,
                voided_by_date = new.voided_by_date, passcode = new.passcode,
                google_devices = new.google_devices, google_number = new.google_number,
                style_id = new.style_id, style_group_id = new.style_group_id,
                linked = new.linked::jsonb
            FROM unnest(
                $1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::integer[],
                $7::boolean[], $8::timestamptz[], $9::timestamptz[], $10::text[],
                $11::timestamptz[], $12::integer[], $13::bigint[], $14::timestamptz[],
                $15::boolean[], $16::boolean[], $17::text[], $18::integer[], $19::bigint[],
                $20::uuid[], $21::uuid[], $22::text[]
            ) AS new (
                handle, version, sequence, push_version, own_values, happened, voided,
                updated_at, deleted_at, literal, refreshed_at, devices, registration_number,
                expires_at, expired, voided_by_date, passcode, google_devices, google_number,
                style_id, style_group_id, linked
            )
            WHERE passes.handle = new.handle
            """,
            *columns(happened, "handle", "version", "sequence", "push_version"),
            json_array([r.own_values for r in happened]),
            *columns(happened, "happened", "voided", "updated_at", "deleted_at"),
            json_array([r.literal for r in happened]),
            *columns(happened, "refreshed_at", "devices", "registration_number", "expires_at"),
            *columns(happened, "expired", "voided_by_date", "passcode"),
            *columns(happened, "google_devices", "google_number", "style_id", "style_group_id"),
            json_array([r.linked for r in happened]),
        )
        if deleted := [record.handle for record in happened if record.deleted_at is not None]:
            await BarcodeRepository(self._connection).release(deleted)
        await self._log(happened)

    async def lock(self, handles: Iterable[str]) -> dict[str, PassRecord]:
        """Lock passes in one order for all, so that batches never wait for each other in rings."""
        return await self._records(
            f"""
            SELECT {COLUMNS}
            FROM passes
            WHERE handle = ANY($1::text[])
            ORDER BY handle
            FOR NO KEY UPDATE
            """,  # noqa: S608 - our own columns
            list(set(handles)),
        )

    async def lock_of_members(self, keys: Sequence[MemberKey]) -> dict[str, PassRecord]:
        """Lock the living passes of some members; their `member` is as the caller knows it."""
        rows = await self._connection.fetch(
            f"""
            SELECT {COLUMNS}
            FROM passes
            WHERE (account_id, member_id) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
                AND deleted_at IS NULL
            ORDER BY handle
            FOR NO KEY UPDATE
            """,  # noqa: S608 - our own columns
            [account_id for account_id, _ in keys],
            [member_id for _, member_id in keys],
        )
        return {row["handle"]: PassRecord(**row) for row in rows}

    async def lock_of_template(self, template_id: UUID, most: int) -> dict[str, PassRecord]:
        """Lock living passes of a template; those deleted while we waited are left out."""
        return await self._records(
            f"""
            SELECT {COLUMNS}
            FROM passes p
            WHERE handle = ANY(
                ARRAY(
                    SELECT handle
                    FROM passes
                    JOIN templates USING (account_id, template_id)
                    WHERE template_id = $1
                        AND passes.deleted_at IS NULL
                    LIMIT $2
                )
            )
                AND deleted_at IS NULL
            ORDER BY handle
            FOR NO KEY UPDATE
            """,  # noqa: S608 - our own columns
            template_id,
            most,
        )

    async def find(self, handles: Iterable[str]) -> dict[str, PassRecord]:
        return await self._records(
            f"SELECT {COLUMNS} FROM passes WHERE handle = ANY($1::text[])",  # noqa: S608 - our own columns
            list(set(handles)),
        )

    async def find_by_serial(self, serial_numbers: Iterable[str]) -> dict[str, PassRecord]:
        """Find passes by their serial numbers, which are unique over all accounts."""
        records = await self._records(
            f"SELECT {COLUMNS} FROM passes WHERE serial_number = ANY($1::text[])",  # noqa: S608 - our own columns
            list(set(serial_numbers)),
        )
        return {record.serial_number: record for record in records.values()}

    async def find_unchanged(self, known: Collection[KnownVersion]) -> set[KnownVersion]:
        """Find which passes of accounts are still at a version; a deletion raises it too."""
        rows = await self._connection.fetch(
            """
            SELECT account_id, handle, version
            FROM passes
            JOIN unnest($1::uuid[], $2::text[], $3::bigint[]) AS known (
                account_id, handle, version
            ) USING (account_id, handle, version)
            """,
            *columns(known, 0, 1, 2),
        )
        return {(row["account_id"], row["handle"], row["version"]) for row in rows}

    async def list_passes(
        self, query: ListPasses, *, limit: int, settled: int, at: datetime
    ) -> list[PassRecord]:
        """Return one keyset page of living passes, in the order of their creation."""
        statement, arguments = listing(query, READ_COLUMNS, limit=limit, settled=settled, at=at)
        return list((await self._records(statement, *arguments)).values())

    async def note_at_google(self, passes: Collection[tuple[UUID, str]]) -> None:
        """Note that passes of accounts are kept at Google from now on."""
        await self._connection.execute(
            """
            UPDATE passes p
            SET at_google = true
            FROM (
                SELECT handle
                FROM passes
                JOIN unnest($1::uuid[], $2::text[]) AS wanted (account_id, handle)
                    USING (account_id, handle)
                WHERE NOT at_google
                ORDER BY handle
                FOR NO KEY UPDATE
            ) AS wanted
            WHERE p.handle = wanted.handle
            """,
            *columns(passes, 0, 1),
        )

    async def lock_in_wallets(
        self, account_id: UUID, template_id: UUID, after: str, most: int
    ) -> list[PassRecord]:
        """Lock a keyset page of the passes of a template that are on a device or at Google."""
        records = await self._records(
            f"""
            SELECT {COLUMNS}
            FROM passes
            WHERE account_id = $1
                AND template_id = $2
                AND handle > $3
                AND deleted_at IS NULL
                AND (devices > 0 OR at_google)
            ORDER BY handle
            LIMIT $4
            FOR NO KEY UPDATE
            """,  # noqa: S608 - our own columns
            account_id,
            template_id,
            after,
            most,
        )
        return list(records.values())

    async def lock_page(
        self, account_id: UUID, template_id: UUID, after: int, most: int
    ) -> list[PassRecord]:
        """Lock a keyset page, by position, of the living passes of a template."""
        records = await self._records(
            f"""
            SELECT {READ_COLUMNS}
            FROM passes
            WHERE handle = ANY(
                ARRAY(
                    SELECT handle
                    FROM passes
                    WHERE account_id = $1
                        AND template_id = $2
                        AND position > $3
                        AND deleted_at IS NULL
                    ORDER BY position
                    LIMIT $4
                )
            )
            ORDER BY handle
            FOR NO KEY UPDATE
            """,  # noqa: S608 - our own columns
            account_id,
            template_id,
            after,
            most,
        )
        return list(records.values())

    async def lock_named(
        self,
        column: Literal["template_id", "style_id", "style_group_id"],
        account_id: UUID,
        key: UUID,
        after: str,
        most: int,
    ) -> list[PassRecord]:
        """Lock a keyset page of the living passes that have a key in a column."""
        return await self._lock_found(
            f"""
            SELECT handle
            FROM passes
            WHERE account_id = $1
                AND {column} = $2
                AND handle > $3
                AND deleted_at IS NULL
            ORDER BY handle
            LIMIT $4
            """,  # noqa: S608 - our own columns
            account_id,
            key,
            after,
            most,
        )

    async def lock_of_members_named(
        self, fact: str, account_id: UUID, key: UUID, after: tuple[str, str], most: int
    ) -> list[PassRecord]:
        """Lock a keyset page, by member and handle, of living passes whose members have a fact."""
        return await self._lock_found(
            f"""
            SELECT handle
            FROM members
            JOIN passes USING (account_id, member_id)
            WHERE account_id = $1
                AND facts ? '{fact}'
                AND facts ->> '{fact}' = $2
                AND (member_id, handle) > ($3, $4)
                AND deleted_at IS NULL
            ORDER BY member_id, handle
            LIMIT $5
            """,  # noqa: S608 - our own names
            account_id,
            str(key),
            *after,
            most,
        )

    async def lock_expiring(self, at: datetime, most: int) -> list[PassRecord]:
        """Lock passes whose date has passed; those that another has noticed are left out."""
        records = await self._records(
            f"""
            SELECT {COLUMNS}
            FROM passes
            WHERE handle = ANY(
                ARRAY(
                    SELECT handle
                    FROM passes
                    WHERE deleted_at IS NULL
                        AND {DUE_AT} <= $1
                    ORDER BY {DUE_AT}
                    LIMIT $2
                )
            )
                AND deleted_at IS NULL
                AND NOT expired
            ORDER BY handle
            FOR NO KEY UPDATE
            """,  # noqa: S608 - our own columns
            at,
            most,
        )
        return list(records.values())

    async def find_last_event(self, handle: str, kind: EventKind) -> datetime | None:
        """Find when a kind of event happened to a pass last; those that were refused did not."""
        return await self._connection.fetchval(
            """
            SELECT occurred_at
            FROM events
            WHERE handle = $1
                AND kind = $2
                AND NOT data ? 'refused'
            ORDER BY sequence DESC
            LIMIT 1
            """,
            handle,
            kind,
        )

    async def versions_of_changes(self, handle: str, after: int) -> dict[str, int]:
        """Say which own values log lines behind a sequence changed, and to which version last."""
        rows = await self._connection.fetch(
            """
            SELECT path, max(version) AS version
            FROM events, jsonb_object_keys(data -> 'changes') AS path
            WHERE handle = $1 AND sequence > $2
            GROUP BY path
            """,
            handle,
            after,
        )
        return {row["path"]: row["version"] for row in rows}

    async def list_events(self, record: PassRecord, after: int, limit: int) -> list[LoggedEvent]:
        rows = await self._connection.fetch(
            """
            SELECT event_id, kind, sequence, version, occurred_at, data
            FROM events
            WHERE handle = $1
                AND sequence > $2
            ORDER BY sequence
            LIMIT $3
            """,
            record.handle,
            after,
            limit,
        )
        return [
            LoggedEvent(
                account_id=record.account_id,
                template_id=record.template_id,
                handle=record.handle,
                member_id=record.member_id,
                **row,
            )
            for row in rows
        ]

    async def forget_deleted(self, days: int, most: int) -> int:
        """Drop tombstones older than `days` and the logs of their passes; returns how many went."""
        return await self._connection.fetchval(
            """
            WITH gone AS (
                DELETE FROM passes
                WHERE handle = ANY(
                    ARRAY(
                        SELECT handle
                        FROM passes
                        WHERE deleted_at < now() - $1 * interval '1 day'
                        LIMIT $2
                    )
                )
                RETURNING handle
            ), log AS (
                DELETE FROM events
                USING gone
                WHERE events.handle = gone.handle
            )
            SELECT count(*)
            FROM gone
            """,
            days,
            most,
        )

    async def find_named(self, named: Iterable[tuple[UUID, UUID]]) -> set[tuple[UUID, UUID]]:
        """Find which styles and groups, each with its account, living passes name."""
        rows = await self._connection.fetch(
            """
            SELECT account_id, named_id
            FROM unnest($1::uuid[], $2::uuid[]) AS asked (account_id, named_id)
            WHERE EXISTS (
                SELECT
                FROM passes p
                WHERE p.account_id = asked.account_id
                    AND p.style_id = named_id
                    AND deleted_at IS NULL
            )
                OR EXISTS (
                    SELECT
                    FROM passes p
                    WHERE p.account_id = asked.account_id
                        AND p.style_group_id = named_id
                        AND deleted_at IS NULL
                )
            """,
            *columns(named, 0, 1),
        )
        return {(row["account_id"], row["named_id"]) for row in rows}

    async def _lock_found(self, found: str, *arguments: Any) -> list[PassRecord]:  # noqa: ANN401
        """Lock the passes that a statement finds, in the order in which all are locked."""
        records = await self._records(
            f"""
            SELECT {COLUMNS}
            FROM passes
            WHERE handle = ANY(ARRAY({found}))
                AND deleted_at IS NULL
            ORDER BY handle
            FOR NO KEY UPDATE
            """,  # noqa: S608 - our own columns
            *arguments,
        )
        return list(records.values())

    async def _records(self, statement: str, *arguments: Any) -> dict[str, PassRecord]:  # noqa: ANN401
        """Read passes, with their members' facts."""
        rows: list[asyncpg.Record] = await self._connection.fetch(statement, *arguments)
        records = {row["handle"]: PassRecord(**row) for row in rows}
        with_member = [record for record in records.values() if record.member_id is not None]
        facts = await MemberRepository(self._connection).facts(
            (record.account_id, record.member_id or "") for record in with_member
        )
        for record in with_member:
            record.member = facts.get((record.account_id, record.member_id or ""))
        return records

    async def _log(self, records: Sequence[PassRecord]) -> None:
        events = [event for record in records for event in record.events]
        if not events:
            return
        await self._connection.execute(
            """
            INSERT INTO events (handle, sequence, event_id, kind, version, occurred_at, data)
            SELECT handle, sequence, event_id, kind, version, occurred_at, data::jsonb
            FROM unnest(
                $1::text[], $2::bigint[], $3::uuid[], $4::text[], $5::bigint[],
                $6::timestamptz[], $7::text[]
            ) AS new (handle, sequence, event_id, kind, version, occurred_at, data)
            """,
            *columns(events, "handle", "sequence", "event_id", "kind", "version", "occurred_at"),
            json_array([e.data for e in events]),
        )
        counted = Counter(
            (record.template_id, e.occurred_at.date(), _counted_kind(e), record.channel_id or 0)
            for record in records
            for e in record.events
        )
        counted += Counter(
            (
                record.template_id,
                record.events[0].occurred_at.date(),
                f"passes_{kind}",
                record.channel_id or 0,
            )
            for record in records
            for kind in record.first
        )
        await self._connection.execute(
            """
            INSERT INTO counter_deltas (template_id, day, kind, channel_id, amount)
            SELECT *
            FROM unnest($1::uuid[], $2::date[], $3::text[], $4::integer[], $5::bigint[])
            """,
            *columns(list(counted), 0, 1, 2, 3),
            list(counted.values()),
        )
