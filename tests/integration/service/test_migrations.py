"""Migrations run once, in order, one migrator at a time, and are not edited afterwards."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from shared.migrations import MESSAGING, ChangedMigrationError, migrate


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_tickets.sql").write_text("CREATE TABLE tickets (colour text);")
    (tmp_path / "0002_blue.sql").write_text("INSERT INTO tickets VALUES ('blue');")
    return tmp_path


async def look(url: str, statement: str) -> list[object]:
    connection = await asyncpg.connect(url)
    try:
        return [row[0] for row in await connection.fetch(statement)]
    finally:
        await connection.close()


async def test_three_migrators_at_once_all_succeed_and_apply_once(
    fresh_database: str, folder: Path
):
    folders = {"member": [MESSAGING, folder], "triggers": [MESSAGING]}

    await asyncio.gather(*(migrate(fresh_database, folders) for _ in range(3)))

    assert await look(fresh_database, "SELECT colour FROM member.tickets") == ["blue"]
    assert await look(fresh_database, "SELECT name FROM member.migrations ORDER BY name") == [
        "0000_messaging.sql",
        "0001_receipts.sql",
        "0001_tickets.sql",
        "0002_blue.sql",
        "0002_erasures.sql",
    ]


async def test_a_second_run_does_nothing_and_a_new_file_is_applied(
    fresh_database: str, folder: Path
):
    await migrate(fresh_database, {"member": [folder]})
    before = await look(fresh_database, "SELECT applied_at FROM member.migrations")
    await migrate(fresh_database, {"member": [folder]})
    after = await look(fresh_database, "SELECT applied_at FROM member.migrations")
    (folder / "0003_red.sql").write_text("INSERT INTO tickets VALUES ('red');")

    await migrate(fresh_database, {"member": [folder]})

    assert after == before
    assert await look(fresh_database, "SELECT colour FROM member.tickets") == ["blue", "red"]


async def test_an_edited_migration_is_refused(fresh_database: str, folder: Path):
    await migrate(fresh_database, {"member": [folder]})
    (folder / "0002_blue.sql").write_text("INSERT INTO tickets VALUES ('navy');")

    with pytest.raises(ChangedMigrationError, match=r"member/0002_blue\.sql"):
        await migrate(fresh_database, {"member": [folder]})

    assert await look(fresh_database, "SELECT colour FROM member.tickets") == ["blue"]


async def test_a_migration_that_fails_leaves_nothing_and_frees_the_lock(
    fresh_database: str, folder: Path
):
    broken = folder / "0003_broken.sql"
    broken.write_text("CREATE TABLE half (); SELECT 1/0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(fresh_database, {"member": [folder]})
    broken.write_text("CREATE TABLE whole ();")

    async with asyncio.timeout(5):
        await migrate(fresh_database, {"member": [folder]})

    tables = await look(
        fresh_database,
        "SELECT tablename FROM pg_tables WHERE schemaname = 'member' ORDER BY tablename",
    )
    assert tables == ["migrations", "tickets", "whole"]
