"""A private RabbitMQ node of Debian's package: own ports, own folder, any number side by side."""

import hashlib
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.guard import GuardedServer, ServerError

PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # /usr/sbin has one for its own user
START_SECONDS = 60.0
POLL_SECONDS = 0.05
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
# No scheduler spins while it has nothing to do, and no port is open to the network.
ERLANG_OPTIONS = (
    "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"
)
CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{port}
loopback_users.guest = true
log.console = true
log.console.level = info
log.file = false
"""


class PrivateRabbitMQ:
    """One node on one folder; the URL stays the same over restarts of this object."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._log = self._folder / "rabbitmq.log"
        self._ports = _free_ports(3)
        self._server: GuardedServer | None = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self._ports[0]}/"

    def start(self) -> str:
        """Start the node, after a crash too, and return its URL once it speaks AMQP."""
        if self._server is not None:
            if self._server.running:
                return self.url
            self._server.stop()  # it ended by itself
        if not PROGRAM.exists():
            raise ServerError(
                f"{PROGRAM} is missing: run deploy/local/ensure_rabbitmq.sh, or set TEST_AMQP_URL."
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        self._server = GuardedServer(
            [str(PROGRAM)],
            folder=self._folder,
            log=self._log,
            environment=self._environment(),
            stop_signal=signal.SIGTERM,
        )
        self._wait_until_ready(self._server)
        return self.url

    def stop(self) -> None:
        """Stop in good order."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def kill(self) -> None:
        """End every process of the node with kill -9, for fault tests; `start` recovers."""
        if self._server is not None:
            self._server.kill()
            self._server = None

    def forget(self) -> None:
        """Lose everything it has on disk, for fault tests; it must not run."""
        if self._server is not None:
            raise ServerError("it runs")
        shutil.rmtree(self._folder / "mnesia")

    @contextmanager
    def paused(self) -> Generator[None]:
        """Let every process of the node stand still for a while, for fault tests."""
        server = self._server
        if server is None:
            raise ServerError("it does not run")
        server.pause()
        try:
            yield
        finally:
            server.resume()

    def control(self, *arguments: str, program: str = "rabbitmqctl") -> str:
        """Run one of RabbitMQ's tools on the node and return what it prints."""
        return subprocess.run(  # noqa: S603 - the command is ours
            [str(PROGRAM.with_name(program)), *arguments],
            env=self._environment(),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout

    def _environment(self) -> dict[str, str]:
        port, distribution, epmd = map(str, self._ports)
        files = {
            "rabbitmq.conf": CONFIGURATION.format(port=port),
            "enabled_plugins": "[].\n",
            "rabbitmq-env.conf": "",  # hides the machine's own in /etc/rabbitmq
        }
        for name, text in files.items():
            (self._folder / name).write_text(text)
        # The data in the folder belong to the node's name, so the name comes from the folder.
        name = hashlib.sha256(str(self._folder).encode()).hexdigest()[:12]
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(self._folder),  # where Erlang keeps its cookie
            "ERL_EPMD_PORT": epmd,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"passwright-{name}@localhost",
            "RABBITMQ_DIST_PORT": distribution,
            "RABBITMQ_CONF_ENV_FILE": str(self._folder / "rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self._folder / "generated"),
            "RABBITMQ_LOG": "-color",
            "RABBITMQ_PID_FILE": str(self._folder / "rabbitmq.pid"),
            # The start script becomes the node, so signals reach the node itself.
            "RABBITMQ_ALLOW_INPUT": "true",
            "RABBITMQ_SERVER_START_ARGS": "-noinput",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG_OPTIONS,
        }

    def _wait_until_ready(self, server: GuardedServer) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not _speaks_amqp(self._ports[0]):
            if not server.running or time.monotonic() > deadline:
                self.kill()
                raise ServerError(f"RabbitMQ did not start: see {self._log}.", self._log)
            time.sleep(POLL_SECONDS)


def _speaks_amqp(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(PROTOCOL_HEADER)
            return connection.recv(1) == b"\x01"  # a method frame: connection.start
    except OSError:
        return False


def _free_ports(count: int) -> list[int]:
    """Find ports that the kernel lends to no outgoing connection while the node is down."""
    found: list[int] = []
    candidates = random.SystemRandom().sample(range(20_000, 32_000), 200)
    while len(found) < count:
        port = candidates.pop()
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
    return found
