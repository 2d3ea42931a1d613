"""One database for all tests of a package, emptied before each: making one takes half a second."""

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from shared.migrations import MESSAGING, migrate
from tests.servers import with_database


@asynccontextmanager
async def migrated_database(server: str, schema: str, migrations: Path) -> AsyncGenerator[str]:
    name = f"test_{secrets.token_hex(6)}"
    await _administer(server, f"CREATE DATABASE {name}")
    url = with_database(server, name)
    await migrate(url, {schema: [MESSAGING, migrations]})
    yield url
    await _administer(server, f"DROP DATABASE {name} WITH (FORCE)")


async def empty(url: str, schema: str) -> None:
    await _administer(
        url,
        f"""DO $$ DECLARE t text; BEGIN
            FOR t IN SELECT tablename FROM pg_tables
                WHERE schemaname = '{schema}' AND tablename <> 'migrations'
            LOOP EXECUTE 'DELETE FROM {schema}.' || t; END LOOP;
        END $$""",
    )


async def _administer(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
