"""Devices that have to be told that some of their passes are new."""

from collections.abc import Collection
from typing import Final

from services.notifier.apple.domain.devices import Registration
from shared.database import Connection

MAX_HANDLES: Final = 100
"""Handles kept with a wake, for the timelines; the push says nothing but "look"."""


class WakeRepository:
    """A wake is one push that is due, for a device and a pass type; its rows are locked last."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def ask(self, handles: Collection[str]) -> None:
        """Have every device that is pushed by Apple and registered for the passes woken."""
        await self._ask([None] * len(handles), list(handles))

    async def ask_devices(self, registrations: Collection[Registration]) -> None:
        """Have single devices woken for passes for which they are registered."""
        await self._ask([d for d, _ in registrations], [h for _, h in registrations])

    async def _ask(self, devices: list[str | None], handles: list[str]) -> None:
        """Make or join wakes. One that waits is not due any sooner: it may be backing off."""
        await self._connection.execute(
            """
            INSERT INTO wakes AS old (device, pass_type_identifier, account_id, handles)
            SELECT
                r.device, r.pass_type_identifier, min(p.account_id::text)::uuid,
                (array_agg(DISTINCT r.handle ORDER BY r.handle))[1:$3]
            FROM unnest($1::text[], $2::text[]) AS asked (device, handle)
            JOIN registrations r ON r.handle = asked.handle
                AND (asked.device IS NULL OR r.device = asked.device)
            JOIN devices d ON d.device = r.device AND d.kind = 'apple'
            JOIN passes p ON p.handle = r.handle AND p.deleted_at IS NULL
            GROUP BY r.device, r.pass_type_identifier
            ORDER BY 1, 2
            ON CONFLICT (device, pass_type_identifier) DO UPDATE SET
                asked = old.asked + 1,
                handles = ARRAY(
                    SELECT DISTINCT handle
                    FROM unnest(old.handles || excluded.handles) AS handle
                    ORDER BY handle
                    LIMIT $3
                )
            """,
            devices, handles, MAX_HANDLES,
        )  # fmt: skip

    async def withdraw(self, registrations: Collection[Registration]) -> None:
        """Wake devices no more for passes that are gone, or for which they are not registered.

        A wake for nothing else goes; one that names as many passes as are kept may be for others.
        """
        await self._connection.execute(
            """
            WITH gone AS (
                SELECT device, array_agg(handle) AS handles
                FROM unnest($1::text[], $2::text[]) AS gone (device, handle)
                GROUP BY device
            ), concerned AS (
                SELECT w.device, w.pass_type_identifier, gone.handles
                FROM wakes w
                JOIN gone ON gone.device = w.device AND w.handles && gone.handles
                ORDER BY w.device, w.pass_type_identifier
                FOR UPDATE OF w
            ), ended AS (
                DELETE FROM wakes w
                USING concerned c
                WHERE w.device = c.device
                    AND w.pass_type_identifier = c.pass_type_identifier
                    AND w.handles <@ c.handles
                    AND cardinality(w.handles) < $3
            )
            UPDATE wakes w
            SET
                handles = ARRAY(
                    SELECT handle
                    FROM unnest(w.handles) AS handle
                    WHERE handle <> ALL(c.handles)
                )
            FROM concerned c
            WHERE w.device = c.device
                AND w.pass_type_identifier = c.pass_type_identifier
                AND NOT (w.handles <@ c.handles AND cardinality(w.handles) < $3)
            """,
            [device for device, _ in registrations],
            [handle for _, handle in registrations],
            MAX_HANDLES,
        )

    async def forget(self, devices: Collection[str]) -> None:
        """Wake devices no more that are gone altogether."""
        await self._connection.execute(
            """
            DELETE FROM wakes w
            WHERE w.device = ANY($1::text[])
                AND NOT EXISTS (
                    SELECT
                    FROM devices d
                    WHERE d.device = w.device
                )
            """,
            list(devices),
        )
