"""How far a partition is done: offsets finish in any order, what is committed has no holes."""

from collections import deque
from typing import Any


class Entry:
    """One record on its way through the engine."""

    __slots__ = ("done", "offset", "record")

    def __init__(self, offset: int, record: Any) -> None:
        self.offset = offset
        self.record = record
        self.done = False


class Progress:
    """The records of one partition that are not committed yet, in the order of their offsets.

    `position` is the offset to commit: everything before it is finished.
    """

    __slots__ = ("_entries", "committed", "position")

    def __init__(self, position: int) -> None:
        self._entries: deque[Entry] = deque()
        self.position = position
        self.committed = position

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, offset: int, record: Any) -> Entry:
        """Take the next record of the partition."""
        entry = Entry(offset, record)
        self._entries.append(entry)
        return entry

    def finish(self, entry: Entry) -> None:
        """Mark a record as done and move the position over all that is done without a hole."""
        entry.done = True
        entry.record = None
        entries = self._entries
        while entries and entries[0].done:
            self.position = entries.popleft().offset + 1

    @property
    def uncommitted(self) -> bool:
        """Tell whether a commit would say anything new."""
        return self.position != self.committed
