"""The PostgreSQL that comes along keeps what it has acknowledged, whatever is killed."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from deploy.local.guard import ServerError
from deploy.local.postgres import EmbeddedPostgres

OWNER = """
import signal, sys
from pathlib import Path
from deploy.local.postgres import EmbeddedPostgres

server = EmbeddedPostgres(Path(sys.argv[1]))
server.start()
print("started", flush=True)
signal.pause()
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path / "postgres")
    server.start()
    yield server
    server.stop()


async def test_killed_server_returns_at_the_same_url_with_its_data(server: EmbeddedPostgres):
    before = server.url
    await query(before, "CREATE TABLE passes AS SELECT 'gold' AS level")

    server.kill()
    with pytest.raises(OSError, match=r"refused|No such file"):
        await query(before, "SELECT 1")
    after = server.start()

    assert after == before
    assert await query(after, "SELECT level FROM passes") == "gold"


async def test_server_never_answers_before_a_commit_is_on_disk(server: EmbeddedPostgres):
    assert await query(server.url, "SHOW fsync") == "on"
    assert await query(server.url, "SHOW synchronous_commit") == "on"
    assert await query(server.url, "SHOW max_connections") == "200"
    assert await query(server.url, "SHOW server_encoding") == "UTF8"


async def test_server_of_a_killed_owner_is_replaced(tmp_path: Path):
    with owner_of(tmp_path) as owner:
        owner.kill()
    server = EmbeddedPostgres(tmp_path)

    url = server.start()

    assert await query(url, "SELECT 1") == 1
    server.stop()


async def test_no_process_is_left_when_guard_and_owner_are_killed(
    server: EmbeddedPostgres, tmp_path: Path
):
    postmaster = int((tmp_path / "postgres/cluster/postmaster.pid").read_text().split("\n")[0])

    os.kill(parent_of(postmaster), signal.SIGKILL)

    await until_gone(postmaster)
    assert await query(server.start(), "SELECT 1") == 1


def test_folder_serves_one_owner_at_a_time(tmp_path: Path):
    with owner_of(tmp_path), pytest.raises(ServerError, match="in use"):
        EmbeddedPostgres(tmp_path).start()


async def test_two_servers_live_side_by_side_below_a_long_path(
    server: EmbeddedPostgres, tmp_path: Path
):
    other = EmbeddedPostgres(tmp_path / ("long " * 20) / "with ü")

    url = other.start()

    assert await query(url, "SELECT 1") == 1
    assert await query(server.url, "SELECT 1") == 1
    other.stop()


@contextmanager
def owner_of(folder: Path) -> Generator[subprocess.Popen[str]]:
    """Another process that has a server running in the folder."""
    command = [sys.executable, "-c", OWNER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        try:
            assert owner.stdout is not None
            assert owner.stdout.readline() == "started\n"
            yield owner
        finally:
            owner.kill()


async def query(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


async def until_gone(process: int):
    async with asyncio.timeout(30):
        while (stat := Path(f"/proc/{process}/stat")).exists() and " Z " not in stat.read_text():
            await asyncio.sleep(0.05)
