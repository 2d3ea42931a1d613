"""Takes what messages at rest tell of deleted persons out of the outbox and of dead letters."""

from collections import defaultdict
from typing import Final

from shared.contracts.message import Event, Person
from shared.contracts.services import LISTENERS
from shared.database import Connection, Database

TURN: Final = 100
"""How many facts are written anew in one transaction."""

_EVENTS: Final[dict[str, type[Event]]] = {
    event.name: event for events in LISTENERS.values() for event in events
}


async def erase_persons(database: Database) -> None:
    """Erase what is told of persons whose erasure was asked for, some facts at a time.

    Facts that the relay holds at the moment are left for the next time, with their persons.
    """
    async with database.connection() as connection:
        if not await connection.fetchval(
            "SELECT EXISTS (SELECT FROM erasures WHERE done_at IS NULL)"
        ):
            return
    erased = TURN
    while erased == TURN:
        async with database.work("bulk") as work:
            erased = await _erase_from_outbox(work.connection)
    async with database.work("bulk") as work:
        await _throw_keys_away(work.connection)
        await _close(work.connection)


async def _erase_from_outbox(connection: Connection) -> int:
    rows = await connection.fetch(
        """
        SELECT o.outbox_id, o.name, o.body, e.account_id, e.member_id
        FROM erasures e
        JOIN outbox_persons p ON p.person = e.person AND p.outbox_id <= e.upto_id
        JOIN outbox o ON o.outbox_id = p.outbox_id
        WHERE e.done_at IS NULL
        ORDER BY o.outbox_id
        LIMIT $1
        FOR UPDATE OF o SKIP LOCKED
        """,
        TURN,
    )
    persons: defaultdict[int, set[Person]] = defaultdict(set)
    for row in rows:
        persons[row["outbox_id"]].add(Person(row["account_id"], row["member_id"]))
    bodies = {
        row["outbox_id"]: _without(row["name"], row["body"], persons[row["outbox_id"]])
        for row in rows
    }
    await connection.execute(
        """
        UPDATE outbox
        SET body = erased.body
        FROM unnest($1::bigint[], $2::bytea[]) AS erased (outbox_id, body)
        WHERE outbox.outbox_id = erased.outbox_id
        """,
        list(bodies),
        list(bodies.values()),
    )
    await connection.execute(
        """
        DELETE FROM outbox_persons
        WHERE (outbox_id, person) IN (SELECT * FROM unnest($1::bigint[], $2::bigint[]))
        """,
        [outbox_id for outbox_id, found in persons.items() for _ in found],
        [person.digest for found in persons.values() for person in found],
    )
    return len(rows)


def _without(name: str, body: bytes, persons: set[Person]) -> bytes:
    event = _EVENTS[name].model_validate_json(body)
    return event.without(persons).model_dump_json(exclude_defaults=True).encode()


async def _throw_keys_away(connection: Connection) -> None:
    await connection.execute(
        """
        UPDATE suspects
        SET letter_key = NULL
        FROM erasures e
        WHERE e.done_at IS NULL
            AND letter_key IS NOT NULL
            AND e.person = ANY(persons)
        """
    )


async def _close(connection: Connection) -> None:
    """Note as done the erasures of which nothing is left to do."""
    await connection.execute(
        """
        UPDATE erasures e
        SET done_at = now()
        WHERE done_at IS NULL
            AND NOT EXISTS (
                SELECT
                FROM outbox_persons p
                JOIN outbox o ON o.outbox_id = p.outbox_id
                WHERE p.person = e.person AND p.outbox_id <= e.upto_id
            )
        """
    )
