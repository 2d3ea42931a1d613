"""Passes that devices may hear of: their newest content, its tag, what is to be pushed.

Everybody locks devices first, then passes, registrations, tag counters and wakes, each in order.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from services.notifier.apple.domain.devices import Copies, KnownPass, NamedPass, News, Tally
from shared.contracts.notifier import NoteFetch, RegisterDevice
from shared.contracts.triggers import DeletedPass, LoggedEvent
from shared.database import Connection, columns

PASSES_A_TURN: Final = 1_000
"""How many deleted passes are forgotten in one transaction."""

_LIVES: Final = 20568
"""The class of the advisory locks that keep passes from being deleted for a moment."""

PLACES: Final = 64

_NAMES: Final = (
    " pass_type_identifier = coalesce(nullif(excluded.pass_type_identifier, ''),"
    " old.pass_type_identifier),"
    " serial_number = coalesce(nullif(excluded.serial_number, ''), old.serial_number)"
)
"""What a pass is called, unless the one who writes does not know."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of news of a pass."""

    handle: str
    is_newer: bool
    is_asked: bool
    """Some change in its bytes is to be pushed, and was not yet."""


class PassRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def keep_news(self, news: Sequence[News]) -> list[Kept]:
        """Note newest contents. Of one that comes late, only what it asks to be pushed counts.

        While `tag` is 0, newer content waits for its tag; nobody else sees that. If nothing was
        unpushed, what comes late was pushed with what came before it.
        """
        rows = await self._connection.fetch(
            f"""
            INSERT INTO passes AS old (
                handle, account_id, template_id, pass_type_identifier, serial_number,
                content_number, pass_version, unpushed_since, push_version
            )
            SELECT *
            FROM unnest(
                $1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bigint[],
                $7::bigint[], $8::bigint[], $9::bigint[]
            )
            ON CONFLICT (handle) DO UPDATE SET
                {_NAMES},
                content_number = greatest(old.content_number, excluded.content_number),
                pass_version = CASE
                    WHEN excluded.content_number > old.content_number THEN excluded.pass_version
                    ELSE old.pass_version
                END,
                tag = CASE
                    WHEN excluded.content_number > old.content_number THEN 0
                    ELSE old.tag
                END,
                unpushed_since = CASE
                    WHEN excluded.content_number > old.content_number
                        OR old.unpushed_since IS NOT NULL
                    THEN least(old.unpushed_since, excluded.unpushed_since)
                END,
                push_version = greatest(old.push_version, excluded.push_version)
            WHERE old.deleted_at IS NULL
            RETURNING
                handle, tag = 0 AS is_newer,
                unpushed_since IS NOT NULL AND unpushed_since <= push_version AS is_asked
            """,  # noqa: S608 - our own columns
            *columns(
                news,
                "handle",
                "account_id",
                "template_id",
                "pass_type_identifier",
                "serial_number",
                "content_number",
                "pass_version",
                "since_version",
                "push_version",
            ),
        )
        return [Kept(**row) for row in rows]

    async def allot_tags(self, handles: Sequence[str]) -> None:
        """Give newer contents the next tag of their pass type: the same to all of a transaction.

        The counter's row is locked until the end, so that tags become visible in their order. What
        is asked to be pushed of them is from now on.
        """
        await self._connection.execute(
            """
            WITH counted AS (
                INSERT INTO tag_counters AS old (pass_type_identifier, tag)
                SELECT DISTINCT pass_type_identifier, 1
                FROM passes
                WHERE handle = ANY($1::text[])
                ORDER BY 1
                ON CONFLICT (pass_type_identifier) DO UPDATE SET tag = old.tag + 1
                RETURNING pass_type_identifier, tag
            )
            UPDATE passes p
            SET
                tag = counted.tag,
                unpushed_since = CASE
                    WHEN p.unpushed_since > p.push_version THEN p.unpushed_since
                END
            FROM counted
            WHERE p.handle = ANY($1::text[])
                AND p.pass_type_identifier = counted.pass_type_identifier
            """,
            handles,
        )

    async def ask_pushes(self, events: Sequence[LoggedEvent]) -> list[str]:
        """Note for which versions a push was asked; returns what is unpushed of them."""
        newest = {event.handle: event for event in sorted(events, key=lambda e: e.version)}
        asked = [newest[handle] for handle in sorted(newest)]
        rows = await self._connection.fetch(
            """
            INSERT INTO passes AS old (
                handle, account_id, template_id, pass_type_identifier, serial_number,
                push_version
            )
            SELECT handle, account_id, template_id, '', '', push_version
            FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::bigint[]) AS asked (
                handle, account_id, template_id, push_version
            )
            ON CONFLICT (handle) DO UPDATE SET
                push_version = greatest(old.push_version, excluded.push_version)
            WHERE old.deleted_at IS NULL
            RETURNING handle, unpushed_since <= push_version AS is_asked
            """,
            *columns(asked, "handle", "account_id", "template_id", "version"),
        )
        return [row["handle"] for row in rows if row["is_asked"]]

    async def mark_pushed(self, handles: Sequence[str]) -> None:
        """Note that all that is in the newest contents is pushed from now on."""
        await self._connection.execute(
            "UPDATE passes SET unpushed_since = NULL WHERE handle = ANY($1::text[])", handles
        )

    async def lock(self, commands: Iterable[RegisterDevice]) -> dict[str, KnownPass]:
        """Lock passes for which devices register; what is not there yet is from now on."""
        named = {command.handle: command for command in commands}
        there = [named[handle] for handle in sorted(named)]
        rows = await self._connection.fetch(
            f"""
            INSERT INTO passes AS old (
                handle, account_id, template_id, pass_type_identifier, serial_number
            )
            SELECT *
            FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::text[])
            ON CONFLICT (handle) DO UPDATE SET {_NAMES}
            RETURNING
                handle, content_number, first_downloaded, deleted_at IS NOT NULL AS is_deleted
            """,  # noqa: S608 - our own columns
            *columns(
                there,
                "handle",
                "account_id",
                "template_id",
                "pass_type_identifier",
                "serial_number",
            ),
        )
        return {
            row["handle"]: KnownPass(
                row["content_number"], row["first_downloaded"], row["is_deleted"]
            )
            for row in rows
        }

    async def lock_known(self, handles: Iterable[str]) -> None:
        await self._connection.execute(
            "SELECT FROM passes WHERE handle = ANY($1::text[]) ORDER BY handle FOR UPDATE",
            list(handles),
        )

    async def count_acts(self, acts: Mapping[str, int]) -> dict[str, Tally]:
        """Count so many registrations or removals of passes, which are locked and done."""
        rows = await self._connection.fetch(
            """
            UPDATE passes p
            SET registration_number = p.registration_number + acted.count
            FROM unnest($1::text[], $2::int[]) AS acted (handle, count)
            WHERE p.handle = acted.handle
            RETURNING
                p.handle, p.account_id, p.registration_number,
                (
                    SELECT count(*)
                    FROM registrations r
                    WHERE r.handle = p.handle
                ) AS devices
            """,
            list(acts),
            list(acts.values()),
        )
        return {
            row["handle"]: Tally(row["account_id"], row["registration_number"], row["devices"])
            for row in rows
        }

    async def lock_copies(self, handles: Iterable[str]) -> dict[str, Copies]:
        """Lock passes that are there, and tell what is known of their copies."""
        rows = await self._connection.fetch(
            """
            SELECT handle, content_number, downloaded, first_downloaded
            FROM passes
            WHERE handle = ANY($1::text[])
            ORDER BY handle
            FOR UPDATE
            """,
            sorted(set(handles)),
        )
        return {
            row["handle"]: Copies(row["content_number"], row["downloaded"], row["first_downloaded"])
            for row in rows
        }

    async def keep_downloads(self, notes: Sequence[NoteFetch]) -> None:
        """Note which contents are about: the newest and the oldest."""
        by_handle: dict[str, list[NoteFetch]] = {}
        for note in notes:
            by_handle.setdefault(note.handle, []).append(note)
        handles = sorted(by_handle)
        newest = [max(by_handle[h], key=lambda n: (n.content_number, n.at)) for h in handles]
        await self._connection.execute(
            f"""
            INSERT INTO passes AS old (
                handle, account_id, template_id, pass_type_identifier, serial_number,
                downloaded, downloaded_version, first_downloaded
            )
            SELECT *
            FROM unnest(
                $1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bigint[],
                $7::bigint[], $8::bigint[]
            )
            ON CONFLICT (handle) DO UPDATE SET
                {_NAMES}, downloaded = greatest(old.downloaded, excluded.downloaded),
                downloaded_version = greatest(
                    old.downloaded_version, excluded.downloaded_version
                ),
                first_downloaded = least(
                    nullif(old.first_downloaded, 0), excluded.first_downloaded
                )
            WHERE old.deleted_at IS NULL
                AND (
                    old.first_downloaded = 0 OR excluded.first_downloaded < old.first_downloaded
                        OR excluded.downloaded > old.downloaded OR excluded.downloaded_version >
                        old.downloaded_version
                )
            """,  # noqa: S608 - our own columns
            handles,
            *columns(
                newest,
                "account_id",
                "template_id",
                "pass_type_identifier",
                "serial_number",
                "content_number",
                "pass_version",
            ),
            [min(n.content_number for n in by_handle[h]) for h in handles],
        )

    async def find_numbered(self, serial_numbers: Iterable[str]) -> dict[str, NamedPass]:
        """Find passes by their serial numbers, deleted ones too."""
        rows = await self._connection.fetch(
            """
            SELECT
                serial_number, pass_type_identifier, account_id, handle,
                greatest(downloaded_version, pass_version) AS version
            FROM passes
            WHERE serial_number = ANY($1::text[])
            """,
            list(set(serial_numbers)),
        )
        return {
            row["serial_number"]: NamedPass(
                row["pass_type_identifier"], row["account_id"], row["handle"], row["version"]
            )
            for row in rows
        }

    async def find_unpushed(self, account_id: UUID, handle: str) -> int | None:
        """Find the oldest version with a change in the newest bytes that nobody asked to push."""
        return await self._connection.fetchval(
            "SELECT unpushed_since FROM passes WHERE account_id = $1 AND handle = $2",
            account_id, handle,
        )  # fmt: skip

    async def mark_deleted(self, passes: Sequence[DeletedPass]) -> None:
        """Leave tombstones, also of passes not heard of: they refuse who comes late.

        Waits for transactions to which such a pass was alive (`find_deleted`).
        """
        gone = sorted({p.handle: p.account_id for p in passes}.items())
        await self._lock("pg_advisory_xact_lock", (handle for handle, _ in gone))
        await self._connection.execute(
            """
            INSERT INTO passes AS old (
                handle, account_id, template_id, pass_type_identifier, serial_number, deleted_at
            )
            SELECT handle, account_id, account_id, '', '', now()
            FROM unnest($1::text[], $2::uuid[]) AS gone (handle, account_id)
            ON CONFLICT (handle) DO UPDATE SET
                unpushed_since = NULL, deleted_at = coalesce(old.deleted_at, now())
            """,
            [handle for handle, _ in gone],
            [account_id for _, account_id in gone],
        )

    async def find_deleted(self, handles: Collection[str]) -> set[str]:
        """Tell which passes are gone; the others stay until this transaction ends."""
        await self._lock("pg_advisory_xact_lock_shared", handles)
        rows = await self._connection.fetch(
            """
            SELECT handle
            FROM passes
            WHERE handle = ANY($1::text[])
                AND deleted_at IS NOT NULL
            """,
            list(handles),
        )
        return {row["handle"] for row in rows}

    async def _lock(self, function: str, handles: Iterable[str]) -> None:
        """Lock handles, of which there need be no row yet; some share a lock, that it be few."""
        await self._connection.execute(
            f"""
            SELECT {function}($1, place)
            FROM (
                SELECT DISTINCT hashtext(handle) & {PLACES - 1} AS place
                FROM unnest($2::text[]) AS handle
                ORDER BY place
            ) AS places
            """,  # noqa: S608 - our own words
            _LIVES,
            list(handles),
        )

    async def find_forgettable(self, age: timedelta) -> list[str]:
        """Find some passes that have been gone for `age`."""
        rows = await self._connection.fetch(
            """
            SELECT handle
            FROM passes
            WHERE deleted_at < now() - $1::interval
            ORDER BY deleted_at
            LIMIT $2
            """,
            age, PASSES_A_TURN,
        )  # fmt: skip
        return [row["handle"] for row in rows]

    async def forget(self, handles: Sequence[str]) -> None:
        await self._connection.execute("DELETE FROM passes WHERE handle = ANY($1::text[])", handles)
