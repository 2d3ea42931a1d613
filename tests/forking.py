"""Starts our programs by forking a process that has imported them, which costs seconds each time.

This file is also run as a program: the fork server. It takes orders from the tests' process over
a socket, and ends when that closes. Whatever it starts is a process of its own, with the
environment, the arguments and the signals it would have had of `python -m`.
"""

import asyncio
import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final

ROOT: Final = Path(__file__).parent.parent
MAX_ORDER: Final = 256 * 1024
WORD: Final = 4
"""Bytes of a number that the fork server answers with: a process id, then how it ended."""

IMPORTED: Final = (
    "services.gateway.app",
    "services.generator.app",
    "services.member.app",
    "services.notifier.app",
    "services.triggers.app",
    "services.demo",
    "services.local",
    "services.operations",
    "tests.google.server",
    "tests.wallet.device",
)


class Forked:
    """A process that was forked; what is here is as in `subprocess.Popen`."""

    def __init__(self, status: socket.socket) -> None:
        self._status = status
        self.pid = self._number()
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._status], [], [], 0)[0]:
            self.returncode = self._number()
            self._status.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.poll() is None and not select.select([self._status], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        code = self.poll()
        assert code is not None
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _number(self) -> int:
        return int.from_bytes(self._status.recv(WORD, socket.MSG_WAITALL), "big", signed=True)


Running = subprocess.Popen[bytes] | Forked

_servers: Final[list[socket.socket]] = []
"""Where the fork server takes orders, once there is one."""


def begin() -> None:
    """Let programs be forked from now on; where figures are measured, they are not."""
    if _servers:
        return
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MAX_ORDER)
    with theirs:
        command = [sys.executable, "-m", "tests.forking", str(theirs.fileno())]
        server = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
        )
    _servers.append(ours)
    atexit.register(server.wait)
    atexit.register(ours.close)


def start(
    module: str,
    *arguments: str,
    environment: Mapping[str, str],
    output: IO[bytes],
    errors: IO[bytes],
) -> Running:
    """Do what `python -m MODULE ARGUMENTS…` does, in the project's folder."""
    if not _servers:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT, env=environment, stdout=output, stderr=errors,
        )  # fmt: skip
    ours, theirs = socket.socketpair()
    order = json.dumps([module, arguments, dict(environment)]).encode()
    with theirs:
        files = [output.fileno(), errors.fileno(), theirs.fileno()]
        socket.send_fds(_servers[0], [order], files)
    return Forked(ours)


async def run(
    module: str, *arguments: str, environment: Mapping[str, str], seconds: float = 120
) -> tuple[int, str, str]:
    """Run a program to its end: its exit code, what it printed, and what it complained of."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = start(module, *arguments, environment=environment, output=output, errors=errors)
        code = await asyncio.to_thread(process.wait, seconds)
        texts = [_read(file) for file in (output, errors)]
    return code, texts[0], texts[1]


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


# In the fork server


def _become_what_is_ordered(orders: socket.socket) -> None:
    """Fork for each order, until nobody is there to give any; in the fork, run the program."""
    while True:
        order, files, _, _ = socket.recv_fds(orders, MAX_ORDER, 3)
        if not order:
            os._exit(0)
        if os.fork() == 0:
            break
        for file in files:
            os.close(file)
    orders.close()
    output, errors, status = files
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if process := os.fork():
        _tell_end(process, status)
    os.close(status)
    os.dup2(output, sys.stdout.fileno())
    os.dup2(errors, sys.stderr.fileno())
    os.close(output)
    os.close(errors)
    module, arguments, environment = json.loads(order)
    os.environ.clear()  # noqa: TID251 - a program has an environment
    os.environ.update(environment)  # noqa: TID251
    time.tzset()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _tell_end(process: int, status: int) -> None:
    """Tell over a socket which process it is and, once it has ended, how."""
    with socket.socket(fileno=status) as teller:
        teller.sendall(process.to_bytes(WORD, "big", signed=True))
        _, code = os.waitpid(process, 0)
        try:
            teller.sendall(os.waitstatus_to_exitcode(code).to_bytes(WORD, "big", signed=True))
        except BrokenPipeError:
            os._exit(0)
    os._exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who ends here is not asked for
    for name in IMPORTED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as given:
        _become_what_is_ordered(given)
