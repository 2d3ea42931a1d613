"""What may happen to a running system, and what an operator then does, if anything."""

import asyncio
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

import aio_pika
import asyncpg

from shared.contracts.services import LISTENERS
from shared.messaging.topology import LANES, catalogue_queue, events_queue
from tests.system import SERVICES, System

Fault = Callable[[System], Awaitable[None]]

FROZEN_SECONDS: Final = 8.0
AWAY_SECONDS: Final = 5.0
SMALL_DISK: Final = 2048
"""Megabytes."""


async def nothing(_system: System) -> None:
    """What a calm run finds."""


async def kill(name: str, system: System) -> None:
    process = system.processes[name]
    await asyncio.to_thread(process.kill)
    process.start()


async def stop(name: str, system: System) -> None:
    process = system.processes[name]
    await asyncio.to_thread(process.stop)
    process.start()


async def freeze(name: str, system: System) -> None:
    with system.processes[name].paused():
        await asyncio.sleep(FROZEN_SECONDS)


async def kill_postgresql(system: System) -> None:
    await asyncio.to_thread(system.own_postgres.kill)
    await asyncio.to_thread(system.own_postgres.start)


async def restart_postgresql(system: System) -> None:
    await asyncio.to_thread(system.own_postgres.stop)
    await asyncio.to_thread(system.own_postgres.start)


async def freeze_postgresql(system: System) -> None:
    with system.own_postgres.paused():
        await asyncio.sleep(FROZEN_SECONDS)


async def kill_rabbitmq(system: System) -> None:
    await asyncio.to_thread(system.own_rabbitmq.kill)
    await asyncio.sleep(AWAY_SECONDS)
    await asyncio.to_thread(system.own_rabbitmq.start)


async def restart_rabbitmq(system: System) -> None:
    await asyncio.to_thread(system.own_rabbitmq.stop)
    await asyncio.sleep(AWAY_SECONDS)
    await asyncio.to_thread(system.own_rabbitmq.start)


async def freeze_rabbitmq(system: System) -> None:
    with system.own_rabbitmq.paused():
        await asyncio.sleep(FROZEN_SECONDS)


async def fill_rabbitmq_memory(system: System) -> None:
    await _control(system, "set_vm_memory_high_watermark", "0.000001")
    await asyncio.sleep(FROZEN_SECONDS)
    await _control(system, "set_vm_memory_high_watermark", "0.4")


async def fill_rabbitmq_disk(system: System) -> None:
    await _control(system, "set_disk_free_limit", "1000000GB")
    await asyncio.sleep(FROZEN_SECONDS)
    await _control(system, "set_disk_free_limit", "50MB")


async def read_only_postgresql(system: System) -> None:
    """As a server that was demoted, or a database whose owner ran out of quota."""
    async with _administered(system) as connection:
        await connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        await connection.execute("SELECT pg_reload_conf()")
    await asyncio.sleep(FROZEN_SECONDS)
    async with _administered(system) as connection:
        await connection.execute("SET default_transaction_read_only = off")
        await connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
        await connection.execute("SELECT pg_reload_conf()")


async def end_database_connections(system: System) -> None:
    async with _administered(system) as connection:
        await connection.execute(
            """
            SELECT pg_terminate_backend(pid)
            FROM pg_stat_activity
            WHERE pid <> pg_backend_pid()
                AND backend_type = 'client backend'
            """
        )


async def end_broker_connections(system: System) -> None:
    await _control(system, "close_all_connections", "as an operator does")


async def delete_queues(system: System) -> None:
    """All queues of events, with what they hold."""
    prefix = system.extra["environment"]["PASSWRIGHT_AMQP_PREFIX"]
    connection = await aio_pika.connect(system.own_rabbitmq.url)
    async with connection, await connection.channel() as channel:
        for service in LISTENERS:
            lanes = [events_queue(service, lane) for lane in LANES]
            for queue in (catalogue_queue(service), *lanes):
                await channel.queue_delete(f"{prefix}.{queue}")


async def delete_virtual_host(system: System) -> None:
    """Everything in it; an operator makes it again, empty, with its rights."""
    host = urlsplit(system.own_rabbitmq.url).path[1:] or "/"
    await _control(system, "delete_vhost", host)
    await asyncio.sleep(AWAY_SECONDS)
    await _control(system, "add_vhost", host)
    await _control(system, "set_permissions", "-p", host, "guest", ".*", ".*", ".*")


async def lose_broker_disk(system: System) -> None:
    """A new node in the place of one whose disk is gone."""
    await asyncio.to_thread(system.own_rabbitmq.kill)
    await asyncio.to_thread(system.own_rabbitmq.forget)
    await asyncio.to_thread(system.own_rabbitmq.start)


async def fill_postgresql_disk(system: System) -> None:
    """Until nothing can be written, the log of transactions included; then there is room again."""
    filler = small_disk_of(system) / "filler"
    await asyncio.to_thread(_fill, filler)
    await asyncio.sleep(FROZEN_SECONDS)
    filler.unlink()
    await asyncio.to_thread(system.own_postgres.start)  # as its supervisor, if it has ended


@contextmanager
def a_small_disk() -> Generator[Path | None]:
    """A file system of its own for PostgreSQL; None where we may not mount one."""
    folder = Path(tempfile.mkdtemp(prefix="passwright-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}m,mode=755", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield folder if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


def small_disk_of(system: System) -> Path:
    """Where PostgreSQL's data are."""
    host = parse_qs(urlsplit(system.own_postgres.url).query)["host"][0]
    disk = next(one for one in Path(host).parents if one.is_mount())
    assert disk.name.startswith("passwright-disk-"), "PostgreSQL has no disk of its own"
    return disk


def _fill(path: Path) -> None:
    for size in (2**20, 4096, 1):
        try:
            with path.open("ab", buffering=0) as file:
                while file.write(bytes(size)) == size:
                    pass
        except OSError:
            continue


async def _control(system: System, *arguments: str) -> None:
    await asyncio.to_thread(system.own_rabbitmq.control, *arguments)


@asynccontextmanager
async def _administered(system: System) -> AsyncGenerator[asyncpg.Connection]:
    connection = await asyncpg.connect(system.database_url)
    try:
        yield connection
    finally:
        await connection.close()


FAULTS: Final[dict[str, Fault]] = {
    "nothing": nothing,
    **{f"kill_{name}": partial(kill, name) for name in SERVICES},
    **{f"stop_{name}": partial(stop, name) for name in SERVICES},
    **{f"freeze_{name}": partial(freeze, name) for name in SERVICES},
    "kill_postgresql": kill_postgresql,
    "restart_postgresql": restart_postgresql,
    "freeze_postgresql": freeze_postgresql,
    "read_only_postgresql": read_only_postgresql,
    "fill_postgresql_disk": fill_postgresql_disk,
    "end_database_connections": end_database_connections,
    "kill_rabbitmq": kill_rabbitmq,
    "restart_rabbitmq": restart_rabbitmq,
    "freeze_rabbitmq": freeze_rabbitmq,
    "fill_rabbitmq_memory": fill_rabbitmq_memory,
    "fill_rabbitmq_disk": fill_rabbitmq_disk,
    "end_broker_connections": end_broker_connections,
    "delete_queues": delete_queues,
    "delete_virtual_host": delete_virtual_host,
    "lose_broker_disk": lose_broker_disk,
}
