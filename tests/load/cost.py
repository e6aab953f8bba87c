"""What processes cost: CPU seconds and memory, read from the operating system."""

import os
import time
from pathlib import Path

SCHEDULED = 2  # Linux's CPUCLOCK_SCHED: with a pid it makes the id of that process's own CPU clock
PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds a process has used, to the nanosecond, its children not counted."""
    return time.clock_gettime(~pid << 3 | SCHEDULED)


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
