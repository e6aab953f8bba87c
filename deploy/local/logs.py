"""The logs of a stack: kept short by the supervisor, followed by the command line."""

import asyncio
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

LARGEST = 20 * 1024 * 1024  # bytes of one log before it is set aside: a day of a busy stack is more than anyone reads
LOOK_EVERY = 5.0  # seconds between looks at the sizes
FOLLOW_EVERY = 0.25  # seconds between looks for new lines


async def rotate(folder: Path) -> None:
    """Keep every log below `LARGEST`, with one older part beside it, for ever.

    The log is copied and then cut: its process goes on writing to the same file, and the lines of that instant may
    be lost, which a file of its own for every process is worth.
    """
    while True:
        await asyncio.to_thread(cut, folder)
        await asyncio.sleep(LOOK_EVERY)


def cut(folder: Path, largest: int = LARGEST) -> None:
    """Set aside every log of the folder that has grown larger than that many bytes."""
    for log in folder.glob("*.log"):
        if log.stat().st_size > largest:
            shutil.copyfile(log, log.with_suffix(".log.1"))
            with log.open("r+") as file:
                file.truncate(0)


def last_lines(log: Path, count: int) -> list[str]:
    """Return the last lines of a log."""
    with log.open(errors="replace") as file:
        return file.read().splitlines()[-count:] if count else []


class Follower:
    """Reads what is added to some logs from now on."""

    def __init__(self, logs: dict[str, Path]) -> None:
        self._logs = logs
        self._places = {name: log.stat().st_size if log.exists() else 0 for name, log in logs.items()}

    def new_lines(self) -> Iterator[tuple[str, str]]:
        """Yield (name, line) for every whole line that was added since the last call."""
        for name, log in self._logs.items():
            if not log.exists():
                continue
            size = log.stat().st_size
            if size < self._places[name]:  # it was rotated
                self._places[name] = 0
            if size == self._places[name]:
                continue
            with log.open("rb") as file:
                file.seek(self._places[name])
                whole = file.read().rpartition(b"\n")[0]
            if whole:
                self._places[name] += len(whole) + 1
                yield from ((name, line) for line in whole.decode(errors="replace").splitlines())

    def follow(self) -> Iterator[tuple[str, str]]:
        """Yield lines for ever."""
        while True:
            yield from self.new_lines()
            time.sleep(FOLLOW_EVERY)
