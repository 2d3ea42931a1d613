"""What many passes take of disk and memory."""

import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from deploy.local.guard import descendants
from tests.system import System

PASSING: Final = ("outbox", "outbox_persons", "inbox")
"""Tables whose rows go after a day at most: they depend on the rate, not on how many passes are."""
SERVERS: Final = {"postgres": "PostgreSQL", "beam.smp": "RabbitMQ"}
MEBIBYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Disk:
    """How large the database is, in bytes."""

    passes: int
    whole: int
    tables: Mapping[str, int]
    """Each with its indexes and what is stored apart from its rows."""

    @property
    def lasting(self) -> int:
        """Without what is kept for a day at most."""
        return self.whole - sum(size for name, size in self.tables.items() if _passes_by(name))


@dataclass(frozen=True, slots=True)
class PerPass:
    """How many bytes one pass more takes."""

    lasting: float
    passing: float
    """Of what is kept for a day at most."""
    tables: Mapping[str, float]
    """The largest of the lasting ones."""

    @classmethod
    def between(cls, before: Disk, after: Disk, most: int = 10) -> "PerPass":
        passes = max(1, after.passes - before.passes)
        lasting = (after.lasting - before.lasting) / passes
        grown = Counter(
            {
                name: size - before.tables.get(name, 0)
                for name, size in after.tables.items()
                if not _passes_by(name)
            }
        )
        return cls(
            lasting,
            (after.whole - before.whole) / passes - lasting,
            {name: size / passes for name, size in grown.most_common(most)},
        )


async def measure_disk(system: System, passes: int) -> Disk:
    """Ask PostgreSQL for the size of everything."""
    connection = await asyncpg.connect(system.database_url)
    try:
        rows = await connection.fetch(
            """
            SELECT schemaname || '.' || relname AS name, pg_total_relation_size(relid) AS size
            FROM pg_stat_user_tables
            """
        )
        whole = await connection.fetchval("SELECT pg_database_size(current_database())")
    finally:
        await connection.close()
    return Disk(passes, whole, {row["name"]: row["size"] for row in rows})


def measure_memory(system: System) -> dict[str, float]:
    """Read the resident memory of each process, in MiB.

    PostgreSQL and RabbitMQ are many processes that share memory: what is shared counts once.
    """
    found = {
        name: _read(process.running.pid, "status", "VmRSS")
        for name, process in system.processes.items()
        if process.running is not None
    }
    for process in descendants(os.getpid()):
        server = SERVERS.get(_command(process))
        if server is not None:
            found[server] = found.get(server, 0) + _read(process, "smaps_rollup", "Pss")
    return {name: size / MEBIBYTE for name, size in found.items()}


def _passes_by(table: str) -> bool:
    return table.rpartition(".")[2] in PASSING


def _command(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:
        return ""  # it ended while we looked


def _read(process: int, file: str, name: str) -> int:
    try:
        text = Path(f"/proc/{process}/{file}").read_text()
    except OSError:
        return 0  # it ended while we looked
    line = re.search(rf"(?m)^{name}:\s+(\d+) kB", text)
    return int(line[1]) * 1024 if line else 0
