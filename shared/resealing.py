"""Retires master keys: seals anew what rests in tables, and keeps what tokens derive from."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from shared.database import Connection, Database
from shared.errors import ApplicationError, UnavailableError
from shared.messaging.letters import LETTER_PURPOSE
from shared.passes.apple.tokens import DERIVED_PURPOSE, PassTokens
from shared.sealing import MasterKeys

TURN: Final = 500
WAIT_SECONDS: Final = 0.5
ROOT_PURPOSE: Final = "root of a former master key"

Reseal = Callable[[MasterKeys, str, str], str]
"""Seals a value of an owner with the sealing key; what is sealed by it already stays as it is."""


@dataclass(frozen=True)
class SealedColumn:
    """A column that holds sealed texts, walked in the order of its table's key."""

    table: str
    key: tuple[str, ...]
    column: str
    owner: str
    """An expression of SQL: whose row it is."""
    reseal: Reseal
    kind: str = "text"
    condition: str = "true"
    """In SQL: which rows are meant."""


@dataclass(frozen=True)
class Walked:
    """How far the walk over a column has come."""

    looked_at: int = 0
    resealed: int = 0
    unreadable: int = 0
    """Sealed by a master key that is not given, or altered."""


def sealed_for(purpose: str) -> Reseal:
    """Reseal texts that were sealed for a purpose."""
    return lambda keys, sealed, owner: keys.reseal(sealed, purpose=purpose, owner=owner)


LETTER_KEYS: Final = SealedColumn(
    "suspects", ("message_id",), "letter_key", "message_id", sealed_for(LETTER_PURPOSE)
)
FORMER_KEYS: Final = SealedColumn(
    "former_keys", ("root_id",), "sealed", "root_id", sealed_for(ROOT_PURPOSE)
)


async def walk(
    database: Database, keys: MasterKeys, column: SealedColumn, turn: int = TURN
) -> AsyncGenerator[Walked]:
    """Seal a column anew, some rows at a time; tells after each turn how far it has come.

    Nothing is locked: a value that was changed meanwhile is left, for it is sealed anew already. A
    walk that was broken off is begun again, and passes over what is done.
    """
    walked, after = Walked(), None
    while True:
        async with database.connection() as connection:
            rows = await _read(connection, column, after, turn)
            changed: list[tuple[Any, ...]] = []
            unreadable = 0
            for *key, owner, value in rows:
                try:
                    resealed = column.reseal(keys, value, owner)
                except ApplicationError:
                    unreadable += 1
                    continue
                if resealed != value:
                    changed.append((resealed, value, *key))
            await _write(connection, column, changed)
        walked = Walked(
            walked.looked_at + len(rows),
            walked.resealed + len(changed),
            walked.unreadable + unreadable,
        )
        yield walked
        if len(rows) < turn:
            return
        after = rows[-1][: len(column.key)]


async def _read(
    connection: Connection, column: SealedColumn, after: tuple[Any, ...] | None, turn: int
) -> list[tuple[Any, ...]]:
    key = ", ".join(column.key)
    places = ", ".join(f"${number}" for number in range(2, len(column.key) + 2))
    behind = "" if after is None else f" AND ({key}) > ({places})"
    rows = await connection.fetch(
        f"""
        SELECT {key}, ({column.owner})::text AS owner, {column.column}::text AS value
        FROM {column.table}
        WHERE {column.condition}
            AND {column.column}::text <> ''{behind}
        ORDER BY {key}
        LIMIT $1
        """,  # noqa: S608 - our own names
        turn,
        *(after or ()),
    )
    return [tuple(row) for row in rows]


async def _write(
    connection: Connection, column: SealedColumn, changed: list[tuple[Any, ...]]
) -> None:
    is_key = " AND ".join(f"{name} = ${n}" for n, name in enumerate(column.key, start=3))
    await connection.executemany(
        f"""
        UPDATE {column.table}
        SET {column.column} = $1::text::{column.kind}
        WHERE {column.column}::text = $2
            AND {is_key}
        """,  # noqa: S608 - our own names
        changed,
    )


async def keep_roots(database: Database, keys: MasterKeys) -> None:
    """Keep the roots of all keys but the sealing one, for when they are taken away."""
    roots = {sha256(root).hexdigest()[:16]: root for root in keys.former_roots}
    async with database.work() as work:
        await work.connection.executemany(
            "INSERT INTO former_keys (root_id, sealed) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            [
                (root_id, keys.seal(root, purpose=ROOT_PURPOSE, owner=root_id))
                for root_id, root in reversed(roots.items())
            ],
        )


async def recall_roots(database: Database, keys: MasterKeys, tokens: PassTokens) -> None:
    """Know the tokens of keys that were taken away.

    Waits for the database: without them devices would be refused whose tokens are good.
    """
    rows = None
    while rows is None:
        try:
            async with database.connection() as connection:
                rows = await connection.fetch(
                    "SELECT root_id, sealed FROM former_keys ORDER BY position DESC"
                )
        except UnavailableError:
            await asyncio.sleep(WAIT_SECONDS)
    keys.remember(
        keys.open(row["sealed"], purpose=ROOT_PURPOSE, owner=row["root_id"]) for row in rows
    )
    tokens.extend(keys.derive(DERIVED_PURPOSE))
