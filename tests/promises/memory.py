"""How much memory one of our processes takes, as the kernel counts it."""

from tests.system import Process


class Memory:
    """What a process holds, from now on."""

    def __init__(self, process: Process) -> None:
        assert process.running is not None
        self._folder = f"/proc/{process.running.pid}"
        self._before = self._now("VmRSS")
        with open(f"{self._folder}/clear_refs", "w") as file:  # noqa: PTH123 - of the kernel
            file.write("5")  # the peak counts from here on

    @property
    def growth(self) -> int:
        """KiB, at most, above what it was at the beginning."""
        return self._now("VmHWM") - self._before

    def _now(self, name: str) -> int:
        with open(f"{self._folder}/status") as file:  # noqa: PTH123 - of the kernel
            (line,) = [line for line in file if line.startswith(name)]
        return int(line.split()[1])
