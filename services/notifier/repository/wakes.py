"""Devices that have to be told that some of their passes are new."""

from collections.abc import Collection
from typing import Final

from shared.database import Connection

MOST_HANDLES: Final = 100
"""Handles kept with a wake, for the timelines; the push says nothing but "look"."""


class WakeRepository:
    """A wake is one push that is due, for a device and a pass type; its rows are locked last."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def ask(self, handles: Collection[str]) -> None:
        """Have every device that is pushed by Apple and registered for the passes woken.

        One that waits already is not due any sooner: it may be backing off.
        """
        await self._connection.execute(
            "INSERT INTO wakes AS old (device, pass_type_identifier, account_id, handles)"
            " SELECT r.device, r.pass_type_identifier, min(p.account_id::text)::uuid,"
            " (array_agg(r.handle ORDER BY r.handle))[1:$2]"
            " FROM registrations r JOIN devices d ON d.device = r.device AND d.kind = 'apple'"
            " JOIN passes p ON p.handle = r.handle AND p.deleted_at IS NULL"
            " WHERE r.handle = ANY($1::text[])"
            " GROUP BY r.device, r.pass_type_identifier ORDER BY 1, 2"
            " ON CONFLICT (device, pass_type_identifier) DO UPDATE SET asked = old.asked + 1,"
            " handles = ARRAY(SELECT DISTINCT handle FROM unnest(old.handles || excluded.handles)"
            " AS handle ORDER BY handle LIMIT $2)",
            list(handles), MOST_HANDLES,
        )  # fmt: skip
