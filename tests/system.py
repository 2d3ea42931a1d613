"""The built system as its users meet it: processes with addresses, started, killed, stopped."""

import asyncio
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from deploy.local.postgres import EmbeddedPostgres
from deploy.local.rabbitmq import PrivateRabbitMQ
from shared.sealing import MasterKeys
from tests import forking
from tests.apple import PushServer
from tests.forking import Running
from tests.sockets import free_port

SERVICES = ("gateway", "member", "triggers", "generator", "notifier")
START_SECONDS = 120
"""Far more than it takes, for a busy machine."""
NO_LIMITS = {
    "PASSWRIGHT_LIMIT_PER_NETWORK": "0",
    "PASSWRIGHT_LIMIT_PER_KEY": "0",
    "PASSWRIGHT_PASS2U_LIMIT": "0",
}
"""All that tests and benches send comes from one network."""


@dataclass
class Process:
    """One of our processes, with its log."""

    name: str
    program: tuple[str, ...]
    """Its module and arguments, as after `python -m`."""
    environment: dict[str, str]
    log: Path
    running: Running | None = None

    def start(self, **settings: str) -> None:
        """Start it, with these settings besides its own until it is started again."""
        with self.log.open("ab") as log:
            self.running = forking.start(
                *self.program, environment=self.environment | settings, output=log, errors=log
            )

    def kill(self) -> None:
        if self.running is not None:
            self.running.send_signal(signal.SIGKILL)
            self.running.wait()

    def stop(self, seconds: float = 40) -> int:
        """SIGTERM, and the exit code it leads to."""
        if self.running is None:
            return 0
        self.running.terminate()
        try:
            return self.running.wait(seconds)
        except subprocess.TimeoutExpired:
            self.running.kill()
            raise

    @contextmanager
    def paused(self) -> Generator[None]:
        """Let it stand still for a while, as a machine does that is moved or out of memory."""
        assert self.running is not None
        self.running.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.running.send_signal(signal.SIGCONT)

    def tail(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@dataclass
class System:
    """A whole Passwright with an account in it."""

    base_url: str
    processes: dict[str, Process]
    account_id: str = ""
    api_key: str = ""
    root: Path = Path()
    template_id: str = ""
    """The demo's, where there is a demo."""
    database_url: str = ""
    apple: PushServer | None = None
    """Whom it pushes through, when it was started with one."""
    extra: dict[str, Any] = field(default_factory=dict)
    servers: tuple[EmbeddedPostgres, PrivateRabbitMQ] | None = None
    """Its own ones, to break and mend; None when others use them too."""

    @property
    def own_postgres(self) -> EmbeddedPostgres:
        assert self.servers is not None
        return self.servers[0]

    @property
    def own_rabbitmq(self) -> PrivateRabbitMQ:
        assert self.servers is not None
        return self.servers[1]

    def session(self, api_key: str | None = None) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            self.base_url,
            headers={"X-API-Key": api_key or self.api_key},
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=40),
        )

    async def until_ready(self, seconds: float = START_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        async with aiohttp.ClientSession() as session:
            while True:
                with suppress(aiohttp.ClientError, TimeoutError):
                    timeout = aiohttp.ClientTimeout(total=2)
                    async with session.get(f"{self.base_url}/ready", timeout=timeout) as response:
                        if response.status == 200:
                            return
                for process in self.processes.values():
                    if process.running is not None and process.running.poll() is not None:
                        raise AssertionError(f"{process.name} ended\n{process.tail()}")
                if time.monotonic() > deadline:
                    tails = "\n".join(p.tail(8) for p in self.processes.values())
                    raise AssertionError(f"not ready\n{tails}")
                await asyncio.sleep(0.05)

    def stop(self) -> None:
        """Stop all processes, at the same time."""
        with ThreadPoolExecutor() as pool:
            for _ in pool.map(Process.stop, self.processes.values()):
                pass


def clean_environment(**settings: str) -> dict[str, str]:
    ours = os.environ.items()  # noqa: TID251 - tests start processes with an environment
    kept = {k: v for k, v in ours if not k.startswith("PASSWRIGHT_")}
    for name in ("DATABASE_URL", "AMQP_URL"):
        kept.pop(name, None)
    return kept | settings


async def start_embedded(folder: Path, apple: PushServer | None = None, **settings: str) -> System:
    """`make run`, as a newcomer types it: one process, everything in one data folder."""
    port = free_port()
    environment = clean_environment(
        PASSWRIGHT_PORT=str(port),
        PASSWRIGHT_DATA=str(folder / "data"),
        **NO_LIMITS | _push_settings(folder, apple) | settings,
    )
    process = Process("run", ("services", "run"), environment, folder / "run.log")
    process.start()
    system = System(f"http://localhost:{port}", {"run": process})
    with _killed_on_failure(system):
        await system.until_ready()
        demo = await poll(lambda: _read_demo(folder / "data" / "demo.json"), "demo.json")
    system.account_id = demo["account_id"]
    system.api_key = demo["api_key"]
    system.root = Path(demo["development_root"])
    system.template_id = demo["template_id"]
    system.extra = {**demo, "environment": environment}
    system.database_url = EmbeddedPostgres(folder / "data" / "postgres").url
    await _open_apple(system, apple)
    return system


async def start_distributed(
    folder: Path,
    database_url: str,
    amqp_url: str,
    apple: PushServer | None = None,
    **settings: str,
) -> System:
    """Five processes on RabbitMQ and PostgreSQL, as an operator would start them."""
    port = free_port()
    environment = clean_environment(
        DATABASE_URL=database_url,
        AMQP_URL=amqp_url,
        PASSWRIGHT_AMQP_PREFIX=f"e2e{secrets.token_hex(4)}",
        PASSWRIGHT_MASTER_KEYS=MasterKeys.generate_text(),
        PASSWRIGHT_PORT=str(port),
        PASSWRIGHT_ALLOW_LOOPBACK="true",
        PASSWRIGHT_DATA=str(folder / "data"),
        **{"PASSWRIGHT_LOG_LEVEL": "WARNING"}
        | NO_LIMITS
        | _push_settings(folder, apple)
        | settings,
    )
    await run_command(environment, "migrate")
    account = json.loads(await run_command(environment, "account", "Tests"))
    processes = {
        name: Process(name, (f"services.{name}",), environment, folder / f"{name}.log")
        for name in SERVICES
    }
    for process in processes.values():
        process.start()
    system = System(
        f"http://localhost:{port}",
        processes,
        account["account_id"],
        account["api_key"],
        database_url=database_url,
        extra={"environment": environment},
    )
    with _killed_on_failure(system):
        await system.until_ready()
    system.root = folder / "development_root.pem"
    async with system.session() as session, session.get("/v1/development-root.pem") as response:
        system.root.write_bytes(await response.read())
    await _open_apple(system, apple)
    return system


@asynccontextmanager
async def a_distributed_system(disk: Path | None = None, **settings: str) -> AsyncGenerator[System]:
    """Five processes on a PostgreSQL, a RabbitMQ and a push server of their own, for a while.

    PostgreSQL's data go to `disk`, where that is given.
    """
    folder = Path(tempfile.mkdtemp(prefix="passwright-system-"))
    folder.chmod(0o755)
    postgres = EmbeddedPostgres((disk or folder) / "postgres")
    rabbitmq = PrivateRabbitMQ(folder / "rabbitmq")
    apple = PushServer("")
    try:
        system = await start_distributed(
            folder,
            await asyncio.to_thread(postgres.start),
            await asyncio.to_thread(rabbitmq.start),
            apple,
            **settings,
        )
        system.servers = postgres, rabbitmq
        try:
            yield system
        finally:
            await asyncio.to_thread(system.stop)
            await apple.stop()
    finally:
        postgres.stop()
        rabbitmq.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _killed_on_failure(system: System) -> Generator[None]:
    """Leave no process behind of a system that does not start."""
    try:
        yield
    except BaseException:
        for process in system.processes.values():
            process.kill()
        raise


def _push_settings(folder: Path, apple: PushServer | None) -> dict[str, str]:
    """Let pushes go to this server instead of Apple's; it is opened once it knows whom to trust."""
    if apple is None:
        return {}
    apple.port = apple.port or free_port()
    root = folder / "push_root.pem"
    root.write_bytes(apple.root)
    return {"PASSWRIGHT_PUSH_SERVER": apple.url, "PASSWRIGHT_PUSH_ROOT": str(root)}


async def _open_apple(system: System, apple: PushServer | None) -> None:
    if apple is not None:
        apple.client_root = system.root.read_text()
        await apple.start()
        system.apple = apple


async def run_command(environment: dict[str, str], *arguments: str, code: int = 0) -> str:
    """Run one of `python -m services`' commands to its end."""
    ended, output, errors = await forking.run("services", *arguments, environment=environment)
    assert ended == code, output + errors
    return output + errors


def _read_demo(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text()) if path.exists() else None


async def poll(look: Callable[[], Any], what: str, seconds: float = 90) -> Any:
    """Look until there is something, for longer than a busy machine takes.

    `look` may be a coroutine function.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < deadline, f"no {what} within {seconds} s"
        await asyncio.sleep(0.05)
