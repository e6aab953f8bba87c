"""What processes cost: CPU seconds and memory, read from the operating system."""

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds a process has used, its waited-for children not counted."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_bytes(pid: int) -> int:
    """Return the resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


class Meter:
    """CPU seconds of named processes since it was made (or reset)."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = pids
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._before = {name: cpu_seconds(pid) for name, pid in self._pids.items()}

    def used(self) -> dict[str, float]:
        """Return name -> CPU seconds since the start."""
        return {name: cpu_seconds(pid) - self._before[name] for name, pid in self._pids.items()}
