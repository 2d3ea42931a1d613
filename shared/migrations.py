"""Brings every service's schema up to date: plain SQL files, one migrator at a time."""

import asyncio
import hashlib
from pathlib import Path

import asyncpg
import structlog

from shared.database import role_of

LOCK = 0x5057_5247
"""The advisory lock all migrators of one database share ("PWRG")."""

MESSAGING = Path(__file__).parent / "messaging" / "migrations"
"""Outbox, inbox and suspects, which every service's schema has."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class ChangedMigrationError(Exception):
    """A migration that has been applied was edited since; write a new one instead."""


async def migrate(url: str, folders: dict[str, list[Path]]) -> None:
    """Apply what is missing to each schema (name → folders of `NNNN_name.sql`), in file order.

    Runs as the owner of the database. The lock is polled, not waited for, so that a statement
    such as CREATE INDEX CONCURRENTLY in another migrator never waits for our waiting.
    """
    connection = await asyncpg.connect(url)
    try:
        # Another process holds the lock: there is no event of ours to wait for.
        while not await connection.fetchval(  # noqa: ASYNC110
            "SELECT pg_try_advisory_lock($1)", LOCK
        ):
            await asyncio.sleep(0.2)
        await connection.execute("SET lock_timeout = '5s'")
        for schema, paths in folders.items():
            await _prepare(connection, schema)
            for path in (path for folder in paths for path in sorted(folder.glob("*.sql"))):
                await _apply(connection, schema, path)
    finally:
        await connection.close()


async def _prepare(connection: asyncpg.Connection, schema: str) -> None:
    role = role_of(schema)
    await connection.execute(
        f"""
        DO $$ BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
                CREATE ROLE {role} NOLOGIN;
            END IF;
            -- Since PostgreSQL 16 who creates a role is a member that may not take it on.
            IF NOT pg_has_role(current_user, '{role}', CASE
                WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET'
            END) THEN
                GRANT {role} TO CURRENT_USER;
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END $$;
        CREATE SCHEMA IF NOT EXISTS {schema};
        GRANT USAGE ON SCHEMA {schema} TO {role};
        ALTER DEFAULT PRIVILEGES IN SCHEMA {schema}
            GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role};
        ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT USAGE ON SEQUENCES TO {role};
        CREATE TABLE IF NOT EXISTS {schema}.migrations (
            name text PRIMARY KEY,
            sha256 text NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT now()
        );
        """
    )


async def _apply(connection: asyncpg.Connection, schema: str, path: Path) -> None:
    sql = path.read_text()  # noqa: ASYNC240 - a small file, before anything is served
    digest = hashlib.sha256(sql.encode()).hexdigest()
    applied = await connection.fetchval(
        f"SELECT sha256 FROM {schema}.migrations WHERE name = $1",  # noqa: S608 - our own name
        path.name,
    )
    if applied == digest:
        return
    if applied is not None:
        raise ChangedMigrationError(f"{schema}/{path.name}")
    async with connection.transaction():
        await connection.execute(f"SET LOCAL search_path = {schema}")
        await connection.execute(sql)
        await connection.execute(
            f"INSERT INTO {schema}.migrations (name, sha256) VALUES ($1, $2)",  # noqa: S608 - our own columns
            path.name,
            digest,
        )
    log.info("migration_applied", schema=schema, migration=path.name)
