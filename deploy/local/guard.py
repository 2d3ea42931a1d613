"""Holds a server of ours, so that none outlives the process that started it.

This file is also run as a program: the guard is the server's parent and ends it when its own
standard input closes, which the kernel does for us however our process ends, kill -9 included.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

STOP_SECONDS = 20.0
POLL_SECONDS = 0.2
KILL = b"k"
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


class ServerError(RuntimeError):
    """A local server did not do what was asked; the message carries the end of its log."""

    def __init__(self, sentence: str, log: Path | None = None) -> None:
        super().__init__(sentence if log is None else f"{sentence}\n{end_of(log)}")
        self.sentence = sentence


class GuardedServer:
    """A running server and its guard, seen from the process that asked for it."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        log: Path,
        environment: Mapping[str, str],
        stop_signal: signal.Signals,
    ) -> None:
        with log.open("ab") as output:
            self._guard = subprocess.Popen(  # noqa: S603 - the command is ours
                [sys.executable, "-I", "-S", __file__, str(int(stop_signal)), *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd=folder,
                env=dict(environment),
                start_new_session=True,  # Ctrl-C is for our process, which then stops the server
            )

    @property
    def running(self) -> bool:
        return self._guard.poll() is None

    def wait(self, seconds: float) -> int:
        """Return the exit status of a command that ends by itself."""
        status = self._guard.wait(seconds)
        self._close()
        return status

    def stop(self) -> None:
        """End the server in good order; return when no process of it is left."""
        self._close()
        self._guard.wait(STOP_SECONDS * 2)

    def kill(self) -> None:
        """End every process of the server with kill -9; return when none is left."""
        self._close(KILL)
        self._guard.wait(STOP_SECONDS)

    def pause(self) -> None:
        """Let every process of the server stand still, for fault tests; `resume` lets them go."""
        signal_all(self._descendants(), signal.SIGSTOP)

    def resume(self) -> None:
        signal_all(self._descendants(), signal.SIGCONT)

    def _descendants(self) -> set[int]:
        parents: dict[int, int] = {}
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = status.read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it ended while we looked
            parents[int(status.parent.name)] = int(fields[1])
        found, added = {self._guard.pid}, True
        while added:
            more = {process for process, parent in parents.items() if parent in found}
            added = not more <= found
            found |= more
        return found - {self._guard.pid}

    def _close(self, order: bytes = b"") -> None:
        if self._guard.stdin is None or self._guard.stdin.closed:
            return
        try:
            with self._guard.stdin as orders:
                orders.write(order)
        except BrokenPipeError:
            return  # the server, and so the guard, had ended by itself


def end_of(log: Path, lines: int = 20) -> str:
    """Return the end of a log, for an error message."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join(text.splitlines()[-lines:])


def descendants(ancestor: int) -> set[int]:
    """Find the ids of all living processes below one."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = entry.read_text(errors="replace").rpartition(")")[2].split()[:2]
        except (OSError, ValueError):
            continue  # it ended while we looked
        if state != "Z":
            parents[int(entry.parent.name)] = int(parent)
    found = {ancestor}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {ancestor}


def signal_all(processes: set[int], number: signal.Signals) -> None:
    for process in processes:
        try:
            os.kill(process, number)
        except ProcessLookupError:
            continue  # it was faster


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl failed")


def _ended_or_ordered(server: subprocess.Popen[bytes]) -> bytes | None:
    """Wait for our owner's wish (b"" when it is gone), or None if the server ends by itself."""
    while server.poll() is None:
        readable, _, _ = select.select([sys.stdin.fileno()], [], [], POLL_SECONDS)
        if readable:
            return os.read(sys.stdin.fileno(), 1)
    return None


def _kill_descendants() -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while (left := descendants(os.getpid())) and time.monotonic() < deadline:
        signal_all(left, signal.SIGKILL)
        time.sleep(0.01)


def _bury_the_rest() -> None:
    """Collect the dead that became our children; not every container's init would do it."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def _guard(stop_signal: signal.Signals, command: Sequence[str]) -> int:
    _prctl(PR_SET_CHILD_SUBREAPER, 1)  # what the server daemonises (epmd) stays below us

    def die_with_the_guard() -> None:
        _prctl(PR_SET_PDEATHSIG, int(stop_signal))

    def end(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit(1)

    signal.signal(signal.SIGTERM, end)
    server = subprocess.Popen(  # noqa: S603 - the command is ours
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=die_with_the_guard,  # noqa: PLW1509 - the guard has one thread
    )
    order: bytes | None = b""
    try:
        order = _ended_or_ordered(server)
    finally:
        if order == b"":
            server.send_signal(stop_signal)
            try:
                server.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                sys.stderr.write(f"The server did not stop within {STOP_SECONDS:.0f} s.\n")
        _kill_descendants()
    status = abs(server.wait())
    _bury_the_rest()
    return status


if __name__ == "__main__":
    sys.exit(_guard(signal.Signals(int(sys.argv[1])), sys.argv[2:]))
