"""Devices, and the passes of which they want to hear."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.notifier.apple.domain.devices import Listed, Registration, parse_cursor
from services.notifier.feed.domain.observations import DIGITS
from shared.contracts.notifier import Holder, ListUpdated, RegisterDevice, UnregisterDevice
from shared.database import Connection, columns


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """A device as it was before; its row is locked."""

    push_token: str
    """Sealed."""
    registered_at: datetime


class DeviceRepository:
    """Whoever adds or takes away a registration has locked its device, then its pass."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock(self, devices: Iterable[str]) -> dict[str, KnownDevice]:
        rows = await self._connection.fetch(
            """
            SELECT device, push_token, registered_at
            FROM devices
            WHERE device = ANY($1::text[])
            ORDER BY device
            FOR UPDATE
            """,
            list(set(devices)),
        )
        return {row["device"]: KnownDevice(row["push_token"], row["registered_at"]) for row in rows}

    async def hold(self, commands: Iterable[RegisterDevice]) -> dict[str, KnownDevice]:
        """Lock devices that register, and make those that are not there; returns them as before.

        Made now and not beside their registrations: a device is never waited for behind a pass.
        """
        named = {command.device: command for command in commands}
        made = [named[device] for device in sorted(named)]
        rows = await self._connection.fetch(
            """
            INSERT INTO devices AS old (device, push_token, kind)
            SELECT *
            FROM unnest($1::text[], $2::text[], $3::text[])
            ON CONFLICT (device) DO UPDATE SET kind = old.kind
            RETURNING device, push_token, registered_at
            """,
            *columns(made, "device", "push_token", "kind"),
        )
        return {row["device"]: KnownDevice(row["push_token"], row["registered_at"]) for row in rows}

    async def keep(self, commands: Iterable[RegisterDevice]) -> None:
        """Keep the devices with their newest push tokens."""
        newest = {command.device: command for command in commands}
        kept = [newest[device] for device in sorted(newest)]
        await self._connection.execute(
            """
            INSERT INTO devices AS old (device, push_token, kind)
            SELECT *
            FROM unnest($1::text[], $2::text[], $3::text[])
            ON CONFLICT (device) DO UPDATE SET
                push_token = excluded.push_token, kind = excluded.kind, registered_at = now(),
                updated_at = CASE
                    WHEN old.push_token = excluded.push_token THEN old.updated_at
                    ELSE now()
                END
            """,
            *columns(kept, "device", "push_token", "kind"),
        )

    async def add_registrations(self, commands: Iterable[RegisterDevice]) -> set[Registration]:
        """Add registrations; returns those that are new."""
        named = {(c.handle, c.device): c for c in commands}
        rows = await self._connection.fetch(
            """
            INSERT INTO registrations (device, handle, pass_type_identifier, serial_number)
            SELECT *
            FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
            ON CONFLICT DO NOTHING
            RETURNING device, handle
            """,
            [device for _, device in sorted(named)],
            [handle for handle, _ in sorted(named)],
            [named[key].pass_type_identifier for key in sorted(named)],
            [named[key].serial_number for key in sorted(named)],
        )
        return {(row["device"], row["handle"]) for row in rows}

    async def allot_tags(self, registrations: Collection[Registration]) -> None:
        """Make passes news to single devices, whatever these have listed before."""
        await self._connection.execute(
            """
            WITH named AS (
                SELECT r.device, r.handle, r.pass_type_identifier
                FROM unnest($1::text[], $2::text[]) AS n (device, handle)
                JOIN registrations r ON r.device = n.device AND r.handle = n.handle
                ORDER BY r.handle, r.device
                FOR NO KEY UPDATE OF r
            ), counted AS (
                INSERT INTO tag_counters AS old (pass_type_identifier, tag)
                SELECT DISTINCT pass_type_identifier, 1
                FROM named
                ORDER BY 1
                ON CONFLICT (pass_type_identifier) DO UPDATE SET tag = old.tag + 1
                RETURNING pass_type_identifier, tag
            )
            UPDATE registrations r
            SET tag = counted.tag
            FROM named, counted
            WHERE r.device = named.device
                AND r.handle = named.handle
                AND counted.pass_type_identifier = named.pass_type_identifier
            """,
            *columns(registrations, 0, 1),
        )

    async def find_news(self, devices: Collection[str]) -> list[Registration]:
        """Find the passes of devices that have ever been news to them."""
        rows = await self._connection.fetch(
            """
            SELECT r.device, r.handle
            FROM registrations r
            JOIN passes p ON p.handle = r.handle
            WHERE r.device = ANY($1::text[])
                AND greatest(p.tag, r.tag) > 0
                AND p.deleted_at IS NULL
            """,
            list(devices),
        )
        return [(row["device"], row["handle"]) for row in rows]

    async def find_registrations(self, commands: Sequence[UnregisterDevice]) -> list[Registration]:
        rows = await self._connection.fetch(
            """
            SELECT DISTINCT r.device, r.handle
            FROM unnest($1::text[], $2::text[], $3::text[]) AS n (
                device, pass_type_identifier, serial_number
            )
            JOIN registrations r ON r.device = n.device
                AND r.pass_type_identifier = n.pass_type_identifier
                AND r.serial_number = n.serial_number
            """,
            *columns(commands, "device", "pass_type_identifier", "serial_number"),
        )
        return [(row["device"], row["handle"]) for row in rows]

    async def find_passes(self, device: str) -> list[Registration]:
        rows = await self._connection.fetch(
            "SELECT device, handle FROM registrations WHERE device = $1", device
        )
        return [(row["device"], row["handle"]) for row in rows]

    async def delete_registrations(self, registrations: Collection[Registration]) -> None:
        await self._connection.execute(
            """
            WITH gone AS (
                SELECT r.device, r.handle
                FROM unnest($1::text[], $2::text[]) AS n (device, handle)
                JOIN registrations r ON r.device = n.device AND r.handle = n.handle
                ORDER BY r.handle, r.device
                FOR UPDATE OF r
            )
            DELETE FROM registrations r
            USING gone
            WHERE r.device = gone.device
                AND r.handle = gone.handle
            """,
            *columns(registrations, 0, 1),
        )

    async def delete_unregistered(self, devices: Collection[str]) -> None:
        """Delete those of some devices that hear of nothing any more; they are locked."""
        await self._connection.execute(
            """
            DELETE FROM devices d
            WHERE d.device = ANY($1::text[])
                AND NOT EXISTS (
                    SELECT
                    FROM registrations r
                    WHERE r.device = d.device
                )
            """,
            list(devices),
        )

    async def list_updated(self, queries: Sequence[ListUpdated]) -> list[list[Listed]]:
        """Find what is new to devices, in one statement: one moment for all.

        A cursor above the counter was not given out here, and counts as absent.
        """
        rows = await self._connection.fetch(
            """
            SELECT
                q.place, p.account_id, r.handle, r.serial_number, greatest(p.tag, r.tag) AS tag,
                CASE WHEN q.cursor <= coalesce(c.tag, 0) THEN q.cursor END AS cursor
            FROM unnest($1::text[], $2::text[], $3::bigint[]) WITH ORDINALITY AS q (
                device, pass_type_identifier, cursor, place
            )
            JOIN registrations r ON r.device = q.device
                AND r.pass_type_identifier = q.pass_type_identifier
            JOIN passes p ON p.handle = r.handle AND p.deleted_at IS NULL
            LEFT JOIN tag_counters c ON c.pass_type_identifier = q.pass_type_identifier
            WHERE q.cursor IS NULL
                OR q.cursor > coalesce(c.tag, 0)
                OR greatest(p.tag, r.tag) > q.cursor
            ORDER BY q.place, greatest(p.tag, r.tag), r.handle
            """,
            [q.device.replace("\0", "") for q in queries],
            [q.pass_type_identifier.replace("\0", "") for q in queries],
            [parse_cursor(q.since) for q in queries],
        )
        listed: list[list[Listed]] = [[] for _ in queries]
        for row in rows:
            place: int = row["place"]
            listed[place - 1].append(
                Listed(
                    row["account_id"],
                    row["handle"],
                    row["serial_number"],
                    row["tag"],
                    row["cursor"],
                )
            )
        return listed

    async def mark_told(self, registrations: Collection[Registration]) -> None:
        """Note that devices were told of passes, and are awaited to fetch them."""
        await self._connection.execute(
            """
            WITH told AS (
                SELECT r.device, r.handle
                FROM unnest($1::text[], $2::text[]) AS n (device, handle)
                JOIN registrations r ON r.device = n.device
                    AND r.handle = n.handle
                    AND NOT r.awaited
                ORDER BY r.handle, r.device
                FOR NO KEY UPDATE OF r
            )
            UPDATE registrations r
            SET awaited = true
            FROM told
            WHERE r.device = told.device
                AND r.handle = told.handle
            """,
            *columns(registrations, 0, 1),
        )

    async def take_awaited(self, fetches: dict[str, int]) -> dict[str, int]:
        """Count so many fetches of passes as those that are awaited; returns how many were."""
        rows = await self._connection.fetch(
            """
            WITH told AS (
                SELECT r.device, r.handle
                FROM (
                    SELECT handle, most
                    FROM unnest($1::text[], $2::int[]) AS n (handle, most)
                    ORDER BY handle
                ) AS fetched
                CROSS JOIN LATERAL (
                    SELECT device, handle
                    FROM registrations
                    WHERE handle = fetched.handle
                        AND awaited
                    ORDER BY device
                    LIMIT fetched.most
                    FOR NO KEY UPDATE
                ) AS r
            )
            UPDATE registrations r
            SET awaited = false
            FROM told
            WHERE r.device = told.device
                AND r.handle = told.handle
            RETURNING r.handle
            """,
            list(fetches),
            list(fetches.values()),
        )
        taken = dict.fromkeys(fetches, 0)
        for row in rows:
            taken[row["handle"]] += 1
        return taken

    async def count(self, handles: Collection[str]) -> dict[str, int]:
        """Count the devices that hold passes."""
        rows = await self._connection.fetch(
            """
            SELECT handle, count(*)
            FROM registrations
            WHERE handle = ANY($1::text[])
            GROUP BY handle
            """,
            list(handles),
        )
        return {row["handle"]: row["count"] for row in rows}

    async def list_holders(
        self, account_id: UUID, handle: str, most: int
    ) -> tuple[list[Holder], int]:
        """List the devices that hold a pass, the newest first, and how many there are."""
        rows = await self._connection.fetch(
            """
            SELECT
                left(r.device, $3) AS device, d.kind, r.created_at AS registered_at,
                w.due_at AS push_due_at, coalesce(w.tries, 0) AS push_tries,
                count(*) OVER () AS total
            FROM registrations r
            JOIN devices d ON d.device = r.device
            JOIN passes p ON p.handle = r.handle AND p.account_id = $1
            LEFT JOIN wakes w ON w.device = r.device
                AND w.pass_type_identifier = r.pass_type_identifier
                AND r.handle = ANY(w.handles)
            WHERE r.handle = $2
            ORDER BY r.created_at DESC, r.device
            LIMIT $4
            """,
            account_id, handle, DIGITS, most,
        )  # fmt: skip
        holders = [Holder.model_validate({**row}) for row in rows]
        return holders, rows[0]["total"] if rows else 0

    async def are_sealed(self) -> bool:
        """Whether every push token that was stored unsealed has been sealed."""
        return not await self._connection.fetchval("SELECT EXISTS (SELECT FROM token_sealings)")

    async def note_sealed(self) -> None:
        await self._connection.execute("DELETE FROM token_sealings")

    async def find_holders(self, handles: Collection[str]) -> list[Registration]:
        rows = await self._connection.fetch(
            "SELECT device, handle FROM registrations WHERE handle = ANY($1::text[])", list(handles)
        )
        return [(row["device"], row["handle"]) for row in rows]
